"""The faces between unlike pixels, and how much true surface each of them stands for.

A pixel surface is a staircase: its faces over-count the length of an inclined line by
|n_x| + |n_y|, on average 4/pi in the plane (3/2 for surfaces in space), at any resolution.
A face with axis e on a surface with unit normal n stands for |n . e| of true surface, and
the sum over a staircase is then exact for every plane.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray

REACH = 12  #: faces to either side along the curve (2-D) from which a normal is estimated
WORD = REACH // 2  #: faces whose directions are read as one number
FIVE = 5  #: directions of a face on a curve: two axes, two signs, and none beyond the end
DENSE = 2**30  #: most places that are numbered by a table
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
    return listed((unlike(labels, grains, axis, periodic) for axis in range(labels.ndim)), labels.shape, periodic)


def unlike(labels: NDArray[np.integer], grains: NDArray[np.integer] | None, axis: int,
           periodic: bool = False) -> NDArray[np.bool_]:
    """Which faces along an axis lie between pixels of different label, or of different grain."""
    low, high = across(labels, axis, periodic)
    differ = low != high
    if grains is not None:
        low, high = across(grains, axis, periodic)
        differ |= low != high
    return differ


def listed(differ: Iterable[NDArray[np.bool_]], shape: tuple[int, ...], periodic: bool = False) -> Facets:
    """List the faces that are marked, one array of marks per axis, of the shape that `across` gives."""
    first, second, axes = [], [], []
    for axis, marks in enumerate(differ):
        stride = math.prod(shape[axis + 1:])
        low = high = np.flatnonzero(marks)
        if periodic:
            last = low // stride % shape[axis] == shape[axis] - 1
            high = low + np.where(last, stride * (1 - shape[axis]), stride)
        elif len(low):
            if axis > 0:  # the marks have one row less along the axis than the image
                low = low + low // ((shape[axis] - 1) * stride) * stride
            high = low + stride
        first.append(low)
        second.append(high)
        axes.append(np.full(len(low), axis, dtype=np.int64))
    return Facets(first=np.concatenate(first), second=np.concatenate(second), axis=np.concatenate(axes), shape=shape,
                  periodic=periodic)


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
    low, high = side[faces.first], side[faces.second]
    return measure_between(faces, _pairs(low, high), low < high)


def measure_between(faces: Facets, pair: NDArray[np.integer], up: NDArray[np.bool_]) -> FloatArray:
    """As `measure`, where the pairs of sides have numbers of zero or more; `up` tells which side is the low one."""
    if len(faces) == 0:
        return np.zeros(0)
    if len(faces.shape) == 2:
        normal = _along_curve(faces, pair, up)
    else:
        normal = _over_surface(faces, pair, np.where(up, 1.0, -1.0))
    length = np.sqrt(np.sum(normal**2, axis=0))
    along = np.abs(np.choose(faces.axis, normal))
    return np.maximum(np.divide(along, length, out=np.ones(len(faces)), where=length > 0), LEAST)


def _pairs(low: NDArray[np.integer], high: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number the unordered pairs of sides: equal numbers, equal pairs."""
    least, most = np.minimum(low, high).astype(np.int64), np.maximum(low, high).astype(np.int64)
    start = int(least.min())
    span = int(most.max()) - start + 1
    if span > 2**31:  # the square would not fit
        values, rank = np.unique(np.concatenate([least, most]), return_inverse=True)
        least, most, start, span = rank[:len(low)], rank[len(low):], 0, len(values)
    return (least - start) * span + (most - start)


def _along_curve(faces: Facets, pair: NDArray[np.integer], up: NDArray[np.bool_]) -> FloatArray:
    """Sum the signed normals along each boundary curve, `REACH` faces to both sides, under a Hann window.

    The window has no weight at the frequency of a staircase: with linearly falling weights a face
    favours its own axis, and a line at 45 degrees comes out 0.8 % too long. Walking is slow, so the
    directions of the faces ahead are gathered as the digits of a number that has its sum in a table.
    """
    digit = np.append(np.repeat((1 + 2 * faces.axis + up).astype(np.int16), 2), np.int16(0))  # of each half-face
    one = _successors(faces, pair)
    word = digit[one]
    two = one[one]
    word = word + FIVE * word[one] + FIVE**2 * word[two]
    three = one[two]
    word = word + FIVE**3 * word[three]
    six = three[three]
    own, near, far = _window()
    beyond = word[six[:-1]]
    normal = own[:, digit[:-1:2]]
    for component, first, second in zip(normal, near, far, strict=True):
        ahead = first[word[:-1]] + second[beyond]
        component += ahead[0::2] + ahead[1::2]
    return normal


