"""Grains from the heads of the net: basins between the boundaries, joined where no boundary parts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssbray.raster import across

LINE = 0.5  #: probability from which a pixel is on a boundary
JOIN = 0.5  #: mean probability along the common border of two basins from which they are two grains
CELL = 2  #: pixels a side of the cells on which basins are found: a boundary is no thinner
NEAR = 3  #: cells to either side within which there is one seed; too many do no harm, as basins are joined
FAR = 32.0  #: cells beyond which the distance to a boundary no longer counts
FILLED = 2 * CELL  #: pixels by which a grain is grown to the edge of its phase


def ridge(probability: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Centre lines of the pixels where a boundary is more probable than not."""
    from skimage.morphology import skeletonize

    return np.asarray(skeletonize(probability.astype(np.float32) >= LINE))


def grains(line: NDArray[np.floating], labels: NDArray[np.uint8], phases: Sequence[int]) -> NDArray[np.int32]:
    """Number the grains of some phases, (H, W) from 1; 0 elsewhere.

    Watershed (Beucher and Lantuejoul 1979) on the distance to the boundaries, on cells of `CELL` pixels; basins whose
    common border is no probable boundary are one grain.

    Parameters
    ----------
    line : (H, W) probability of a grain boundary.
    labels : (H, W) the phase map whose grains are wanted; one drawn from the posterior will do.
    phases : labels of the phases that have grains.
    """
    grained = np.zeros(256, dtype=bool)
    grained[list(phases)] = True
    height, width = labels.shape
    more = ((0, -height % CELL), (0, -width % CELL))
    on_cells = np.pad(labels, more, mode="edge")[::CELL, ::CELL]
    blocks = np.pad(line, more, mode="edge").reshape(on_cells.shape[0], CELL, on_cells.shape[1], CELL)
    numbers, phase_of = _on_cells(blocks.max(axis=(1, 3)).astype(np.float32), on_cells, grained[on_cells])
    fine = numbers.repeat(CELL, axis=0).repeat(CELL, axis=1)[:height, :width]
    return _to_the_edge(fine, phase_of, labels, grained[labels])


def _on_cells(line: NDArray[np.float32], labels: NDArray[np.uint8], inside: NDArray[np.bool_]
              ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Numbers of the grains, (h, w), and the phase of each, (grains + 1,)."""
    from scipy.ndimage import distance_transform_edt, label, maximum_filter
    from skimage.segmentation import watershed

    free = inside & (line < LINE)
    for axis in (0, 1):  # the edge of a phase is a boundary as well
        low, high = across(labels, axis)
        for side, shifted in zip(across(free, axis), (low != high, low != high), strict=True):
            side &= ~shifted
    away = np.minimum(distance_transform_edt(free), FAR).astype(np.float32) if free.any() else np.zeros(line.shape)
    peaks = free & (away == maximum_filter(away, size=2 * NEAR + 1))
    seeds, _ = label(peaks, structure=np.ones((3, 3)))
    basins = watershed(-away, seeds, mask=inside).astype(np.int64)
    rest, _ = label(inside & (basins == 0))  # parts that no seed reaches
    basins = np.where(rest > 0, rest + basins.max(), basins)
    values = np.unique(labels[inside])
    place = np.zeros(256, dtype=np.int64)
    place[values] = np.arange(len(values))
    parts = np.where(inside, basins * len(values) + place[labels], 0)  # a basin that crossed into another phase is two
    return _joined(_without_gaps(parts), line, labels)


def _without_gaps(numbers: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number what is not zero from 1, without gaps."""
    there = np.bincount(numbers.reshape(-1)) > 0
    there[0] = False
    return (np.cumsum(there) * there).astype(np.int32)[numbers]


def _joined(basins: NDArray[np.int32], line: NDArray[np.float32], labels: NDArray[np.uint8]
            ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Join neighbours of one phase along whose border the mean probability of a boundary is below `JOIN`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = int(basins.max()) + 1
    pairs, weights = [], []
    for axis in (0, 1):
        low, high = across(basins, axis)
        first, second = across(labels, axis)
        chosen = (low != high) & (first == second) & (low > 0) & (high > 0)
        pairs.append(np.minimum(low, high)[chosen].astype(np.int64) * count + np.maximum(low, high)[chosen])
        weights.append(np.maximum(*across(line, axis))[chosen])
    keys, index = np.unique(np.concatenate(pairs), return_inverse=True)
    mean = np.bincount(index, weights=np.concatenate(weights)) / np.maximum(np.bincount(index), 1)
    joined = keys[mean < JOIN]
    links = coo_array((np.ones(len(joined)), (joined // count, joined % count)), shape=(count, count))
    _, group = connected_components(links, directed=False)
    numbers = _without_gaps(np.where(basins > 0, group[basins].astype(np.int64) + 1, 0))
    phase_of = np.full(int(numbers.max()) + 1, -1, dtype=np.int64)
    phase_of[numbers.reshape(-1)] = labels.reshape(-1)
    phase_of[0] = -1
    return numbers, phase_of


def _to_the_edge(numbers: NDArray[np.int32], phase_of: NDArray[np.int64], labels: NDArray[np.uint8],
                 inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give each pixel of a grained phase a grain of that phase: its cell's, its neighbour's, or one of its own."""
    from scipy.ndimage import label

    numbers = np.where(inside & (phase_of[numbers] == labels), numbers, 0).astype(np.int32)
    for _ in range(FILLED):
        rows, columns = np.nonzero(inside & (numbers == 0))
        if not len(rows):
            return numbers
        new = np.zeros(len(rows), dtype=np.int32)
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            y, x = (np.clip(at + step, 0, side - 1) for at, step, side in
                    zip((rows, columns), (down, right), labels.shape, strict=True))
            new = np.where((new == 0) & (labels[y, x] == labels[rows, columns]), numbers[y, x], new)
        numbers[rows, columns] = new
    for phase in np.unique(labels[inside & (numbers == 0)]):
        rest, _ = label(inside & (numbers == 0) & (labels == phase))
        numbers = np.where(rest > 0, rest + numbers.max(), numbers).astype(np.int32)
    return numbers
