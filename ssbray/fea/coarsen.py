"""Fewer unknowns: uniform material is merged into squares that grow with the distance from any corner.

The squares form a quadtree. A node in the middle of a merged square, or of one of its sides, takes
the mean of that square's corners, or of that side's ends; repeated, this is bilinear interpolation,
hanging nodes included. The merged space is part of the fine one, so bounds stay bounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from ssbray.domain import FloatArray
from ssbray.fea.problem import Discrete

LEVELS = 10  #: largest square: 2**LEVELS fine pixels a side


def merge(elements: Discrete, sigma: FloatArray, refined: NDArray[np.bool_], theta: float,
          cluster: NDArray[np.int64] | None = None) -> sparse.csr_matrix:
    """Map from the unknowns that are kept to all free ones, (n_free, m).

    Parameters
    ----------
    elements : of the fine image.
    sigma : (2 H, 2 W) conductivity of the fine pixels, 0 where there is none.
    refined : (H, W) pixels that keep all their unknowns; the others are squares of their own at least.
    theta : largest side of a larger square over its distance from what is refined, or not uniform.
    cluster : (n_dofs,) unknowns that are equal have the same number, -1 for those on their own, or None.
    """
    n = elements.mesh.n_dofs
    node, ends, weight = _hanging(elements, sigma, refined, theta)
    free = elements.row >= 0
    held = np.zeros(n, dtype=bool)
    held[node] = True
    kept = np.flatnonzero(free & ~held)
    own = np.flatnonzero(~held)
    space = sparse.coo_matrix((np.concatenate([weight, np.ones(len(own))]),
                               (np.concatenate([node, own]), np.concatenate([ends, own]))), shape=(n, n)).tocsr()
    while held[space.indices].any():
        space = space @ space
    column = np.arange(len(kept))
    if cluster is not None:
        joined = np.flatnonzero(cluster[kept] >= 0)
        names, first, place = np.unique(cluster[kept[joined]], return_index=True, return_inverse=True)
        column[joined] = joined[first][place.reshape(-1)]
        used, column = np.unique(column, return_inverse=True)
    count = int(column.max()) + 1 if len(column) else 0
    picked = sparse.coo_matrix((np.ones(len(kept)), (kept, column.reshape(-1))), shape=(n, count)).tocsr()
    return (space[np.flatnonzero(free)] @ picked).tocsr()


def _hanging(elements: Discrete, sigma: FloatArray, refined: NDArray[np.bool_], theta: float
             ) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Nodes that are means of others: (node, other node, weight) of each pair."""
    bad = (sigma == 0) | np.repeat(np.repeat(refined, 2, axis=0), 2, axis=1)
    bad.reshape(-1)[elements.mesh.pixels[~elements.mesh.whole]] = True
    for axis in (0, 1):
        for step in (1, -1):
            bad |= (np.roll(sigma, step, axis=axis) != sigma) & _inside(sigma.shape, axis, step)
    if not bad.any():
        far = np.full(sigma.shape, 2 ** (LEVELS + 2), dtype=np.int64)
    else:
        far = ndimage.distance_transform_cdt(~bad, metric="chessboard").astype(np.int64)
    vertex = elements.mesh.first.astype(np.int64)
    grid = vertex.shape
    nodes, others, weights = [], [], []

    def at(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.int64]:
        return vertex[row % grid[0], column % grid[1]]

    def hang(node: NDArray[np.int64], ends: list[NDArray[np.int64]]) -> None:
        nodes.append(np.tile(node, len(ends)))
        others.append(np.concatenate(ends))
        weights.append(np.full(len(ends) * len(node), 1 / len(ends)))

    for centre, ends in _pixels(elements, refined):
        hang(centre, ends)
    for level in range(2, LEVELS + 1):
        size = 2**level
        shape = (sigma.shape[0] // size, sigma.shape[1] // size)
        if 0 in shape:
            break
        blocks = far[: shape[0] * size, : shape[1] * size].reshape(shape[0], size, shape[1], size)
        merged = blocks.min(axis=(1, 3)) * theta >= size
        if not merged.any():
            break
        i, j = (size * place for place in np.nonzero(merged))
        half = size // 2
        hang(at(i + half, j + half), [at(i, j), at(i, j + size), at(i + size, j), at(i + size, j + size)])
        for di, dj in ((0, half), (half, 0)):  # upper and left sides, lower and right ones
            for row, column in ((i, j), (i + size * (dj > 0), j + size * (di > 0))):
                hang(at(row + di, column + dj), [at(row, column), at(row + 2 * di, column + 2 * dj)])
    if not nodes:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    node, other, weight = np.concatenate(nodes), np.concatenate(others), np.concatenate(weights)
    _, first = np.unique(np.stack([node, other]), axis=1, return_index=True)  # a side belongs to two squares
    return node[first], other[first], weight[first]


def _pixels(elements: Discrete, refined: NDArray[np.bool_]
            ) -> list[tuple[NDArray[np.int64], list[NDArray[np.int64]]]]:
    """Nodes within the pixels that are one square each, and the corners they are means of; split nodes included."""
    whole = np.argwhere(~refined)
    width = 2 * refined.shape[1]
    element = np.full(4 * refined.size, -1)
    element[elements.mesh.pixels] = np.arange(len(elements.mesh.pixels))
    first = element[2 * whole[:, 0] * width + 2 * whole[:, 1]]
    whole, first = whole[first >= 0], first[first >= 0]
    cells = [element[(2 * whole[:, 0] + di) * width + 2 * whole[:, 1] + dj] for di in (0, 1) for dj in (0, 1)]
    dofs = elements.mesh.dofs.astype(np.int64)
    corner = [dofs[cells[k], k] for k in range(4)]
    return [(dofs[cells[0], 3], corner), (dofs[cells[0], 1], [corner[0], corner[1]]),
            (dofs[cells[0], 2], [corner[0], corner[2]]), (dofs[cells[3], 1], [corner[1], corner[3]]),
            (dofs[cells[3], 2], [corner[2], corner[3]])]


def _inside(shape: tuple[int, ...], axis: int, step: int) -> NDArray[np.bool_]:
    """Pixels whose neighbour at `-step` along an axis lies in the image."""
    place = np.arange(shape[axis])
    there = (place - step >= 0) & (place - step < shape[axis])
    return np.broadcast_to(np.expand_dims(there, 1 - axis), shape)
