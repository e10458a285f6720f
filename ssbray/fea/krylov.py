"""Conjugate gradients with algebraic multigrid in PETSc, on one process and one thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

from ssbray.domain import FloatArray
from ssbray.errors import SolverError

MAX_ITERATIONS = 2000
ROUND_OFF = 1e-28  #: of the power, or of the energy of the load: below it there is only rounding
SAFETY = 4.0  #: on the estimated error of the energy
WINDOW = 3  #: steps over which the rate of convergence is taken
_BOOMERAMG = {
    "pc_type": "hypre",
    "pc_hypre_type": "boomeramg",
    "pc_hypre_boomeramg_coarsen_type": "HMIS",
    "pc_hypre_boomeramg_interp_type": "ext+i",
    "pc_hypre_boomeramg_P_max": "4",
    "pc_hypre_boomeramg_agg_nl": "1",
    "pc_hypre_boomeramg_agg_num_paths": "2",
    "pc_hypre_boomeramg_relax_type_down": "SOR/Jacobi",  # one sweep there and its transpose back: symmetric
    "pc_hypre_boomeramg_relax_type_up": "backward-SOR/Jacobi",
    "pc_hypre_boomeramg_relax_type_coarse": "Gaussian-elimination",
    "pc_hypre_boomeramg_no_CF": "1",
}
_GAMG = {
    "pc_type": "gamg",
    "pc_gamg_threshold": "0.02",
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_pc_type": "jacobi",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Solved:
    """The unknowns of a linear system and how they were found."""

    values: FloatArray  #: (n,)
    iterations: int
    residual: float  #: ||b - A x|| / ||b||
    error: float  #: energy of the error, estimated from the preconditioned residual


@cache
def petsc() -> Any:
    """PETSc, initialised once per process, silent and without its signal handlers."""
    # one process needs no network, yet Open MPI would listen on every interface, by itself and through a daemon
    os.environ.setdefault("OMPI_MCA_ess_singleton_isolated", "1")
    os.environ.setdefault("OMPI_MCA_btl", "self")
    import petsc4py

    petsc4py.init(["ssbray", "-no_signal_handler"])
    from petsc4py import PETSc

    return PETSc


@cache
def packages() -> dict[str, Any]:
    """What the installed PETSc offers: its version, and whether it has hypre, CHOLMOD and MUMPS."""
    version = ".".join(map(str, petsc().Sys.getVersion()))
    return {"version": version, **{name: bool(petsc().Sys.hasExternalPackage(key)) for name, key in
                                   (("hypre", "hypre"), ("cholmod", "suitesparse"), ("mumps", "mumps"))}}


def options(ndim: int) -> tuple[str, dict[str, str]]:
    """Name and PETSc options of the preconditioner: BoomerAMG where PETSc has hypre, else GAMG."""
    if not packages()["hypre"]:
        return "gamg", _GAMG
    return "boomeramg", {**_BOOMERAMG, "pc_hypre_boomeramg_strong_threshold": "0.25" if ndim == 2 else "0.5"}


def set_options(prefix: str, values: dict[str, str]) -> None:
    """Put options into PETSc's database."""
    database = petsc().Options()
    for key, value in values.items():
        database[prefix + key] = value


