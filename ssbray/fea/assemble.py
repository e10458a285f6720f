"""Global matrix and loads of the cell problem: the potential is a ramp of unit slope plus a correction.

The correction is zero on the electrodes, or periodic. Lengths are in pixels and conductivities
relative to a reference, so entries are of order one. Elements whose corners carry one unknown
each form a stencil on the vertex grid, whose rows are written at once, plane by plane; only those
at splits go through a list of entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ssbray.domain import FloatArray
from ssbray.fea import forms
from ssbray.fea.mesh import Mesh
from ssbray.raster import Facets

BLOCK_ENTRIES = 1_500_000  #: entries of the stencil made at once
SPLIT_ENTRIES = 16_000_000  #: unsummed entries held at once


@dataclass(frozen=True, eq=False, kw_only=True)
class Joints:
    """Faces with a thin interface: a finite resistance across, a conductance along, or both."""

    dofs: NDArray[np.int32]  #: (n, 2, 2**(ndim-1)) unknowns on the low and on the high side
    conductance: FloatArray  #: (n,) across, per unit of pixel face, relative; 0 where both sides share unknowns
    sheet: FloatArray  #: (n,) along, relative
    lumped: NDArray[np.bool_]  #: (n,) stiff ones, corner to corner: never below the integral, and kinder to multigrid
    axis: NDArray[np.int64]  #: (n,) array axis of the face's normal

    def __len__(self) -> int:
        return len(self.dofs)


def joints(mesh: Mesh, faces: Facets, conductance: FloatArray, sheet: FloatArray,
           lumped: NDArray[np.bool_] | None = None) -> Joints:
    """Find the unknowns on both sides of each face; a side without an element has those of the other."""
    ndim = len(mesh.shape)
    pixel = np.stack([faces.first, faces.second], axis=1)  # (n, 2)
    element = np.minimum(np.searchsorted(mesh.pixels, pixel), max(len(mesh.pixels) - 1, 0))
    absent = mesh.pixels[element] != pixel if len(mesh.pixels) else np.ones(pixel.shape, dtype=bool)
    bits = forms.corners(ndim)
    dofs = np.empty((len(faces), 2, 2 ** (ndim - 1)), dtype=np.int32)
    for axis in range(ndim):
        here = faces.axis == axis
        for side in (0, 1):  # the low pixel's upper corners face the high pixel's lower ones
            dofs[here, side] = mesh.dofs[element[here, side]][:, np.flatnonzero(bits[:, axis] == 1 - side)]
    for side in (0, 1):
        dofs[absent[:, side], side] = dofs[absent[:, side], 1 - side]
    return Joints(dofs=dofs, conductance=conductance, sheet=sheet, axis=faces.axis,
                  lumped=np.zeros(len(faces), dtype=bool) if lumped is None else lumped)


def rows(mesh: Mesh, fixed: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Row of each unknown, -1 where it is given (n_dofs,), and the number of rows."""
    row = np.cumsum(~fixed, dtype=np.int32) - 1
    n_free = int(row[-1]) + 1 if len(row) else 0
    row[fixed] = -1
    return row, n_free


