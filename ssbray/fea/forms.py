"""The weak forms, on one pixel and one pixel face of unit size.

Every element of an image is the same square or cube, so scikit-fem integrates once and the
assembly scales: conduction by the pixel's conductivity, the jump by the face's conductance.
"""

from __future__ import annotations

from functools import cache

import numpy as np
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


def corners(ndim: int) -> np.ndarray:
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
    basis = Basis(MeshLine(), ElementLineP1()) if ndim == 2 else Basis(MeshQuad(), ElementQuad1())
    return _in_corner_order(jump.assemble(basis).toarray(), basis.doflocs, ndim - 1)


def _in_corner_order(matrix: FloatArray, places: FloatArray, ndim: int) -> FloatArray:
    """Reorder scikit-fem's degrees of freedom, at `places` (ndim, n), to the order of `corners`."""
    rank = np.ravel_multi_index(tuple(np.rint(places).astype(int)), (2,) * ndim)
    order = np.argsort(rank)
    return matrix[np.ix_(order, order)]
