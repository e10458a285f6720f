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
ROUND_OFF = 1e-13  #: of the energy norm of the load, below which no iteration gets
_BOOMERAMG = {
    "pc_type": "hypre",
    "pc_hypre_type": "boomeramg",
    "pc_hypre_boomeramg_coarsen_type": "HMIS",
    "pc_hypre_boomeramg_interp_type": "ext+i",
    "pc_hypre_boomeramg_P_max": "4",
    "pc_hypre_boomeramg_agg_nl": "1",
    "pc_hypre_boomeramg_relax_type_all": "symmetric-SOR/Jacobi",
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

    values: FloatArray
    iterations: int
    residual: float  #: ||b - A x|| / ||b||
    solver: str
    setup_s: float
    solve_s: float


@cache
def _petsc() -> Any:
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
    petsc = _petsc()
    version = ".".join(map(str, petsc.Sys.getVersion()))
    return {"version": version, **{name: bool(petsc.Sys.hasExternalPackage(key)) for name, key in
                                   (("hypre", "hypre"), ("cholmod", "suitesparse"), ("mumps", "mumps"))}}


def solve(matrix: sparse.csr_matrix, load: FloatArray, power: Callable[[FloatArray], float], rtol: float, ndim: int
          ) -> Solved:
    """Solve for the unknowns that minimise the dissipated power.

    BoomerAMG where PETSc has hypre, else GAMG: `Solved.solver` says which. The error in the energy
    norm, as the preconditioner sees it, is brought below `rtol` times the energy norm of the
    solution; a tolerance relative to the load alone would be lax where most of it is blocked.
    The relative error of the conductivity is the square of that.

    Parameters
    ----------
    matrix, load : symmetric positive definite system.
    power : power dissipated by given unknowns, without cancellation.
    rtol : relative tolerance in the energy norm.
    ndim : 2 or 3, for the preconditioner.

    Raises
    ------
    SolverError
        Not converged within `MAX_ITERATIONS`, or broken down; no values are returned then.
    """
    petsc = _petsc()
    options = _BOOMERAMG if packages()["hypre"] else _GAMG
    if len(load) == 0:
        return Solved(values=np.zeros(0), iterations=0, residual=0.0, solver="none needed", setup_s=0.0, solve_s=0.0)
    threshold = {"pc_hypre_boomeramg_strong_threshold": "0.25" if ndim == 2 else "0.5"} if options is _BOOMERAMG else {}
    database = petsc.Options()
    prefix = "ssbray_"
    for key, value in {**options, **threshold}.items():
        database[prefix + key] = value
    index = petsc.IntType
    a = petsc.Mat().createAIJWithArrays(
        matrix.shape, (matrix.indptr.astype(index, copy=False), matrix.indices.astype(index, copy=False), matrix.data),
        comm=petsc.COMM_SELF)
    a.setOption(petsc.Mat.Option.SPD, True)
    ksp = petsc.KSP().create(petsc.COMM_SELF)
    b = petsc.Vec().createWithArray(load, comm=petsc.COMM_SELF)
    x = b.duplicate()
    try:
        ksp.setOptionsPrefix(prefix)
        ksp.setOperators(a)
        ksp.setType("cg")
        ksp.setNormType(petsc.KSP.NormType.NATURAL)
        ksp.setTolerances(rtol=rtol, atol=0.0, max_it=MAX_ITERATIONS)
        ksp.setFromOptions()
        started = time.perf_counter()
        ksp.setUp()
        ready = time.perf_counter()
        ksp.solve(b, x)
        reason, iterations = int(ksp.getConvergedReason()), int(ksp.getIterationNumber())
        values = x.getArray().copy()
        goal = max(rtol * power(values) ** 0.5, ROUND_OFF * power(np.zeros_like(values)) ** 0.5)
        if reason > 0 and ksp.getResidualNorm() > goal:
            ksp.setTolerances(rtol=1e-50, atol=goal, max_it=MAX_ITERATIONS)
            ksp.setInitialGuessNonzero(True)
            ksp.solve(b, x)
            reason, iterations = int(ksp.getConvergedReason()), iterations + int(ksp.getIterationNumber())
            values = x.getArray().copy()
        done = time.perf_counter()
    finally:
        for thing in (ksp, a, b, x):
            thing.destroy()
    residual = float(np.linalg.norm(load - matrix @ values) / np.linalg.norm(load))
    if reason <= 0 or not np.isfinite(residual):
        raise SolverError(f"conjugate gradients stopped after {iterations} iterations with PETSc reason {reason} "
                          f"and relative residual {residual:.1e}: the result was discarded")
    return Solved(values=values, iterations=iterations, residual=residual,
                  solver=f"cg+{'boomeramg' if options is _BOOMERAMG else 'gamg'}",
                  setup_s=ready - started, solve_s=done - ready)
