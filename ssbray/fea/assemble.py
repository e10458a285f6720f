"""Global matrix and load of the unit problem: 1 at the first plane along an axis, 0 at the last.

Lengths are in pixels and conductivities relative to a reference, so entries are of order one.
Rows are made in blocks of vertex planes, which bounds the memory of the unsummed entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ssbray.domain import FloatArray
from ssbray.fea import forms
from ssbray.fea.mesh import Mesh
from ssbray.raster import Facets

BLOCK_ENTRIES = 16_000_000  #: unsummed matrix entries held at once


@dataclass(frozen=True, eq=False, kw_only=True)
class Joints:
    """Faces with a finite resistance between two elements."""

    dofs: NDArray[np.int32]  #: (n, 2, 2**(ndim-1)) unknowns on the low and on the high side
    conductance: FloatArray  #: (n,) per unit of pixel face, relative
    pair: NDArray[np.int64]  #: (n, 2) labels on the two sides, ascending


@dataclass(frozen=True, eq=False, kw_only=True)
class System:
    """A u = b for the free unknowns, and how to get back to all of them."""

    matrix: sparse.csr_matrix  #: (n_free, n_free)
    load: FloatArray  #: (n_free,)
    number: NDArray[np.int32]  #: (n_dofs,) row of each unknown; n_free for the first plane, n_free + 1 for the last

    def expand(self, free: FloatArray) -> FloatArray:
        """Values of all unknowns from those of the free ones."""
        return np.concatenate([free, [1.0, 0.0]])[self.number]


def joints(mesh: Mesh, faces: Facets, conductance: FloatArray, pair: NDArray[np.int64]) -> Joints:
    """Find the unknowns on both sides of each face."""
    ndim = len(mesh.shape)
    element = np.searchsorted(mesh.pixels, np.stack([faces.first, faces.second], axis=1))  # (n, 2)
    bits = forms.corners(ndim)
    dofs = np.empty((len(faces), 2, 2 ** (ndim - 1)), dtype=np.int32)
    for axis in range(ndim):
        here = faces.axis == axis
        for side in (0, 1):  # the low pixel's upper corners face the high pixel's lower ones
            dofs[here, side] = mesh.dofs[element[here, side]][:, np.flatnonzero(bits[:, axis] == 1 - side)]
    return Joints(dofs=dofs, conductance=conductance, pair=pair)


def system(mesh: Mesh, sigma: FloatArray, joint: Joints, axis: int) -> System:
    """Assemble the free rows.

    Parameters
    ----------
    mesh : elements.
    sigma : (n_elements,) relative conductivity.
    joint : thin interfaces.
    axis : array axis of the current.
    """
    number, n_free = _numbers(mesh, axis)
    local = forms.conduction_matrix(len(mesh.shape))
    face = forms.jump_matrix(len(mesh.shape))
    both = np.block([[face, -face], [-face, face]])
    jump_dofs = joint.dofs.reshape(len(joint.dofs), 2 ** len(mesh.shape))
    blocks, loads = [], []
    for begin, end, elements in _row_blocks(mesh, number, n_free):
        rows = []
        for dofs, weight, matrix in ((mesh.dofs[elements], sigma[elements], local),
                                     (jump_dofs, joint.conductance, both)):
            rows.append(_entries(number[dofs], weight, matrix, begin, end))
        i, j, value = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        driven = j == n_free  # the first plane is at 1, the last at 0
        loads.append(-np.bincount(i[driven], weights=value[driven], minlength=end - begin))
        inside = j < n_free
        block = sparse.coo_matrix((value[inside], (i[inside], j[inside])), shape=(end - begin, n_free))
        blocks.append(block.tocsr())
    matrix = blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")
    return System(matrix=matrix, load=np.concatenate(loads), number=number)


def _numbers(mesh: Mesh, axis: int) -> tuple[NDArray[np.int32], int]:
    """Number the free unknowns, and mark those on the electrodes."""
    ndim = len(mesh.shape)
    place = np.unravel_index(mesh.pixels, mesh.shape)[axis]
    upper = forms.corners(ndim)[:, axis] == 1
    electrode = np.zeros(mesh.n_dofs, dtype=np.int8)
    electrode[mesh.dofs[place == 0][:, ~upper]] = 1
    electrode[mesh.dofs[place == mesh.shape[axis] - 1][:, upper]] = 2
    free = electrode == 0
    number = np.cumsum(free, dtype=np.int32) - 1
    n_free = int(number[-1]) + 1
    number[electrode == 1], number[electrode == 2] = n_free, n_free + 1
    return number, n_free


def _row_blocks(mesh: Mesh, number: NDArray[np.int32], n_free: int) -> Iterator[tuple[int, int, slice]]:
    """Cut the rows where element planes end; yield first row, last row + 1, and the elements that touch them."""
    per_element = mesh.dofs.shape[1] ** 2
    plane = mesh.pixels // int(np.prod(mesh.shape[1:]))
    starts = np.searchsorted(plane, np.arange(mesh.shape[0] + 1))  # first element of each plane
    planes_at_once = max(1, BLOCK_ENTRIES // (per_element * max(1, int(np.diff(starts).max()))))
    # unknowns are ordered by vertex plane: the rows that planes [p, q) of elements own begin with their lower corners
    begin_row = 0
    for p in range(0, mesh.shape[0], planes_at_once):
        q = min(p + planes_at_once, mesh.shape[0])
        if q == mesh.shape[0]:
            end_row = n_free
        else:
            following = number[mesh.dofs[starts[q]:]]
            end_row = int(following.min()) if len(following) else n_free
            end_row = min(end_row, n_free)
        yield begin_row, end_row, slice(int(starts[max(p - 1, 0)]), int(starts[q]))
        begin_row = end_row


def _entries(rows: NDArray[np.int32], weight: FloatArray, matrix: FloatArray, begin: int, end: int
             ) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
    """Unsummed entries of the rows in [begin, end): row - begin, column, value."""
    n, k = rows.shape
    i = np.repeat(rows, k, axis=1).reshape(-1)
    j = np.tile(rows, (1, k)).reshape(-1)
    value = (weight[:, None] * matrix.reshape(1, -1)).reshape(-1)
    keep = (i >= begin) & (i < end)
    return i[keep] - np.int32(begin), j[keep], value[keep]
