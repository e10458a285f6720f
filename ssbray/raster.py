"""The faces between unlike pixels, and how much true surface each of them stands for.

A pixel surface is a staircase: its faces over-count the length of an inclined line by
|n_x| + |n_y|, on average 4/pi in the plane (3/2 for surfaces in space), at any resolution.
A face with axis e on a surface with unit normal n stands for |n . e| of true surface, and
the sum over a staircase is then exact for every plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray

REACH = 12  #: faces to either side along the curve (2-D) from which a normal is estimated
LEAST = 0.05  #: a step in a flat boundary has 0.08; less comes only from spurs, whose normals cancel
SPREADS = 20  #: steps of diffusion over the surface (3-D) that estimate a normal


@dataclass(frozen=True, eq=False, kw_only=True)
class Facets:
    """Faces between neighbouring pixels that differ in label or grain, ordered by axis, then by pixel."""

    first: NDArray[np.int64]  #: (n,) flat index of the pixel on the low side
    second: NDArray[np.int64]  #: (n,) flat index of the pixel on the high side
    axis: NDArray[np.int64]  #: (n,) array axis of the normal
    shape: tuple[int, ...]  #: shape of the image
    periodic: bool = False  #: whether opposite sides of the image are neighbours

    def __len__(self) -> int:
        return len(self.first)

    def select(self, chosen: NDArray[np.bool_]) -> Facets:
        """Keep some of the faces."""
        return Facets(first=self.first[chosen], second=self.second[chosen], axis=self.axis[chosen], shape=self.shape,
                      periodic=self.periodic)


def across(image: NDArray[Any], axis: int, periodic: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    """Values on the low and on the high side of every face along an axis; the shape is one less where not periodic."""
    if periodic:
        return image, np.roll(image, -1, axis=axis)
    low = tuple(slice(None, -1) if d == axis else slice(None) for d in range(image.ndim))
    high = tuple(slice(1, None) if d == axis else slice(None) for d in range(image.ndim))
    return image[low], image[high]


def facets(labels: NDArray[np.integer], grains: NDArray[np.integer] | None = None, periodic: bool = False) -> Facets:
    """List the faces between pixels of different label, or of different grain.

    Parameters
    ----------
    labels : (H, W) or (D, H, W) phase of each pixel.
    grains : same shape, grain of each pixel, or None.
    periodic : whether the last pixel along each axis is a neighbour of the first.

    >>> f = facets(np.array([[0, 0], [1, 1]]))
    >>> f.first.tolist(), f.second.tolist(), f.axis.tolist()
    ([0, 1], [2, 3], [0, 0])
    """
    index = np.arange(labels.size, dtype=np.int64).reshape(labels.shape)
    first, second, axes = [], [], []
    for axis in range(labels.ndim):
        low, high = across(labels, axis, periodic)
        differ = low != high
        if grains is not None:
            low, high = across(grains, axis, periodic)
            differ |= low != high
        low, high = across(index, axis, periodic)
        first.append(low[differ])
        second.append(high[differ])
        axes.append(np.full(len(first[-1]), axis, dtype=np.int64))
    return Facets(first=np.concatenate(first), second=np.concatenate(second), axis=np.concatenate(axes),
                  shape=labels.shape, periodic=periodic)


def measure(faces: Facets, side: NDArray[np.integer]) -> FloatArray:
    """True surface that each face stands for, in units of a pixel face, from `LEAST` to 1.

    Faces are judged with those of the same pair of sides only, so that a straight boundary stays
    exact up to its junctions with others, and never around a corner that no straight line, or an
    edge that no plane, can have: there both runs are longer than one pixel.

    Parameters
    ----------
    faces : the faces.
    side : (n_pixels,) or image: what is on either side, e.g. a region number per pixel.

    Returns
    -------
    (n,) |n . e| of each face.
    """
    if len(faces) == 0:
        return np.zeros(0)
    side = np.asarray(side).reshape(-1)
    a, b = side[faces.first], side[faces.second]
    sign = np.where(a < b, 1.0, -1.0)
    _, pair = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)]), axis=1, return_inverse=True)
    pair = pair.reshape(-1)
    normal = _along_curve(faces, pair, sign) if len(faces.shape) == 2 else _over_surface(faces, pair, sign)
    length = np.linalg.norm(normal, axis=1)
    along = np.abs(normal[np.arange(len(faces)), faces.axis])
    return np.maximum(np.where(length > 0, along / np.where(length > 0, length, 1.0), 1.0), LEAST)


def _along_curve(faces: Facets, pair: NDArray[np.int64], sign: FloatArray) -> FloatArray:
    """Sum the signed normals along each boundary curve, `REACH` faces to both sides, under a Hann window.

    The window has no weight at the frequency of a staircase: with linearly falling weights a face
    favours its own axis, and a line at 45 degrees comes out 0.8 % too long.
    """
    weight = 0.5 * (1 + np.cos(np.pi * np.arange(REACH + 1) / (REACH + 1)))
    succ = _successors(faces, pair)
    n = len(faces)
    normal = np.zeros((n, 2))
    own = np.zeros((n, 2))
    own[np.arange(n), faces.axis] = sign
    normal += own * weight[0]
    for end in (0, 1):
        state = np.arange(n, dtype=np.int64) * 2 + end
        alive = np.arange(n)
        for step in range(1, REACH + 1):
            state = succ[state]
            alive, state = alive[state >= 0], state[state >= 0]
            if len(alive) == 0:
                break
            normal[alive] += own[state // 2] * weight[step]
    return normal


def _successors(faces: Facets, pair: NDArray[np.int64]) -> NDArray[np.int64]:
    """Link half-faces: (face, end) -> (next face, its far end), or -1 at junctions, borders and corners."""
    grid = faces.shape if faces.periodic else (faces.shape[0] + 1, faces.shape[1] + 1)
    row, column = faces.first // faces.shape[1], faces.first % faces.shape[1]
    vertical = faces.axis == 1  # normal along x: the face runs down, at column + 1
    row, column = row + ~vertical, column + vertical
    start = row % grid[0] * grid[1] + column % grid[1]
    stop = (row + vertical) % grid[0] * grid[1] + (column + ~vertical) % grid[1]
    vertex = np.stack([start, stop], axis=1).reshape(-1)  # half-face 2 f + end
    partner = _partners(faces, pair, vertex, sides=2)
    return np.where(partner >= 0, partner ^ 1, -1)  # on to the far end of the next face


def _over_surface(faces: Facets, pair: NDArray[np.int64], sign: FloatArray) -> FloatArray:
    """Average the signed normals over each boundary surface by `SPREADS` steps of diffusion from face to face.

    Faces are neighbours where exactly two of the same pair share an edge that is not hard: there
    both surfaces run straight on for more than one face.
    """
    from scipy import sparse

    n = len(faces)
    succ = _edge_neighbours(faces, pair)
    half = np.flatnonzero(succ >= 0)
    links = sparse.coo_matrix((np.full(len(half), 0.2), (half // 4, succ[half] // 4)), shape=(n, n)).tocsr()
    stay = 1.0 - np.asarray(links.sum(axis=1))
    normal = np.zeros((n, 3))
    normal[np.arange(n), faces.axis] = sign
    for _ in range(SPREADS):  # symmetric weights: every face of a surface counts the same in the long run
        normal = stay * normal + links @ normal
    return normal


def _edge_neighbours(faces: Facets, pair: NDArray[np.int64]) -> NDArray[np.int64]:
    """Link half-edges (4 face + side): to the neighbour's half-edge, or -1 at junctions, borders and hard edges.

    Sides 0 and 1 of a face lie opposite each other, and so do 2 and 3.
    """
    grid = faces.shape if faces.periodic else tuple(n + 1 for n in faces.shape)
    corner = np.stack(np.unravel_index(faces.first, faces.shape), axis=1)
    corner[np.arange(len(faces)), faces.axis] += 1  # lowest vertex of the face
    u = np.where(faces.axis == 0, 1, 0)
    v = np.where(faces.axis == 2, 1, 2)
    unit = np.eye(3, dtype=np.int64)

    def number(place: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.ravel_multi_index(tuple(place.T), grid, mode="wrap" if faces.periodic else "raise")

    edge = np.stack([number(corner) * 3 + v, number(corner + unit[u]) * 3 + v,
                     number(corner) * 3 + u, number(corner + unit[v]) * 3 + u], axis=1)
    return _partners(faces, pair, edge.reshape(-1), sides=4)


def _partners(faces: Facets, pair: NDArray[np.int64], place: NDArray[np.int64], sides: int) -> NDArray[np.int64]:
    """Match half-faces (sides * face + side) where two, and no more, of one pair meet; -1 for the others.

    A turn is cut if it is hard: if on both of its sides the surface runs straight on for more than one face.
    """
    pair = np.repeat(pair, sides)
    order = np.lexsort((place, pair))
    key = np.stack([pair[order], place[order]])
    new = np.ones(len(order), dtype=bool)
    new[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    begin = np.flatnonzero(new)
    couple = begin[np.diff(np.append(begin, len(order))) == 2]
    left, right = order[couple], order[couple + 1]
    partner = np.full(len(order), -1, dtype=np.int64)
    partner[left], partner[right] = right, left
    axis = np.repeat(faces.axis, sides)

    def runs_on(half: NDArray[np.int64]) -> NDArray[np.bool_]:
        back = partner[half ^ 1]
        return (back >= 0) & (axis[np.maximum(back, 0)] == axis[half])

    hard = (axis[left] != axis[right]) & runs_on(left) & runs_on(right)
    partner[left[hard]], partner[right[hard]] = -1, -1
    return partner
