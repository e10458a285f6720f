"""Contrast of crystals: grains, bend contours, the boundaries between them, and fine crystallites of layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from ssbray.domain import FloatArray
from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering.fields import FWHM, Image, smooth
from ssbray.microscope.rendering.foil import Regions
from ssbray.rng import stream

LOWEST = -(2**30)  #: number of the first twin
LAMELLA_SHAPE = 5.0  #: of the distribution of their widths: a scatter of 45 %


def by_grain(regions: Regions, crystalline: NDArray[np.bool_], seed: int, purpose: str) -> FloatArray:
    """Normal number of each region, (n,); zero for what is amorphous or has no grain."""
    known, rank = np.unique(regions.grain, return_inverse=True)
    normal = stream(seed, purpose).standard_normal(len(known))
    return np.where(crystalline[regions.label] & (regions.grain != 0), normal[rank], 0.0)


def inherited(grains: NDArray[np.int32], heirs: NDArray[np.bool_], parents: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Grains in which a phase that grew out of another one keeps the orientation of its nearest grain, (H, W)."""
    if not heirs.any() or not parents.any():
        return grains
    y, x = ndimage.distance_transform_edt(~parents, return_distances=False, return_indices=True)
    return np.where(heirs, grains[y, x], grains)


def twins(grains: NDArray[np.int32], where: NDArray[np.bool_], period_px: float, seed: int) -> NDArray[np.int32]:
    """Lamellae of two orientations in each grain of a tetragonal phase, (H, W): every other one becomes a new grain.

    Their widths vary as a gamma distribution of shape `LAMELLA_SHAPE`, with half a period on average. The new
    grains have negative numbers, below those of `domains`.
    """
    if not where.any():
        return grains
    generator = stream(seed, "render twins")
    known, rank = np.unique(grains[where], return_inverse=True)
    angle, start = generator.random((2, len(known)))
    y, x = np.nonzero(where)
    across = (np.sin(np.pi * angle[rank]) * y + np.cos(np.pi * angle[rank]) * x) / period_px + 7 * start[rank]
    across -= across.min()
    widths = generator.gamma(LAMELLA_SHAPE, 0.5 / LAMELLA_SHAPE, 4 * int(across.max() + 4))
    second = np.searchsorted(np.cumsum(widths), across) % 2 == 1
    found = grains.copy()
    found[y[second], x[second]] = LOWEST + rank[second].astype(np.int32)
    return found


def domains(where: NDArray[np.bool_], size_px: float, seed: int) -> NDArray[np.int32]:
    """Crystallites of a mean size as numbers below zero, (H, W); zero elsewhere."""
    found = np.zeros(where.shape, dtype=np.int32)
    if not where.any():
        return found
    generator = stream(seed, "render domains")
    step = max(size_px, 1.0)
    rows, columns = (np.arange(-0.5, side / step + 1.5) for side in where.shape)
    nodes = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    nodes = (nodes + generator.uniform(-0.5, 0.5, nodes.shape)) * step
    found[where] = -1 - cKDTree(nodes).query(np.argwhere(where))[1].astype(np.int32)
    return found


def bending(offset: Image, strength: Image, pixel_size_nm: float, settings: Settings, seed: int) -> Image:
    """Dark bands where a bent foil fulfils a Bragg condition: factor on the bright field, (H, W).

    The foil tilts steadily in one direction, and a little at random; a band recurs with every period.

    Parameters
    ----------
    offset : (H, W) orientation of each pixel's grain, in periods: where its bands lie.
    strength : (H, W) how strong they are in it, 0..1; zero where there is no crystal.
    """
    if settings.bend_depth == 0:
        return np.ones(offset.shape, dtype=np.float32)
    generator = stream(seed, "render bending")
    period = settings.bend_length_nm / pixel_size_nm
    angle = 2 * np.pi * generator.random()
    y, x = (np.arange(side) / period for side in offset.shape)
    tilt = (np.sin(angle) * y[:, None] + np.cos(angle) * x[None, :]).astype(np.float32)
    tilt += offset + np.float32(0.25) * smooth((len(y), len(x)), period, generator)
    off = tilt - np.rint(tilt)
    band = np.exp(-((off / np.float32(settings.bend_width)) ** 2) / 2)
    return (1 - np.float32(settings.bend_depth) * band * strength).astype(np.float32)


def boundaries(regions: Regions, hidden: NDArray[np.bool_], settings: Settings, seed: int) -> Image:
    """Lines of one pixel's width between grains of one phase, by how strongly each boundary shows, (H, W).

    Both pixels of a face carry half, so that the line has no side. No face of a hidden pixel (a pore) counts.
    """
    region = regions.region
    found = np.zeros(region.shape, dtype=np.float32)
    faces = []
    for axis in (0, 1):
        low = tuple(slice(None, -1) if d == axis else slice(None) for d in range(2))
        high = tuple(slice(1, None) if d == axis else slice(None) for d in range(2))
        a, b = region[low], region[high]
        candidate = (a != b) & ~hidden[low] & ~hidden[high]
        at = np.argwhere(candidate)
        first, second = a[candidate], b[candidate]
        same = (regions.label[first] == regions.label[second]) & (
            np.minimum(regions.grain[first], regions.grain[second]) > 0)
        faces.append((axis, at[same], np.minimum(first, second)[same].astype(np.int64),
                      np.maximum(first, second)[same].astype(np.int64)))
    count = len(regions.label)
    pairs, rank = np.unique(np.concatenate([low * count + high for _, _, low, high in faces]), return_inverse=True)
    normal = stream(seed, "render boundaries").standard_normal(len(pairs))
    strength = np.clip(1 + settings.boundary_variation * normal, 0, 2).astype(np.float32)[rank]
    start = 0
    for axis, at, low, _ in faces:
        value = strength[start:start + len(low)] / 2
        start += len(low)
        np.maximum.at(found, (at[:, 0], at[:, 1]), value)
        np.maximum.at(found, (at[:, 0] + (axis == 0), at[:, 1] + (axis == 1)), value)
    return found


def line(mask: Image, width_px: float) -> Image:
    """Give lines of one pixel's width a Gaussian profile of a full width, one in the middle where it is resolved.

    What is narrower than a pixel keeps its integral, and so grows faint.
    """
    sigma = width_px / FWHM
    integral = np.float32(sigma * np.sqrt(2 * np.pi))
    spread = ndimage.gaussian_filter(mask, sigma, mode="nearest") if sigma >= 0.3 else mask
    return np.minimum(spread * integral, np.float32(2.0))
