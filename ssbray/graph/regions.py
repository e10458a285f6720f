"""Connected regions of equal phase and grain, and their moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ssbray.domain import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Regions:
    """What each pixel belongs to. Coordinates count pixel edges from the corner of the image."""

    image: NDArray[np.int64]  #: shape of the map; region of each pixel, numbered by first appearance
    label: NDArray[np.int64]  #: (n,) phase of each region
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
    code = labels.astype(np.int64)
    if grains is not None:
        code = code + (int(code.max()) + 1) * grains.astype(np.int64)
    starts = np.ones(code.shape, dtype=bool)
    starts[..., 1:] = code[..., 1:] != code[..., :-1]
    run = np.cumsum(starts.reshape(-1), dtype=np.int64).reshape(code.shape) - 1
    above, below = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for axis in range(code.ndim - 1):
        low = tuple(slice(None, -1) if d == axis else slice(None) for d in range(code.ndim))
        high = tuple(slice(1, None) if d == axis else slice(None) for d in range(code.ndim))
        touch = (code[low] == code[high]) & (starts[low] | starts[high])
        above.append(run[low][touch])
        below.append(run[high][touch])
    count = int(run[(-1,) * run.ndim]) + 1
    i, j = np.concatenate(above), np.concatenate(below)
    _, of_run = connected_components(coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(count, count)),
                                     directed=False)
    _, first, inverse = np.unique(of_run, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    of_run = rank[inverse]
    image = of_run[run]
    flat = np.flatnonzero(starts)
    label = np.empty(len(first), dtype=np.int64)
    label[of_run] = labels.reshape(-1)[flat]
    return Regions(image=image, label=label, **_moments(of_run, flat, code.shape))


def _moments(of_run: NDArray[np.int64], flat: NDArray[np.int64], shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """Sum sizes, first and second moments over runs [pixel edges]; a pixel is a unit square, not a point."""
    size = np.diff(np.append(flat, np.prod(shape))).astype(float)
    begin = np.stack(np.unravel_index(flat, shape), axis=1).astype(float)
    middle = begin + 0.5
    middle[:, -1] = begin[:, -1] + size / 2
    n = int(of_run.max()) + 1
    pixels = np.bincount(of_run, size, n)
    centroid = np.stack([np.bincount(of_run, size * x, n) for x in middle.T], axis=1) / pixels[:, None]
    spread = (middle - centroid[of_run]) ** 2
    own = np.ones_like(spread) / 12
    own[:, -1] = size**2 / 12
    variance = np.stack([np.bincount(of_run, size * v, n) for v in (spread + own).T], axis=1) / pixels[:, None]
    return {"pixels": pixels, "centroid": centroid, "extent": np.sqrt(12 * variance)}
