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
    periodic: bool  #: whether the last vertices along each axis are the first
    first: NDArray[np.int32]  #: shape of the vertex grid: first unknown of each vertex
    whole: NDArray[np.bool_]  #: (n,) elements whose corners all carry a single unknown


def build(active: NDArray[np.bool_], cut: Facets, periodic: bool = False) -> Mesh:
    """Number the unknowns of the active pixels, split along the faces of `cut`.

    Parameters
    ----------
    active : (H, W) or (D, H, W) pixels with an element.
    cut : faces between active pixels across which the potential may jump.
    periodic : whether opposite sides of the image are the same.
    """
    ndim, shape = active.ndim, active.shape
    grid = shape if periodic else tuple(n + 1 for n in shape)
    vertex = np.arange(int(np.prod(grid)), dtype=np.int32).reshape(grid)
    split, blocks, joined = _suspects(active, cut, periodic, vertex)
    group, leads = _groups(blocks, joined)
    count = np.ones(vertex.size, dtype=np.int32)
    count[split] = leads.sum(axis=1)
    first = np.cumsum(count, dtype=np.int32) - count
    rank = np.cumsum(leads, axis=1, dtype=np.int32) - 1
    rank = np.take_along_axis(rank, group.astype(np.intp), axis=1)  # (m, 2**ndim) which unknown a place takes
    row = np.full(vertex.size, -1, dtype=np.int32)
    row[split] = np.arange(len(split), dtype=np.int32)

    dofs = np.empty((int(active.sum()), 2**ndim), dtype=np.int32)
    whole = np.ones(len(dofs), dtype=bool)
    for corner, bits in enumerate(corners(ndim)):
        at = _shifted(vertex, bits, shape, periodic)[active]
        dofs[:, corner] = first[at]
        special = np.flatnonzero(row[at] >= 0)
        at = at[special]
        # the pixel sits opposite in its vertex's block
        dofs[special, corner] += rank[row[at], 2**ndim - 1 - corner]
        whole[special[count[at] > 1]] = False
    return Mesh(pixels=np.flatnonzero(active), dofs=dofs, n_dofs=int(count.sum()), shape=shape, periodic=periodic,
                first=first.reshape(grid), whole=whole)


def _shifted(grid: NDArray[np.int32], bits: NDArray[np.int64], shape: tuple[int, ...], periodic: bool
             ) -> NDArray[np.int32]:
    """Entry of the vertex grid at one corner of every pixel."""
    if periodic:
        return np.roll(grid, tuple(-bits), axis=tuple(range(grid.ndim)))
    return grid[tuple(slice(b, b + n) for b, n in zip(bits, shape, strict=True))]


def _suspects(active: NDArray[np.bool_], cut: Facets, periodic: bool, vertex: NDArray[np.int32]
              ) -> tuple[NDArray[np.intp], NDArray[np.bool_], list[tuple[int, int, NDArray[np.bool_]]]]:
    """Vertices that may not have exactly one unknown: next to a cut face, an inactive pixel or the border.

    Returns
    -------
    vertices : (m,) flat index into the vertex grid.
    blocks : (m, 2**ndim) which of the pixels around each are active.
    joined : for each two places of the block that share a face: (low, high, (m,) whether current passes).
    """
    ndim = active.ndim
    mode = {"mode": "wrap"} if periodic else {"constant_values": False}
    margin = [(1, 0)] * ndim if periodic else [(1, 1)] * ndim
    padded = np.pad(active, margin, **mode)
    places = corners(ndim)
    windows = [padded[tuple(slice(b, b + n) for b, n in zip(bits, vertex.shape, strict=True))] for bits in places]
    plain = np.logical_and.reduce(windows)
    shut = []
    for axis in range(ndim):
        faces = np.zeros(active.size, dtype=bool)
        faces[cut.first[cut.axis == axis]] = True
        faces = np.pad(faces.reshape(active.shape), margin, **mode)
        shut.append([faces[tuple(slice(b, b + n) for b, n in zip(bits, vertex.shape, strict=True))]
                     for bits in places])
        if len(cut):
            for place, bits in enumerate(places):
                if bits[axis] == 0:
                    plain &= ~shut[axis][place]
    suspect = np.flatnonzero(~plain.reshape(-1))
    at = np.unravel_index(suspect, vertex.shape)
    blocks = np.stack([window[at] for window in windows], axis=1)
    joined = []
    for axis in range(ndim):
        for low, bits in enumerate(places):
            if bits[axis] == 0:
                high = low | (1 << (ndim - 1 - axis))
                joined.append((low, high, blocks[:, low] & blocks[:, high] & ~shut[axis][low][at]))
    return suspect, blocks, joined


def _groups(blocks: NDArray[np.bool_], joined: list[tuple[int, int, NDArray[np.bool_]]]
            ) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Group the places of each block that current joins.

    Returns
    -------
    group : (m, 2**ndim) lowest place of the group that each place belongs to.
    leads : (m, 2**ndim) True where a place is the lowest of a group of active pixels.
    """
    group = np.empty(blocks.shape, dtype=np.int8)
    group[...] = np.arange(blocks.shape[1])
    changed = True
    while changed:
        changed = False
        for low, high, open_ in joined:
            a, b = group[:, low], group[:, high]
            differ = open_ & (a != b)
            if differ.any():
                least = np.minimum(a, b)
                a[differ], b[differ] = least[differ], least[differ]
                changed = True
    return group, blocks & (group == np.arange(blocks.shape[1]))
