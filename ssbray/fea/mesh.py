"""Numbering of unknowns on the pixel grid: corners are shared where current may pass, split where it may not.

A grid vertex carries one unknown for each group of its 2**d pixels that is joined through open
faces. Pixels on either side of a thin interface, or that meet in a corner between pores, thus
keep values of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.fea.forms import corners
from ssbray.raster import Facets


@dataclass(frozen=True, eq=False, kw_only=True)
class Mesh:
    """Elements (active pixels) and their unknowns. Unknowns are numbered in array order of their vertices."""

    pixels: NDArray[np.int64]  #: (n,) flat index of each element's pixel, ascending
    dofs: NDArray[np.int32]  #: (n, 2**ndim) unknowns at the corners, in the order of `forms.corners`
    n_dofs: int
    shape: tuple[int, ...]


def build(active: NDArray[np.bool_], cut: Facets) -> Mesh:
    """Number the unknowns of the active pixels, split along the faces of `cut`.

    Parameters
    ----------
    active : (H, W) or (D, H, W) pixels with an element.
    cut : faces between active pixels across which the potential may jump.
    """
    pixels = np.flatnonzero(active)
    vertices = tuple(n + 1 for n in active.shape)
    places = np.stack(np.unravel_index(pixels, active.shape), axis=1)  # (n, ndim)
    offset = corners(active.ndim)
    strides = np.array([int(np.prod(vertices[d + 1:])) for d in range(active.ndim)])
    vertex = (places @ strides)[:, None] + offset @ strides  # (n, 2**ndim)
    if active.all() and len(cut) == 0:
        return Mesh(pixels=pixels, dofs=vertex.astype(np.int32), n_dofs=int(np.prod(vertices)), shape=active.shape)
    group, is_first = _groups(active, cut)
    number = np.cumsum(is_first.reshape(-1), dtype=np.int32) - 1  # (vertices * 2**ndim,)
    n_block = 2**active.ndim
    group = group.reshape(-1)
    dofs = np.empty(vertex.shape, dtype=np.int32)
    for corner in range(n_block):  # the pixel sits opposite in its vertex's block
        slot = vertex[:, corner] * n_block + (n_block - 1 - corner)
        dofs[:, corner] = number[vertex[:, corner] * n_block + group[slot]]
    return Mesh(pixels=pixels, dofs=dofs, n_dofs=int(number[-1]) + 1, shape=active.shape)


def _groups(active: NDArray[np.bool_], cut: Facets) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Group the 2**d pixels around each vertex by open faces.

    Returns
    -------
    group : (*vertices, 2**d) lowest block place of the group each place belongs to.
    first : same shape, True where a place is the lowest of a group of active pixels.
    """
    ndim, n_block = active.ndim, 2**active.ndim
    vertices = tuple(n + 1 for n in active.shape)
    padded = np.pad(active, 1)
    # open_[axis][p]: current may pass from padded pixel p to its upper neighbour
    open_ = []
    for axis in range(ndim):
        shut = np.zeros(active.size, dtype=bool)
        shut[cut.first[cut.axis == axis]] = True
        passes = padded & np.roll(padded, -1, axis=axis)
        passes[(slice(1, -1),) * ndim] &= ~shut.reshape(active.shape)
        open_.append(passes)
    place = corners(ndim)

    def around(image: NDArray[np.bool_], block: int) -> NDArray[np.bool_]:
        return image[tuple(slice(b, b + n) for b, n in zip(place[block], vertices, strict=True))]

    group = np.empty((*vertices, n_block), dtype=np.int8)
    group[...] = np.arange(n_block)
    links = [(block, block | (1 << (ndim - 1 - axis)), around(open_[axis], block))
             for axis in range(ndim) for block in range(n_block) if place[block, axis] == 0]
    changed = True
    while changed:
        changed = False
        for low, high, joined in links:
            a, b = group[..., low], group[..., high]
            differ = joined & (a != b)
            if differ.any():
                least = np.minimum(a, b)
                a[differ], b[differ] = least[differ], least[differ]
                changed = True
    first = np.empty(group.shape, dtype=bool)
    for block in range(n_block):
        first[..., block] = around(padded, block) & (group[..., block] == block)
    return group, first
