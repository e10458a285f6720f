"""The weak forms, on one pixel and one pixel face of unit size.

Every element of an image is the same square or cube, so scikit-fem integrates once and the
assembly scales: conduction by the pixel's conductivity, the jump by the face's conductance,
conduction along a face by its sheet conductance.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from skfem import Basis, BilinearForm, ElementHex1, ElementLineP1, ElementQuad1, MeshHex, MeshLine, MeshQuad
from skfem.helpers import dot, grad

from ssbray.domain import FloatArray


@BilinearForm
def conduction(u, v, _):  # type: ignore[no-untyped-def]  # scikit-fem's decorated forms carry no types
    """Integrand of ``int grad u . grad v`` (to be scaled by sigma)."""
    return dot(grad(u), grad(v))


@BilinearForm
def jump(u, v, _):  # type: ignore[no-untyped-def]
    """Integrand of ``int [u] [v]`` over a face (to be scaled by 1 / R)."""
    return u * v


def corners(ndim: int) -> NDArray[np.int64]:
    """Corner offsets of a pixel in array order: row c holds the bits of c, first axis first, (2**ndim, ndim)."""
    return np.indices((2,) * ndim).reshape(ndim, -1).T


@cache
def conduction_matrix(ndim: int) -> FloatArray:
    """Q1 stiffness of the unit pixel, (2**ndim, 2**ndim), corners in the order of `corners`."""
    basis = Basis(MeshQuad(), ElementQuad1()) if ndim == 2 else Basis(MeshHex(), ElementHex1())
    return _in_corner_order(conduction.assemble(basis).toarray(), basis.doflocs, ndim)


@cache
def jump_matrix(ndim: int) -> FloatArray:
    """Mass matrix of the unit face of a pixel, (2**(ndim-1),) * 2, corners in the order of `corners(ndim - 1)`."""
    return _in_corner_order(jump.assemble(_face(ndim)).toarray(), _face(ndim).doflocs, ndim - 1)


@cache
def sheet_matrix(ndim: int) -> FloatArray:
    """Stiffness of the unit face of a pixel, for current along it; as `jump_matrix`."""
    return _in_corner_order(conduction.assemble(_face(ndim)).toarray(), _face(ndim).doflocs, ndim - 1)


@cache
def two_sided(ndim: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Matrices of a face with a value on each side, (2**ndim, 2**ndim): low side's corners, then the high side's.

    The first is the jump across. The second is conduction along a layer whose potential goes
    linearly from one side to the other, averaged over its thickness. The third is the jump summed
    over the corners, which is never less than the first.
    """
    across: FloatArray = np.array([[1.0, -1.0], [-1.0, 1.0]])
    along: FloatArray = np.array([[1.0, 0.5], [0.5, 1.0]]) / 3
    return (np.asarray(np.kron(across, jump_matrix(ndim)), dtype=np.float64),
            np.asarray(np.kron(along, sheet_matrix(ndim)), dtype=np.float64),
            np.asarray(np.kron(across, np.eye(2 ** (ndim - 1)) / 2 ** (ndim - 1)), dtype=np.float64))


def _face(ndim: int) -> Basis:
    return Basis(MeshLine(), ElementLineP1()) if ndim == 2 else Basis(MeshQuad(), ElementQuad1())


def _in_corner_order(matrix: FloatArray, places: FloatArray, ndim: int) -> FloatArray:
    """Reorder scikit-fem's degrees of freedom, at `places` (ndim, n), to the order of `corners`."""
    rank = np.ravel_multi_index(tuple(np.rint(places).astype(int)), (2,) * ndim)
    order = np.argsort(rank)
    return matrix[np.ix_(order, order)]
