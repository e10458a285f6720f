"""Single wrong pixels of a segmentation, given back to what surrounds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as components

AROUND = [(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
VOTES = (3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0)  #: of a neighbour across a face, and across a corner


def without_specks(labels: NDArray[np.uint8], grains: NDArray[np.int32] | None,
                   least_pixels: int) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """Give every region of fewer than `least_pixels` pixels to the phase that most of its neighbours have.

    Pixels hang together across faces. A thin line on the diagonal is saved by its length: small regions
    that touch each other by corners count together, but not one that touches a large region so. A map of
    nothing but specks is left as it is.

    Parameters
    ----------
    labels : (H, W) phases.
    grains : (H, W) grains or None; a pixel takes the grain of a neighbour along with its phase.
    least_pixels : size from which a region counts; 1 keeps everything.

    >>> bool(without_specks(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.uint8), None, 2)[0].any())
    False
    """
    if least_pixels <= 1:
        return labels, grains
    names = labels.astype(np.int16) + 1
    small = _under(components(names, connectivity=1), least_pixels)
    if not small.any():
        return labels, grains
    open_ = small & _under(components(np.where(small, names, 0), connectivity=2), least_pixels)
    labels, grains = labels.copy(), None if grains is None else grains.copy()
    row, column = np.nonzero(open_)
    while len(row):
        phase, source = _elect(labels, open_, row, column)
        done = source >= 0
        if not done.any():
            break
        labels[row[done], column[done]] = phase[done]
        if grains is not None:
            grains[row[done], column[done]] = grains.reshape(-1)[source[done]]
        open_[row[done], column[done]] = False
        row, column = row[~done], column[~done]
    return labels, grains


def _under(region: NDArray[np.int64], least_pixels: int) -> NDArray[np.bool_]:
    """Pixels of regions of fewer than `least_pixels` pixels."""
    return np.asarray((np.bincount(region.reshape(-1)) < least_pixels)[region])


def _elect(labels: NDArray[np.uint8], open_: NDArray[np.bool_], row: NDArray[np.intp],
           column: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Phase with most votes around each pixel, and the flat index of one neighbour that has it; -1 where none votes."""
    height, width = labels.shape
    votes = np.zeros((len(row), int(labels.max()) + 1))
    flat = np.full((len(AROUND), len(row)), -1, dtype=np.intp)
    each = np.arange(len(row))
    for k, ((dy, dx), weight) in enumerate(zip(AROUND, VOTES, strict=True)):
        y, x = row + dy, column + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        inside[inside] = ~open_[y[inside], x[inside]]
        flat[k, inside] = y[inside] * width + x[inside]
        votes[each[inside], labels.reshape(-1)[flat[k, inside]]] += weight
    phase = votes.argmax(axis=1)
    source = np.full(len(row), -1, dtype=np.intp)
    for place in flat[::-1]:  # so that a neighbour across a face has the last word
        fits = (place >= 0) & (labels.reshape(-1)[place] == phase)
        source[fits] = place[fits]
    return phase, source
