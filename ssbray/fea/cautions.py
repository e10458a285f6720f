"""What a map cannot tell, said before anyone trusts its numbers. The map itself is never changed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssbray.domain import AXES, FloatArray, PhaseMap

THIN = 3  #: pixels across that a feature needs for its current to be resolved
THIN_SHARE = 0.2  #: share of a phase in thinner places that is worth a word
CONTRAST = 100.0  #: between a corner contact and what surrounds it, from where the corner decides
MATTERS = 10.0  #: a path that conducts less than this times better than its surroundings can lose its necks

Mask = NDArray[np.bool_]


def cautions(phase_map: PhaseMap, conductivity: Mapping[int, float], axis: str = "y") -> tuple[str, ...]:
    """Say what in a map makes its conductivity doubtful, one line each.

    That a section is no volume; that the conducting path hangs on contacts one pixel wide; that a
    phase is thinner than three pixels; that good conductors touch at corners only.

    Parameters
    ----------
    phase_map : the section or volume.
    conductivity : label -> conductivity [S/m].
    axis : "x", "y" or "z".
    """
    table = np.zeros(256)
    table[list(conductivity)] = list(conductivity.values())
    sigma = table[phase_map.labels]
    found = [] if sigma.ndim == 3 else [
        "a section is not the volume: paths out of the plane are missing, so a 2-D value tends to be too low"]
    found += _necks(phase_map, table, AXES[axis] + sigma.ndim)
    found += _thin(phase_map)
    if count := corner_contacts(sigma, over_pores=False):
        remedy = ("--target-gap certifies it, and gives the other reading of the raster where that matters"
                  if sigma.ndim == 2 else "--bounds says how much that matters")
        found.append(f"{count} corner contact{'s'[: count != 1]} between good conductors (over {CONTRAST:g} times what "
                     f"surrounds them): plain pixels do not resolve what a corner carries; {remedy}")
    if count := corner_contacts(sigma, over_pores=True):
        found.append(f"{count} corner contact{'s'[: count != 1]} of conductors between pores carr"
                     f"{'ies' if count == 1 else 'y'} nothing: if the specimen is joined there, draw it joined")
    return tuple(found)


def _necks(phase_map: PhaseMap, table: FloatArray, axis: int) -> list[str]:
    """Whether the best conductors that reach from end to end still do for a square of two by two pixels."""
    present = np.flatnonzero(np.bincount(phase_map.labels.reshape(-1)))
    levels = np.unique(table[present])[::-1]
    for level, below in zip(levels, [*levels[1:], 0.0], strict=True):
        mask = (table >= level)[phase_map.labels]
        if level <= 0 or mask.all():
            return []
        if not _percolates(mask, axis):
            continue
        if level < MATTERS * below or _percolates(_windows(mask, 2), axis):
            return []
        names = ", ".join(str(label) for label in present if table[label] >= level)
        return [f"the path through label{'s'[: ',' in names]} {names} hangs on contacts one pixel wide: single pixels "
                "of the segmentation decide; check it there, or use finer pixels"]
    return []


def _percolates(mask: Mask, axis: int) -> bool:
    group, _ = ndimage.label(mask)
    both = np.intersect1d(np.take(group, 0, axis=axis), np.take(group, -1, axis=axis))
    return bool(both[-1:].any())


def _windows(mask: Mask, width: int) -> Mask:
    """Where a square (cube) of `width` pixels fits; a map that is narrower goes on as it ends."""
    mask = np.pad(mask, [(0, max(0, width - n)) for n in mask.shape], mode="edge")
    for axis in range(mask.ndim):
        mask = _slide(mask, width, axis, np.logical_and)
    return mask


def _slide(image: NDArray[Any], width: int, axis: int, join: np.ufunc) -> NDArray[Any]:
    """Join each run of `width` pixels along an axis."""
    count = image.shape[axis] - width + 1
    parts = [image[tuple(slice(k, k + count) if d == axis else slice(None) for d in range(image.ndim))]
             for k in range(width)]
    return functools.reduce(join, parts)


def _thin(phase_map: PhaseMap) -> list[str]:
    """Name the phases of which much is thinner than `THIN` pixels: lost by an opening with a square of that size."""
    labels = np.pad(phase_map.labels, THIN - 1, mode="edge")
    low, high = labels, labels
    for axis in range(labels.ndim):
        low, high = _slide(low, THIN, axis, np.minimum), _slide(high, THIN, axis, np.maximum)
    stays = low == high  # windows of one label
    for axis in range(labels.ndim):
        beside = [(THIN - 1, THIN - 1) if d == axis else (0, 0) for d in range(labels.ndim)]
        stays = _slide(np.pad(stays, beside), THIN, axis, np.logical_or)
    inside = tuple(slice(THIN - 1, 1 - THIN) for _ in range(labels.ndim))
    lost = np.bincount(phase_map.labels[~stays[inside]], minlength=256)
    pixels = np.bincount(phase_map.labels.reshape(-1), minlength=256)
    return [f"{lost[label] / pixels[label]:.0%} of label {label} is thinner than {THIN} pixels: use finer pixels, or "
            "make it a thin interface (--interface, --sheet)" for label in np.flatnonzero(lost > THIN_SHARE * pixels)]


def corner_contacts(sigma: FloatArray, over_pores: bool) -> int:
    """Count the 2 x 2 blocks in which good conductors touch at the corner only.

    Parameters
    ----------
    sigma : image of conductivities; in a volume, blocks in all planes count.
    over_pores : count those between pores, or the others.

    >>> corner_contacts(np.array([[1.0, 0.0], [0.0, 1.0]]), over_pores=True)
    1
    """
    count = 0
    for a, b in itertools.combinations(range(sigma.ndim), 2):
        corners = [sigma[tuple({a: i, b: j}.get(d, slice(None)) for d in range(sigma.ndim))]
                   for i, j in itertools.product((slice(None, -1), slice(1, None)), repeat=2)]
        for p, q, r, s in ((0, 3, 1, 2), (1, 2, 0, 3)):
            better, worse = np.minimum(corners[p], corners[q]), np.maximum(corners[r], corners[s])
            count += int(np.count_nonzero((better > CONTRAST * worse) & ((worse == 0) == over_pores)))
    return count
