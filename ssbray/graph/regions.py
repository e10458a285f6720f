"""Connected regions of equal phase and grain, and their moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ssbray.domain import FloatArray
from ssbray.raster import Facets, across, listed, unlike


@dataclass(frozen=True, eq=False, kw_only=True)
class Regions:
    """What each pixel belongs to. Coordinates count pixel edges from the corner of the image."""

    image: NDArray[Any]
    """shape of the map; region of each pixel, numbered by first appearance; int32 as long as n^2 fits, so that
    ``a n + b`` numbers a pair"""
    label: NDArray[np.int64]  #: (n,) phase of each region
    first: NDArray[np.int64]  #: (n,) flat index of the first pixel of each region
    faces: Facets  #: the pixel faces between regions
    pixels: FloatArray  #: (n,) size [pixels]
    centroid: FloatArray  #: (n, ndim) [pixel edges]
    extent: FloatArray  #: (n, ndim) sqrt(12 variance): the sides of a rectangle of the same spread [pixel edges]


def find_regions(labels: NDArray[np.integer], grains: NDArray[np.integer] | None = None) -> Regions:
    """Find the face-connected regions of equal (label, grain).

    Rows are cut into runs first, so that the union of touching runs works on far fewer items
    than there are pixels.

    Parameters
    ----------
    labels : (H, W) or (D, H, W) phase of each pixel.
    grains : same shape, grain of each pixel, or None.

    >>> find_regions(np.array([[0, 1, 0], [0, 1, 1]])).image.tolist()
    [[0, 1, 2], [0, 1, 1]]
    """
    differ = [unlike(labels, grains, axis) for axis in range(labels.ndim)]
    starts = np.ones(labels.shape, dtype=bool)
    starts[..., 1:] = differ[-1]
    begin = np.flatnonzero(starts)
    length = np.diff(np.append(begin, labels.size))
    region = _joined(begin, starts, differ[:-1])
    n = int(region.max()) + 1
    first = np.empty(n, dtype=np.int64)
    first[region[::-1]] = begin[::-1]  # of several, the last that is written stays
    image = np.repeat(region.astype(np.int32 if n**2 < 2**31 else np.int64), length).reshape(labels.shape)
    return Regions(image=image, label=labels.reshape(-1)[first].astype(np.int64), first=first,
                   faces=listed(differ, labels.shape), **_moments(region, begin, length, labels.shape))


def _joined(begin: NDArray[np.int64], starts: NDArray[np.bool_], differ: list[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Number the region of each run by first appearance; `differ` marks the unlike neighbours in other rows."""
    count = len(begin)
    above, below = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for axis, apart in enumerate(differ):
        low, high = across(starts, axis)
        touch = listed([np.zeros(0, dtype=bool)] * axis + [~apart & (low | high)], starts.shape)
        above.append(np.searchsorted(begin, touch.first, side="right") - 1)
        below.append(np.searchsorted(begin, touch.second, side="right") - 1)
    i, j = np.concatenate(above), np.concatenate(below)
    _, part = connected_components(coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(count, count)),
                                   directed=False)
    first = np.empty(int(part.max()) + 1, dtype=np.int64)
    first[part[::-1]] = np.arange(count)[::-1]
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[part]


def _moments(region: NDArray[np.int64], begin: NDArray[np.int64], length: NDArray[np.int64],
             shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """Sum sizes, first and second moments over runs [pixel edges]; a pixel is a unit square, not a point."""
    n = int(region.max()) + 1
    size = length.astype(float)
    pixels = np.bincount(region, size, n)
    centroid, variance = np.empty((2, n, len(shape)))
    for axis, place in enumerate(np.unravel_index(begin, shape)):
        along = axis == len(shape) - 1
        middle = place + (size / 2 if along else 0.5)
        centroid[:, axis] = np.bincount(region, size * middle, n) / pixels
        spread = (middle - centroid[region, axis]) ** 2 + (size**2 if along else 1.0) / 12
        variance[:, axis] = np.bincount(region, size * spread, n) / pixels
    return {"pixels": pixels, "centroid": centroid, "extent": np.sqrt(12 * variance)}
