"""Which pixels carry current from one electrode to the other, decided before any equation is solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from ssbray.raster import Facets, across


def percolating(conducts: NDArray[np.bool_], blocked: Facets | None, axis: int) -> NDArray[np.bool_]:
    """Keep the conducting pixels that are joined, through faces, to both ends of `axis`.

    A contact through an edge or a corner alone has no cross-section and conducts nothing.

    Parameters
    ----------
    conducts : image of pixels with a conductivity above zero.
    blocked : faces that no current crosses (infinite resistance), or None.
    axis : array axis of the current.
    """
    group, _ = components(conducts, blocked)
    ends = [np.unique(np.take(group, place, axis=axis)) for place in (0, -1)]
    both = np.intersect1d(ends[0], ends[1])
    return np.isin(group, both[both > 0]) if len(both) else np.zeros_like(conducts)


@dataclass(frozen=True, eq=False, kw_only=True)
class Winding:
    """Conducting clusters of a periodic image that go round it."""

    cluster: NDArray[np.int32]  #: image: number of the cluster from 1; 0 where nothing goes round
    loops: NDArray[np.int64]  #: (k, ndim) how often each independent loop goes round each axis

    def along(self, axis: int) -> bool:
        """Whether any loop goes round `axis`: otherwise that component of the conductivity is exactly zero."""
        return bool((self.loops[:, axis] != 0).any())


def winding(conducts: NDArray[np.bool_], blocked: Facets | None) -> Winding:
    """Find the clusters of a periodic image that current can go round for ever; arguments as for `percolating`."""
    group, count = components(conducts, blocked)
    steps: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}
    unit = np.eye(conducts.ndim, dtype=np.int64)
    for axis in range(conducts.ndim):
        shut = np.zeros(conducts.size, dtype=bool)
        if blocked is not None:
            shut[blocked.first[blocked.axis == axis]] = True
        last, first = (np.take(group, place, axis=axis) for place in (-1, 0))
        open_ = (last > 0) & (first > 0) & ~np.take(shut.reshape(conducts.shape), -1, axis=axis)
        for a, b in np.unique(np.stack([last[open_], first[open_]], axis=1), axis=0):
            steps.setdefault(int(a), []).append((int(b), unit[axis]))
            steps.setdefault(int(b), []).append((int(a), -unit[axis]))
    name = np.zeros(count + 1, dtype=np.int32)
    loops: list[NDArray[np.int64]] = []
    found = 0
    offset: dict[int, NDArray[np.int64]] = {}
    for root in steps:
        if root in offset:
            continue
        offset[root] = np.zeros(conducts.ndim, dtype=np.int64)
        members, around = [root], []
        for here in members:  # grows while it is walked
            for there, step in steps[here]:
                if there not in offset:
                    offset[there] = offset[here] + step
                    members.append(there)
                elif (loop := offset[here] + step - offset[there]).any():
                    around.append(loop)
        if around:
            found += 1
            name[members] = found
            loops += around
    return Winding(cluster=name[group],
                   loops=np.unique(loops, axis=0) if loops else np.zeros((0, conducts.ndim), dtype=np.int64))


def components(conducts: NDArray[np.bool_], blocked: Facets | None) -> tuple[NDArray[np.int32], int]:
    """Number the face-connected groups of pixels from 1; 0 is what does not conduct. Sides are not joined."""
    if blocked is None or len(blocked) == 0:
        return ndimage.label(conducts)
    index = np.arange(conducts.size).reshape(conducts.shape)
    edges = []
    for axis in range(conducts.ndim):
        low, high = across(index, axis)
        shut = np.zeros(conducts.size, dtype=bool)
        shut[blocked.first[blocked.axis == axis]] = True
        one, other = across(conducts, axis)
        open_ = one & other & ~shut[low]
        edges.append(np.stack([low[open_], high[open_]]))
    first, second = np.concatenate(edges, axis=1)
    graph = sparse.coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(conducts.size,) * 2)
    _, number = csgraph.connected_components(graph, directed=False)
    group = np.zeros(conducts.shape, dtype=np.int32)
    names, group[conducts] = np.unique(number.reshape(conducts.shape)[conducts], return_inverse=True)
    group[conducts] += 1
    return group, len(names)


def explain(conducts: NDArray[np.bool_], blocked: Facets | None, axis: int, name: str, periodic: bool = False) -> str:
    """Say in one line why nothing percolates along the axis called `name`."""
    if not conducts.any():
        return "no pixel conducts"
    group, count = components(conducts, blocked)
    if periodic:
        return f"no conducting cluster goes round the periodic cell along {name} ({count} clusters)"
    for place, end in ((0, "first"), (-1, "last")):
        if not np.take(conducts, place, axis=axis).any():
            return f"no conducting pixel at the {end} plane along {name}"
    reach = max(box[axis].stop - box[axis].start for box in ndimage.find_objects(group))
    return (f"no face-connected path along {name}: the longest of {count} conducting cluster{'s'[: count != 1]} "
            f"spans {reach} of {conducts.shape[axis]} pixels")