def matrix(mesh: Mesh, sigma: FloatArray, joint: Joints, row: NDArray[np.int32], n_free: int) -> sparse.csr_matrix:
    """Stiffness of the free unknowns, (n_free, n_free), symmetric, columns sorted.

    Parameters
    ----------
    mesh : elements.
    sigma : (n_elements,) relative conductivity.
    joint : thin interfaces.
    row : (n_dofs,) from `rows`.
    """
    ndim = len(mesh.shape)
    whole = _stencil(mesh, np.where(mesh.whole, sigma, 0.0), row, n_free)
    across, along, lumped = forms.two_sided(ndim)
    split = np.flatnonzero(~mesh.whole)
    faces = joint.dofs.reshape(len(joint), 2**ndim)
    parts = [(mesh.dofs[split], sigma[split], forms.conduction_matrix(ndim)),
             (faces, np.where(joint.lumped, 0.0, joint.conductance), across),
             (faces, np.where(joint.lumped, joint.conductance, 0.0), lumped), (faces, joint.sheet, along)]
    rest = None  # added up on its own: an addition to the whole matrix copies all of it
    for dofs, weight, local in parts:
        chosen = np.flatnonzero(weight)
        step = max(1, SPLIT_ENTRIES // local.size)
        for begin in range(0, len(chosen), step):
            part = chosen[begin : begin + step]
            more = scattered(row[dofs[part]], weight[part, None, None] * local, n_free)
            rest = more if rest is None else rest + more
    if rest is not None:
        whole = whole + rest
    whole.sum_duplicates()  # of a periodic image two pixels wide; sorts the columns of any periodic one
    return whole


def scattered(at: NDArray[np.int32], local: FloatArray, n_free: int) -> sparse.csr_matrix:
    """Sum element matrices (n, k, k) into rows and columns `at` (n, k), those below zero left out."""
    k = at.shape[1]
    i = np.repeat(at, k, axis=1).reshape(-1)
    j = np.tile(at, (1, k)).reshape(-1)
    value = local.reshape(-1)
    keep = (i >= 0) & (j >= 0) & (value != 0)
    return sparse.coo_matrix((value[keep], (i[keep], j[keep])), shape=(n_free, n_free)).tocsr()


def _stencil(mesh: Mesh, sigma: FloatArray, row: NDArray[np.int32], n_free: int) -> sparse.csr_matrix:
    """Contribution of the whole elements, row by row of the vertex grid."""
    ndim, grid = len(mesh.shape), mesh.first.shape
    image = np.zeros(mesh.shape)
    image.reshape(-1)[mesh.pixels] = sigma
    mode = {"mode": "wrap"} if mesh.periodic else {"constant_values": 0}
    padded = np.pad(image, [(1, 0 if mesh.periodic else 1)] * ndim, **mode)
    # a vertex without unknowns, the last perhaps, has no element either
    number = row[np.minimum(mesh.first, mesh.n_dofs - 1)]
    around = np.pad(number, 1, **(mode if mesh.periodic else {"constant_values": -1}))
    local, bits = forms.conduction_matrix(ndim), forms.corners(ndim)
    terms: dict[tuple[int, ...], list[tuple[int, float]]] = {}  # offset to the neighbour -> corner and entry
    for a in range(2**ndim):
        for b in range(2**ndim):
            if local[a, b] != 0:
                terms.setdefault(tuple(bits[b] - bits[a]), []).append((a, local[a, b]))
    offsets = sorted(terms)
    per_plane = int(np.prod(grid[1:]))
    planes = max(1, BLOCK_ENTRIES // (per_plane * len(offsets)))
    upper = int((number >= 0).sum()) * len(offsets)  # untouched pages of an allocation cost nothing
    data, indices = np.empty(upper), np.empty(upper, dtype=np.int32)
    counts = np.zeros(n_free, dtype=np.int32)
    used = 0
    for p in range(0, grid[0], planes):
        q = min(p + planes, grid[0])
        shape = (q - p, *grid[1:])
        values = np.zeros((len(offsets), *shape))
        columns = np.empty((int(np.prod(shape)), len(offsets)), dtype=np.int32)
        for k, offset in enumerate(offsets):
            for a, entry in terms[offset]:
                begin = 1 - bits[a] + np.array([p, *[0] * (ndim - 1)])
                values[k] += entry * padded[tuple(slice(b, b + n) for b, n in zip(begin, shape, strict=True))]
            begin = 1 + np.array(offset) + np.array([p, *[0] * (ndim - 1)])
            columns[:, k] = around[tuple(slice(b, b + n) for b, n in zip(begin, shape, strict=True))].reshape(-1)
        entries = values.reshape(len(offsets), -1).T
        own = number[p:q].reshape(-1)
        present = (entries != 0) & (columns >= 0) & (own >= 0)[:, None]
        size = present.sum(axis=1, dtype=np.int32)
        filled = size > 0
        counts[own[filled]] = size[filled]
        more = int(size.sum())
        data[used : used + more] = entries[present]
        indices[used : used + more] = columns[present]
        used += more
    pointer = np.zeros(n_free + 1, dtype=np.int32)
    np.cumsum(counts, out=pointer[1:])
    return sparse.csr_matrix((data[:used], indices[:used], pointer), shape=(n_free, n_free))


def load(mesh: Mesh, sigma: FloatArray, joint: Joints, base: FloatArray, slope: FloatArray, row: NDArray[np.int32],
         n_free: int) -> FloatArray:
    """Right-hand side (n_free,) that a first potential leaves.

    Parameters
    ----------
    mesh, sigma, joint : as for `matrix`.
    base : (n_dofs,) values that the potential has beside the ramp.
    slope : (ndim,) gradient of the ramp per pixel, in array axes.
    row, n_free : from `rows`.
    """
    ndim = len(mesh.shape)
    total, rising = np.zeros(mesh.n_dofs), np.zeros(mesh.n_dofs)
    local = forms.conduction_matrix(ndim)
    touched = np.flatnonzero(base[mesh.dofs].any(axis=1)) if base.any() else np.zeros(0, dtype=np.int64)
    differences = base[mesh.dofs[touched]]
    differences = differences - differences[:, :1]
    for corner in range(2**ndim):
        if (force := float((forms.corners(ndim)[corner] - 0.5) @ slope) / 2 ** (ndim - 2)) != 0:  # int of grad N
            part = rising if force > 0 else total  # apart, so that equal sums cancel to the last digit
            part += np.bincount(mesh.dofs[:, corner], weights=sigma * force, minlength=mesh.n_dofs)
        if len(touched):
            total += np.bincount(mesh.dofs[touched, corner], minlength=mesh.n_dofs,
                                 weights=sigma[touched] * (differences @ local[corner]))
    total += rising
    if len(joint):
        across, along, lumped = forms.two_sided(ndim)
        dofs = joint.dofs.reshape(len(joint), -1)
        values = base[dofs]
        jump = np.where(joint.lumped[:, None], values @ lumped, values @ across)
        np.add.at(total, dofs, joint.conductance[:, None] * jump
                  + joint.sheet[:, None] * ((values + ramp_on_faces(joint, slope)) @ along))
    result = np.empty(n_free)
    free = row >= 0
    result[row[free]] = -total[free]
    return result


def ramp_on_faces(joint: Joints, slope: FloatArray) -> FloatArray:
    """Ramp at the corners of each face, relative to its first, (n, 2**ndim): low side, then high side."""
    ndim = len(slope)
    values = np.empty((len(joint), 2**ndim))
    for axis in range(ndim):
        at = forms.corners(ndim - 1) @ np.delete(slope, axis)
        values[joint.axis == axis] = np.concatenate([at, at])
    return values
