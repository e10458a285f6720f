"""Which pixels carry current from one electrode to the other, decided before any equation is solved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from ssbray.raster import Facets


def percolating(conducts: NDArray[np.bool_], blocked: Facets | None, axis: int) -> NDArray[np.bool_]:
    """Keep the conducting pixels that are joined, through faces, to both ends of `axis`.

    A contact through an edge or a corner alone has no cross-section and conducts nothing.

    Parameters
    ----------
    conducts : image of pixels with a conductivity above zero.
    blocked : faces that no current crosses (infinite resistance), or None.
    axis : array axis of the current.
    """
    group, _ = _components(conducts, blocked)
    ends = [np.unique(np.take(group, place, axis=axis)) for place in (0, -1)]
    both = np.intersect1d(ends[0], ends[1])
    return np.isin(group, both[both > 0]) if len(both) else np.zeros_like(conducts)


def _components(conducts: NDArray[np.bool_], blocked: Facets | None) -> tuple[NDArray[np.int32], int]:
    """Number the face-connected groups of pixels from 1; 0 is what does not conduct."""
    if blocked is None or len(blocked) == 0:
        return ndimage.label(conducts)
    index = np.arange(conducts.size).reshape(conducts.shape)
    edges = []
    for axis in range(conducts.ndim):
        low, high = (np.take(index, range(begin, index.shape[axis] - 1 + begin), axis=axis) for begin in (0, 1))
        open_ = (np.take(conducts, range(index.shape[axis] - 1), axis=axis)
                 & np.take(conducts, range(1, index.shape[axis]), axis=axis))
        shut = np.zeros(conducts.size, dtype=bool)
        shut[blocked.first[blocked.axis == axis]] = True
        open_ &= ~shut[low]
        edges.append(np.stack([low[open_], high[open_]]))
    first, second = np.concatenate(edges, axis=1)
    graph = sparse.coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(conducts.size,) * 2)
    _, number = csgraph.connected_components(graph, directed=False)
    group = np.zeros(conducts.shape, dtype=np.int32)
    names, group[conducts] = np.unique(number.reshape(conducts.shape)[conducts], return_inverse=True)
    group[conducts] += 1
    return group, len(names)


def explain(conducts: NDArray[np.bool_], blocked: Facets | None, axis: int, name: str) -> str:
    """Say in one line why nothing percolates along the axis called `name`."""
    if not conducts.any():
        return "no pixel conducts"
    for place, end in ((0, "first"), (-1, "last")):
        if not np.take(conducts, place, axis=axis).any():
            return f"no conducting pixel at the {end} plane along {name}"
    group, count = _components(conducts, blocked)
    reach = max(box[axis].stop - box[axis].start for box in ndimage.find_objects(group))
    return (f"no face-connected path along {name}: the longest of {count} conducting cluster{'s'[: count != 1]} "
            f"spans {reach} of {conducts.shape[axis]} pixels")
