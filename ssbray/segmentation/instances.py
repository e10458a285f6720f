"""Grains from the heads of the net: basins between the boundaries, joined where no boundary parts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssbray.raster import across

LINE = 0.5  #: probability from which a pixel is on a boundary
JOIN = 0.5  #: mean probability along the common border of two basins from which they are two grains
DEPTH = 2.0  #: pixels by which two basins must be parted to be two grains at first
FAR = 64.0  #: pixels beyond which the distance to a boundary no longer counts


def ridge(probability: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Centre lines of the pixels where a boundary is more probable than not."""
    from skimage.morphology import skeletonize

    return np.asarray(skeletonize(probability.astype(np.float32) >= LINE))


def grains(line: NDArray[np.floating], labels: NDArray[np.uint8], phases: Sequence[int]) -> NDArray[np.int32]:
    """Number the grains of some phases, (H, W) from 1; 0 elsewhere.

    Watershed (Beucher and Lantuejoul 1979) on the distance to the boundaries; basins whose common border is no
    probable boundary are one grain.

    Parameters
    ----------
    line : (H, W) probability of a grain boundary.
    labels : (H, W) the phase map whose grains are wanted; one drawn from the posterior will do.
    phases : labels of the phases that have grains.
    """
    numbers = np.zeros(labels.shape, dtype=np.int32)
    for phase in phases:
        own = _grains_of(line.astype(np.float32), labels == phase)
        numbers = np.where(own > 0, own + numbers.max(), numbers).astype(np.int32)
    return numbers


def _grains_of(line: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    from scipy.ndimage import distance_transform_edt, label
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    free = inside & (line < LINE)
    if not free.any():
        return inside.astype(np.int32)
    away = np.minimum(distance_transform_edt(free), FAR).astype(np.float32)
    seeds, _ = label(h_maxima(away, DEPTH).astype(bool) & free, structure=np.ones((3, 3)))
    basins = watershed(-away, seeds, mask=inside).astype(np.int32)
    rest, _ = label(inside & (basins == 0))  # parts that no seed reaches
    basins = np.where(rest > 0, rest + basins.max(), basins)
    return _joined(basins, line)


def _joined(basins: NDArray[np.int32], line: NDArray[np.float32]) -> NDArray[np.int32]:
    """Join neighbours along whose border the mean probability of a boundary is below `JOIN`; numbers without gaps."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = int(basins.max()) + 1
    pairs, weights = [], []
    for axis in (0, 1):
        low, high = across(basins, axis)
        chosen = (low != high) & (low > 0) & (high > 0)
        first, second = np.minimum(low, high)[chosen], np.maximum(low, high)[chosen]
        pairs.append(first.astype(np.int64) * count + second)
        weights.append(np.maximum(*across(line, axis))[chosen])
    keys, index = np.unique(np.concatenate(pairs), return_inverse=True)
    mean = np.bincount(index, weights=np.concatenate(weights)) / np.maximum(np.bincount(index), 1)
    joined = keys[mean < JOIN]
    links = coo_array((np.ones(len(joined)), (joined // count, joined % count)), shape=(count, count))
    _, group = connected_components(links, directed=False)
    found = np.where(basins > 0, group[basins] + 1, 0)
    _, numbers = np.unique(np.append(0, found.reshape(-1)), return_inverse=True)
    return numbers[1:].reshape(basins.shape).astype(np.int32)