@cache
def _window() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weighted normal of a face itself (2, FIVE), of the next `WORD` faces and of those after them (2, FIVE^WORD).

    The weights are whole multiples of 2^-49: their sums are exact, and do not depend on the direction of the walk.
    """
    weight = np.round(np.ldexp(0.5 * (1 + np.cos(np.pi * np.arange(REACH + 1) / (REACH + 1))), 49)) * 2.0**-49
    unit = np.array([[0, -1, 1, 0, 0], [0, 0, 0, -1, 1]], dtype=float)
    digits = np.arange(FIVE**WORD) // FIVE ** np.arange(WORD)[:, None] % FIVE
    near, far = (np.tensordot(unit[:, digits], w, (1, 0)) for w in (weight[1:WORD + 1], weight[WORD + 1:]))
    return unit * weight[0], near, far


def _successors(faces: Facets, pair: NDArray[np.integer]) -> NDArray[Any]:
    """Link half-faces: (face, end) -> (next face, its far end), or the sentinel at junctions, borders and corners."""
    grid = faces.shape if faces.periodic else (faces.shape[0] + 1, faces.shape[1] + 1)
    row, column = np.divmod(faces.first, faces.shape[1])
    vertical = faces.axis == 1  # normal along x: the face runs down, at column + 1
    row, column = row + ~vertical, column + vertical
    start = row % grid[0] * grid[1] + column % grid[1]
    stop = (row + vertical) % grid[0] * grid[1] + (column + ~vertical) % grid[1]
    vertex = np.stack([start, stop], axis=1).reshape(-1)  # half-face 2 f + end
    slot = np.stack([2 * faces.axis, 2 * faces.axis + 1], axis=1).reshape(-1)
    partner = _partners(faces, pair, vertex, slot, grid[0] * grid[1], sides=2)
    return np.append(np.where(partner >= 0, partner ^ 1, len(partner)), partner.dtype.type(len(partner)))


def _over_surface(faces: Facets, pair: NDArray[np.integer], sign: FloatArray) -> FloatArray:
    """Average the signed normals over each boundary surface by `SPREADS` steps of diffusion from face to face.

    Faces are neighbours where exactly two of the same pair share an edge that is not hard: there
    both surfaces run straight on for more than one face.
    """
    from scipy import sparse

    n = len(faces)
    succ = _edge_neighbours(faces, pair)
    half = np.flatnonzero(succ >= 0)
    links = sparse.coo_array((np.full(len(half), 0.2), (half // 4, succ[half] // 4)), shape=(n, n)).tocsr()
    stay = 1.0 - links.sum(axis=1)[:, None]
    normal = np.zeros((n, 3))
    normal[np.arange(n), faces.axis] = sign
    for _ in range(SPREADS):  # symmetric weights: every face of a surface counts the same in the long run
        spread = links @ normal
        normal *= stay
        normal += spread
    return normal.T


def _edge_neighbours(faces: Facets, pair: NDArray[np.integer]) -> NDArray[Any]:
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
    slot = np.stack([2 * (other < faces.axis) + end for other in (u, v) for end in (0, 1)], axis=1)
    return _partners(faces, pair, edge.reshape(-1), slot.reshape(-1), 3 * math.prod(grid), sides=4)


def _partners(faces: Facets, pair: NDArray[np.integer], place: NDArray[np.int64], slot: NDArray[np.int64],
              places: int, sides: int) -> NDArray[Any]:
    """Match half-faces (sides * face + side) where two, and no more, of one pair meet; -1 for the others.

    Up to four meet at a place, each in a slot of its own: of two axes, from two sides. A turn is
    cut if it is hard: if on both of its sides the surface runs straight on for more than one face.
    """
    count = len(place)
    half: NDArray[Any] = np.arange(count, dtype=np.int32 if count < 2**31 else np.int64)
    number, used = _numbered(place, places)
    meeting = np.full((4, used), count, dtype=half.dtype)  # a half-face that is none fills the empty slots
    meeting[slot, number] = half
    key = np.append(pair, pair.dtype.type(-1))[meeting // sides]
    alike = np.zeros((4, used), dtype=np.int8)
    mate = np.zeros_like(meeting)
    for s, t in combinations(range(4), 2):
        same = key[s] == key[t]
        for here, there in ((s, t), (t, s)):
            alike[here] += same
            mate[here] += same * meeting[there]  # a sum of one, where it is kept
    mate[alike != 1] = -1
    partner = np.empty(count + 1, dtype=half.dtype)
    partner[meeting] = mate
    partner = partner[:-1]
    axis = np.repeat(faces.axis.astype(np.int8), sides)
    back = partner[half ^ 1]
    straight = (back >= 0) & (axis[back] == axis)
    partner[(partner >= 0) & (axis[partner] != axis) & straight & straight[partner]] = -1
    return partner


def _numbered(place: NDArray[np.int64], places: int) -> tuple[NDArray[np.integer], int]:
    """Number the places that occur among so many, and count them."""
    if places > DENSE:
        used, number = np.unique(place, return_inverse=True)
        return number, len(used)
    occurs = np.zeros(places, dtype=bool)
    occurs[place] = True
    used = np.flatnonzero(occurs)
    table = np.empty(places, dtype=np.int32)
    table[used] = np.arange(len(used), dtype=np.int32)
    return table[place], len(used)