class Multigrid:
    """A symmetric positive definite matrix with its preconditioner, for any number of loads.

    Parameters
    ----------
    matrix : (n, n), columns sorted.
    ndim : 2 or 3, for the preconditioner.
    """

    def __init__(self, matrix: sparse.csr_matrix, ndim: int) -> None:
        api = petsc()
        kind, chosen = options(ndim)
        self.name = f"cg+{kind}" if matrix.shape[0] else "none needed"
        started = time.perf_counter()
        self._size = matrix.shape[0]
        if self._size:
            set_options("ssbray_", chosen)
            pattern = (matrix.indptr.astype(api.IntType, copy=False), matrix.indices.astype(api.IntType, copy=False))
            self._matrix = api.Mat().createAIJWithArrays(matrix.shape, (*pattern, matrix.data), comm=api.COMM_SELF)
            self._matrix.setOption(api.Mat.Option.SPD, True)
            self._apply = api.PC().create(api.COMM_SELF)
            self._apply.setOptionsPrefix("ssbray_")
            self._apply.setOperators(self._matrix)
            self._apply.setFromOptions()
            self._apply.setUp()
        self.setup_s = time.perf_counter() - started

    def __enter__(self) -> Multigrid:
        return self

    def __exit__(self, *_: object) -> None:
        if self._size:
            self._apply.destroy()
            self._matrix.destroy()

    def solve(self, load: FloatArray, rtol: float, start: float = 0.0,
              power: Callable[[FloatArray], float] | None = None) -> Solved:
        """Minimise the dissipated power, to a relative error `rtol` of the power itself.

        Each step lowers the power by a known amount, and the steps fall geometrically, which gives
        the error that is left (Strakos and Tichy 2002, Electron. Trans. Numer. Anal. 13, 56).

        Parameters
        ----------
        load : (n,) right-hand side.
        rtol : relative tolerance of the power, and so of the conductivity.
        start : power of x = 0.
        power : power dissipated with given unknowns, without cancellation; without it the tolerance is relative
            to the power by which x lowers that of zero.

        Raises
        ------
        SolverError
            Not converged within `MAX_ITERATIONS`, or broken down; no values are returned then.
        """
        if not self._size or not load.any():
            return Solved(values=np.zeros(self._size), iterations=0, residual=0.0, error=0.0)
        api = petsc()
        x = api.Vec().createWithArray(np.zeros(self._size), comm=api.COMM_SELF)
        r = api.Vec().createWithArray(load.copy(), comm=api.COMM_SELF)
        z, q = r.duplicate(), r.duplicate()
        self._apply.apply(r, z)
        p = z.copy()
        rho = first = r.dot(z)
        gains: list[float] = []
        left = start
        try:
            while not rho <= ROUND_OFF * start:
                self._matrix.mult(p, q)
                curvature = p.dot(q)
                if not (np.isfinite(rho) and np.isfinite(curvature) and curvature > 0 and rho > 0):
                    raise SolverError(f"conjugate gradients broke down after {len(gains)} iterations: the matrix or "
                                      "its preconditioner is not positive definite; the result was discarded")
                alpha = rho / curvature
                x.axpy(alpha, p)
                r.axpy(-alpha, q)
                gains.append(alpha * rho)
                left -= gains[-1]
                self._apply.apply(r, z)
                rho, before = r.dot(z), rho
                error = max(_remaining(gains), rho)  # either alone can be deceived by a plateau
                if rho <= ROUND_OFF * first:
                    break
                if power is None:
                    if error <= rtol * sum(gains):
                        break
                elif error <= rtol * max(left, 1e-6 * start) and (
                        left > 1e-6 * start or error <= rtol * power(x.getArray())):
                    break
                if len(gains) >= MAX_ITERATIONS:
                    raise SolverError(f"conjugate gradients did not converge in {MAX_ITERATIONS} iterations: the error "
                                      f"of the conductivity is still {error / max(left, 1e-300):.1e}; "
                                      "the result was discarded")
                p.aypx(rho / before, z)
            values = x.getArray().copy()
            self._matrix.mult(x, q)
            r.setArray(load)
            q.aypx(-1.0, r)  # the true residual
            self._apply.apply(q, z)
            return Solved(values=values, iterations=len(gains), residual=float(q.norm() / np.linalg.norm(load)),
                          error=abs(float(q.dot(z))))
        finally:
            for vector in (x, r, z, q, p):
                vector.destroy()


def _remaining(gains: list[float]) -> float:
    """What further steps would still lower the energy by, from the last ones; infinite while there are too few."""
    if len(gains) <= WINDOW:
        return np.inf
    rate = min(max((gains[-1] / gains[-1 - WINDOW]) ** (1 / WINDOW), 0.02), 0.98)
    return SAFETY * gains[-1] * rate / (1 - rate)
