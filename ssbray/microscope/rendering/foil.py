"""The foil: how thick it is, what its pores leave out, and which phases a column through it meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering.fields import Image, smooth
from ssbray.rng import stream

SLICES = (6, 16)  #: least and most, of the foil, on which inclined boundaries are sampled
GROOVE_WIDTHS = 3.0  #: width of the groove at a boundary, in widths of the boundary
THINNEST_SHARE = 0.2  #: of the mean thickness, below which no wedge or curtain may cut


def thickness(shape: tuple[int, int], pixel_size_nm: float, settings: Settings, seed: int) -> Image:
    """Distance between the faces of the foil: wedge, low-frequency field and curtains, (H, W) [nm]."""
    generator = stream(seed, "render thickness")
    angle = 2 * np.pi * generator.random()
    y, x = ((np.arange(side) - (side - 1) / 2) * pixel_size_nm / 1000 for side in shape)
    wedge = settings.wedge_nm_per_um * (np.sin(angle) * y[:, None] + np.cos(angle) * x[None, :])
    field = smooth(shape, settings.thickness_length_nm / pixel_size_nm, generator)
    found = settings.thickness_nm * (1 + settings.thickness_rms_share * field) + wedge
    found += curtains(shape, pixel_size_nm, settings, seed)
    return np.maximum(found, THINNEST_SHARE * settings.thickness_nm).astype(np.float32)


def curtains(shape: tuple[int, int], pixel_size_nm: float, settings: Settings, seed: int) -> Image:
    """Stripes that a focused ion beam leaves along its direction, nearly that of y, (H, W) [nm]."""
    generator = stream(seed, "render curtains")
    lean = np.tan(np.radians(generator.normal(0, 2)))
    if settings.curtain_rms_nm == 0:
        return np.zeros(shape, dtype=np.float32)
    room = int(np.ceil(abs(lean) * shape[0])) + 2
    stripes = smooth((1, shape[1] + 2 * room), settings.curtain_length_nm / pixel_size_nm, generator)[0]
    fine = smooth((1, shape[1] + 2 * room), settings.curtain_length_nm / 3 / pixel_size_nm, generator)[0]
    profile = settings.curtain_rms_nm * (0.9 * stripes + 0.44 * fine)
    at = np.arange(shape[1])[None, :] + room + lean * (np.arange(shape[0]) - shape[0] / 2)[:, None]
    low = np.floor(at).astype(np.intp)
    part = (at - low).astype(np.float32)
    return (profile[low] * (1 - part) + profile[low + 1] * part).astype(np.float32)


def chords(pore: NDArray[np.bool_], pixel_size_nm: float) -> Image:
    """Length of pore that a ray along the beam crosses at each pixel, (H, W) [nm]; not cut at the foil's faces.

    A pore of inscribed radius r has the chord ``2 sqrt(r^2 - d^2)`` where its nearest edge is r - d away. An
    elongated one reaches as far along the beam as in the plane: the chord is stretched by area / (pi r^2),
    which is one for a disc and the ratio of the axes for an ellipse.
    """
    if pore.all():
        return np.full(pore.shape, np.inf, dtype=np.float32)
    parts, count = ndimage.label(pore)
    edge = np.where(pore, ndimage.distance_transform_edt(pore) - 0.5, 0.0)  # from centres of pixels to the edge
    radius = np.array([1.0, *ndimage.maximum(edge, parts, np.arange(1, count + 1))])
    stretch = np.maximum(1.0, np.bincount(parts.ravel(), minlength=count + 1) / (np.pi * radius**2))
    chord = 2 * np.sqrt(edge * (2 * radius[parts] - edge)) * stretch[parts]
    return (chord * pixel_size_nm).astype(np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Regions:
    """Grains and phases without grains, numbered, with pores filled by their nearest solid."""

    region: NDArray[np.int32]  #: (H, W) 0..n-1
    label: NDArray[np.intp]  #: (n,) phase of each
    grain: NDArray[np.int64]  #: (n,) its grain, 0 where there is none


def regions(labels: NDArray[np.uint8], grains: NDArray[np.int32], pore: NDArray[np.bool_]) -> Regions:
    """Number what the foil would consist of without its pores."""
    if pore.any() and not pore.all():
        y, x = ndimage.distance_transform_edt(pore, return_distances=False, return_indices=True)
        labels, grains = labels[y, x], grains[y, x]
    low = int(grains.min())
    span = int(grains.max()) - low + 1
    known, region = np.unique(labels.astype(np.int64) * span + (grains - low), return_inverse=True)
    return Regions(region=region.reshape(labels.shape).astype(np.int32), label=(known // span).astype(np.intp),
                   grain=known % span + low)


def contamination(shape: tuple[int, int], settings: Settings, seed: int) -> Image:
    """Carbon under the footprint of an earlier scan, a rectangle, (H, W) [nm]."""
    generator = stream(seed, "render contamination")
    found = np.zeros(shape, dtype=np.float32)
    hit, centre, extent = generator.random(), generator.random(2), generator.uniform(0.25, 0.7, 2)
    if hit < settings.contamination_probability:
        rows, columns = (slice(max(0, int((middle - share / 2) * side)), int(np.ceil((middle + share / 2) * side)))
                         for middle, share, side in zip(centre, extent, shape, strict=True))
        found[rows, columns] = settings.contamination_nm
    return found


def columns(region: NDArray[np.int32], table: NDArray[np.float32], slices: list[NDArray[np.intp]]) -> Image:
    """Mean over the slices of the foil of a table by region, (H, W)."""
    total = np.zeros(region.shape, dtype=np.float32)
    flat = region.ravel()
    for index in slices:
        total += table[flat[index]]
    return total / np.float32(len(slices))


def projected(image: Image, slices: list[NDArray[np.intp]], weights: Sequence[float] | None = None) -> Image:
    """Mean over the slices of the foil of an image of its mid-plane, weighted if wanted, (H, W)."""
    flat, total = image.ravel(), np.zeros(image.shape, dtype=np.float32)
    for index, weight in zip(slices, weights or [1.0] * len(slices), strict=True):
        total += np.float32(weight / len(slices)) * flat[index]
    return total


def fringes(count: int, settings: Settings, seed: int) -> list[float]:
    """Weight of each slice in the bright-field contrast of a leaning boundary: it beats with depth.

    Two-beam diffraction has the period of an extinction distance; a boundary on edge has the mean of them all.
    """
    depth = (np.arange(count) + 0.5) / count * settings.thickness_nm
    phase = stream(seed, "render fringes").random()
    beat = np.cos(2 * np.pi * (depth / settings.extinction_nm + phase))
    return [float(weight) for weight in 1 + settings.fringe_depth * (beat - beat.mean())]


def inclined(shape: tuple[int, int], pixel_size_nm: float, settings: Settings, seed: int) -> list[NDArray[np.intp]]:
    """Flat index of the mid-plane pixel that each slice of the foil shows at each pixel, some (H, W).

    Boundaries lean by an angle that varies slowly; what leans by theta is seen t tan(theta) wide.
    """
    height, width = shape
    own = np.arange(height * width).reshape(shape)
    if settings.inclination_deg == 0:
        return [own]
    length = settings.inclination_length_nm / pixel_size_nm
    reach = settings.thickness_nm * np.tan(np.radians(settings.inclination_deg)) / pixel_size_nm
    lean_y, lean_x = (reach * smooth(shape, length, stream(seed, "render inclination", axis)) for axis in "yx")
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    found = []
    count = int(np.clip(np.ceil(3 * reach), *SLICES))
    for depth in (np.arange(count) + 0.5) / count - 0.5:
        row = np.clip(np.rint(y + np.float32(depth) * lean_y), 0, height - 1).astype(np.intp)
        column = np.clip(np.rint(x + np.float32(depth) * lean_x), 0, width - 1).astype(np.intp)
        found.append(row * width + column)
    return found
