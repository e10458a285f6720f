"""Dislocations: smooth lines inside grains, with the contrast that they have in bright field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssbray.domain import FloatArray
from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering.fields import Image
from ssbray.rng import stream

STEP = 0.5  #: of a line's points, in pixels
LEAST_NM = 15.0  #: what a boundary leaves of a line must be longer
HALF_WIDTH_NM = 1.5  #: of the mask, and at least 0.75 pixels
REACH = 4.0  #: of the contrast to either side, in its widths


@dataclass(frozen=True, eq=False, kw_only=True)
class Dislocations:
    """Where they are, and what they do to the images."""

    mask: NDArray[np.bool_]  #: (H, W)
    bf: Image  #: (H, W) factor
    haadf: Image  #: (H, W) factor


def draw(grains: NDArray[np.int32], crystalline: NDArray[np.bool_], pixel_size_nm: float, settings: Settings,
         seed: int) -> Dislocations:
    """Lines of a mean total length per volume of crystal, none of which crosses a boundary.

    Parameters
    ----------
    grains : (H, W), zero where there is none.
    crystalline : (H, W) where a line may be.
    """
    generator = stream(seed, "render dislocations")
    found = Dislocations(mask=np.zeros(grains.shape, dtype=bool), bf=np.ones(grains.shape, dtype=np.float32),
                         haadf=np.ones(grains.shape, dtype=np.float32))
    possible = np.flatnonzero(crystalline & (grains > 0))
    volume_m3 = len(possible) * pixel_size_nm**2 * settings.thickness_nm * 1e-27
    count = generator.poisson(settings.dislocations_per_m2 * volume_m3 / (1e-9 * settings.dislocation_length_nm))
    for _ in range(count):
        start = divmod(int(possible[generator.integers(len(possible))]), grains.shape[1])
        inside = curve(generator, start, grains, settings.dislocation_length_nm / pixel_size_nm)
        _contrast(found, inside, grains, grains[start], pixel_size_nm, settings, generator)
    return found


def curve(generator: np.random.Generator, start: tuple[int, int], grains: NDArray[np.int32], length_px: float
          ) -> FloatArray:
    """Points (n, 2) of a smooth line through `start`, as far as it stays in its grain; 0.5 to 1.5 lengths long."""
    count = max(3, int(length_px * generator.uniform(0.5, 1.5) / STEP))
    turn = generator.normal(0, 1.0) + 0.7 * np.cumsum(generator.standard_normal(8))
    angle = generator.uniform(0, 2 * np.pi) + np.interp(np.linspace(0, 7, count), np.arange(8), turn)
    angle = ndimage.gaussian_filter1d(angle, max(count / 16, 1.0), mode="nearest")
    points = STEP * np.cumsum(np.column_stack([np.sin(angle), np.cos(angle)]), axis=0)
    middle = int(generator.integers(count))
    points += np.array(start) - points[middle]
    pixel = np.rint(points).astype(np.intp)
    within = ((pixel >= 0) & (pixel < np.array(grains.shape))).all(axis=1)
    pixel = np.clip(pixel, 0, np.array(grains.shape) - 1)
    out = np.flatnonzero(~(within & (grains[pixel[:, 0], pixel[:, 1]] == grains[start])))
    before = out[out < middle].max(initial=-1)
    after = out[out > middle].min(initial=count)
    return points[before + 1:after]


def _contrast(found: Dislocations, points: FloatArray, grains: NDArray[np.int32], grain: int, pixel_size_nm: float,
              settings: Settings, generator: np.random.Generator) -> None:
    """Add one line."""
    kind, depth, phase, period_nm, side = (
        generator.random(), settings.dislocation_bf_depth * generator.uniform(0.6, 1.2), generator.random(),
        generator.uniform(15, 60), 1 if generator.random() < 0.5 else -1)
    swing = generator.uniform(0.2, 1.0) if generator.random() < 0.5 else 0.0
    if len(points) * STEP * pixel_size_nm < LEAST_NM:
        return
    width = max(settings.dislocation_width_nm / pixel_size_nm, 0.7) / 2
    reach = int(np.ceil(REACH * width)) + 1
    low = np.maximum(np.rint(points.min(axis=0)).astype(np.intp) - reach, 0)
    high = np.minimum(np.rint(points.max(axis=0)).astype(np.intp) + reach + 1, grains.shape)
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    which = np.full(high - low, -1, dtype=np.intp)
    pixel = np.rint(points - low).astype(np.intp)
    which[pixel[:, 0], pixel[:, 1]] = np.arange(len(points))
    y, x = ndimage.distance_transform_edt(which < 0, return_distances=False, return_indices=True)
    foot = which[y, x]
    tangent = np.gradient(points, axis=0) / STEP
    away = np.moveaxis(np.indices(foot.shape), 0, -1) + low - points[foot]
    along = (away * tangent[foot]).sum(axis=-1)
    distance = away[..., 0] * tangent[foot][..., 1] - away[..., 1] * tangent[foot][..., 0]
    arc_nm = np.arange(len(points)) * STEP * pixel_size_nm
    ends = np.clip(np.minimum(arc_nm, arc_nm[-1] - arc_nm) / 5 + 0.3, 0, 1)
    wave = ends * (1 - swing / 2 + swing / 2 * np.cos(2 * np.pi * (arc_nm / period_nm + phase)))
    beyond = np.exp(-((np.maximum(np.abs(along) - 1, 0) / width) ** 2))
    shape = _profile(distance / width, kind, side) * wave[foot] * beyond
    inside = grains[box] == grain
    found.bf[box] *= np.where(inside, np.clip(1 - depth * shape, 0.1, 1.5), 1).astype(np.float32)
    weak = settings.dislocation_haadf_depth * np.exp(-(distance / width) ** 2 / 2) * wave[foot]
    found.haadf[box] *= np.where(inside & (np.abs(along) <= 1), 1 - side * weak, 1).astype(np.float32)
    half = max(HALF_WIDTH_NM / pixel_size_nm, 0.75)
    found.mask[box] |= inside & (np.abs(distance) <= half) & (np.abs(along) <= 1)


def _profile(s: FloatArray, kind: float, side: int) -> FloatArray:
    """Darkening across a line, by distance in widths: single and to one side, double, or dark and bright."""
    if kind < 0.5:
        return np.exp(-((s - 0.4 * side) ** 2) / 2)
    if kind < 0.8:
        return np.exp(-((s - 1.3) ** 2) / 1.2) + np.exp(-((s + 1.3) ** 2) / 1.2)
    return side * 1.4 * s * np.exp(-(s**2) / 2)
