"""Ragged edges of a segmentation, trimmed without moving any straight edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  #: neighbours in order around a pixel
LEAST = 5  #: neighbours of one other phase: a straight edge leaves at most 4, since one of two opposite ones is inside


def without_burrs(labels: NDArray[np.uint8], grains: NDArray[np.int32] | None, passes: int,
                  keep: NDArray[np.bool_] | None = None,
                  least_own: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """Give pixels that stick out of their phase, or fill a pit of another, to the phase around them.

    A pixel changes if at least `LEAST` of its neighbours are of one other phase and its own neighbours
    hang together around it: then it is a bump of one pixel's width, or the end of a line. Such a line is
    kept but for its ends, and an edge that is straight, at whatever slope, is not touched; right-angled
    corners, those that stick out and those that lead in, lose a pixel.

    Parameters
    ----------
    labels : (H, W) phases.
    grains : (H, W) grains or None; a pixel takes the grain of a neighbour along with its phase.
    passes : how often; what the first one leaves is smaller and may go with the next.
    keep : (n_phases,) phases that neither lose nor gain pixels, or None.
    least_own : neighbours of its own that a pixel needs to change; with 2 lines keep their ends, and spikes theirs.

    >>> bump = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]], dtype=np.uint8)
    >>> without_burrs(bump, None, 1)[0].tolist()
    [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    """
    for _ in range(passes):
        row, column = np.nonzero(_edge(labels))
        place = np.stack([(np.clip(row + dy, 0, labels.shape[0] - 1)) * labels.shape[1]
                          + np.clip(column + dx, 0, labels.shape[1] - 1) for dy, dx in RING])
        own = labels[row, column]
        around = labels.reshape(-1)[place]  # (8, n); beyond the border the edge goes on as it is
        same = around == own
        joined = (same & ~np.roll(same, 1, axis=0)).sum(axis=0) <= 1
        other = np.median(around, axis=0).astype(np.uint8)  # what more than half of them are, if anything
        votes = (around == other).sum(axis=0)
        change = joined & (same.sum(axis=0) >= least_own) & (votes >= LEAST) & (other != own)
        if keep is not None:
            change &= ~(keep[own] | keep[other])
        if not change.any():
            break
        source = place[(around == other).argmax(axis=0), np.arange(len(row))][change]
        if grains is not None:
            grains = grains.copy()
            grains[row[change], column[change]] = grains.reshape(-1)[source]
        labels = labels.copy()
        labels[row[change], column[change]] = other[change]
    return labels, grains


def _edge(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels with a neighbour of another phase across a face."""
    edge = np.zeros(labels.shape, dtype=bool)
    for low, high in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        differ = labels[low] != labels[high]
        edge[low] |= differ
        edge[high] |= differ
    return edge
