"""Newton's method for bulk conduction with a surface of charge transfer in its midst."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import brentq

from ssbray.domain import FloatArray
from ssbray.errors import SolverError
from ssbray.fea import assemble, krylov
from ssbray.fea.kinetics import STEEPEST, Surface, overpotential, rate

MAX_NEWTON = 60  #: steps; an overpotential far too high comes down by about one thermal voltage in each
HALVINGS = 12  #: of a step of the applied potential that Newton fails on
NOISE = 1e-12  #: relative error of the potential, in energy, that rounding may leave


class System(Protocol):
    """What is to be solved: bulk conduction between plates, with a surface of contact in its midst."""

    @property
    def surface(self) -> Surface: ...

    @property
    def row(self) -> NDArray[np.int32]: ...

    @property
    def ndim(self) -> int: ...

    def stiffness(self) -> sparse.csr_matrix:
        """Matrix of the free unknowns without the contact, columns sorted."""

    def values(self, free: FloatArray, applied: float) -> FloatArray:
        """All unknowns from the free ones."""

    def residual(self, values: FloatArray, surface: Surface) -> FloatArray:
        """Net current out of each free unknown."""

    def power(self, values: FloatArray, surface: Surface) -> float:
        """Power lost."""


class _Tangent:
    """The matrix of bulk and contact: a pattern that stays, entries that change at the contact only."""

    def __init__(self, system: System) -> None:
        bulk = system.stiffness()
        bulk.eliminate_zeros()
        n = bulk.shape[0]
        at = system.row[system.surface.dofs.reshape(len(system.surface.dofs), -1)]
        ones = np.ones((*at.shape, at.shape[1]))
        pattern = (abs(bulk) + assemble.scattered(at, ones, n)).tocsr()  # signs could cancel, and drop an entry
        pattern.sort_indices()
        near = np.zeros(n, dtype=bool)  # rows at the contact; all others are as in the bulk
        near[at[at >= 0]] = True
        inside, key = _keys(pattern, near)
        outside, own = _keys(bulk, near)
        place = np.flatnonzero(inside)
        pattern.data[~inside] = bulk.data[~outside]
        pattern.data[place] = 0.0
        pattern.data[place[np.searchsorted(key, own)]] = bulk.data[outside]
        i, j = np.repeat(at, at.shape[1], axis=1).astype(np.int64), np.tile(at, (1, at.shape[1]))
        self._free = (i >= 0) & (j >= 0)
        entry = place[np.searchsorted(key, (i * n + j)[self._free])]
        self._touched, self._place = np.unique(entry, return_inverse=True)
        self.matrix = pattern
        self._bulk = pattern.data[self._touched].copy()

    def update(self, local: FloatArray) -> None:
        """Set the contact's share from its element matrices (n, 2k, 2k)."""
        entries = local.reshape(self._free.shape)[self._free]
        self.matrix.data[self._touched] = self._bulk + np.bincount(self._place, weights=entries,
                                                                   minlength=len(self._bulk))


def _keys(matrix: sparse.csr_matrix, near: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Entries in some rows, (nnz,), and the place of each of them in the matrix as one number, ascending."""
    size = np.diff(matrix.indptr)
    chosen = np.repeat(near, size)
    rows = np.repeat(np.flatnonzero(near), size[near])
    return chosen, rows * matrix.shape[1] + matrix.indices[chosen]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reached:
    """The potential at one applied potential."""

    applied: float
    values: FloatArray  #: (n_dofs,)
    newton: int
    iterations: int
    seconds: float


class Newton:
    """Potentials of a system at one applied potential after another: Newton's method in PETSc, in stiff cases by steps.

    The residual is the gradient of a convex function, so the Jacobian is symmetric and positive definite and the
    solution unique. The error left is measured in energy, by one cycle of multigrid on the residual.
    """

    def __init__(self, system: System, rtol: float) -> None:
        started = time.perf_counter()
        self._system, self._tolerance = system, max(rtol, NOISE)
        self._start = np.zeros(int((system.row >= 0).sum()))
        self._tangent = _Tangent(system)
        self._linear = dataclasses.replace(system.surface, linear=True)
        self._count = [0, 0]
        self._last: tuple[float, FloatArray] | None = None
        self.name = "none needed"
        # the power is quadratic in the error; where Newton follows, a start is enough
        self._unit = self._solve_linear(self._linear, 1.0, max(rtol**2, NOISE**2) if system.surface.linear else 1e-6)
        self._snes: Any = None
        if len(self._start) and not system.surface.linear:
            self._set_up(math.sqrt(rtol))
        self._seconds = time.perf_counter() - started

    def __enter__(self) -> Newton:
        return self

    def __exit__(self, *_: object) -> None:
        for item in (self._snes, self._matrix, self._cycled) if self._snes is not None else ():
            item.destroy()

    def reach(self, applied: float) -> Reached:
        """Find the potential; `SolverError` if there is no way to it, nothing is returned then."""
        started = time.perf_counter() - self._seconds
        self._seconds = 0.0
        if self._snes is None:
            free = applied * self._unit
        else:
            free = self._along(applied)
            self._last = (applied, free)
        values = self._system.values(free, applied)
        surface = self._system.surface
        steepest = float(np.abs(surface.law(surface.jump(values))[0]).max()) * max(surface.alpha, 1 - surface.alpha)
        if not surface.linear and steepest > STEEPEST:
            raise SolverError(f"the overpotential reaches {steepest:.3g} RT/F in the exponent, where the law has no "
                              "meaning; the result was discarded")
        found = Reached(applied=applied, values=values, newton=self._count[0],
                        iterations=self._count[1], seconds=time.perf_counter() - started)
        self._count = [0, 0]
        return found

    def _along(self, applied: float) -> FloatArray:
        """From the last potential; else from a linear guess; else from zero in steps."""
        if self._last is not None and self._last[0] * applied > 0:
            try:
                return self._newton(self._last[1], applied)
            except _Failed:
                pass  # the guess below does not depend on the last potential
        try:
            return self._newton(self._guess(applied), applied)
        except _Failed:
            at, free, ahead = 0.0, self._start, [applied, applied / 2]
        while ahead:
            try:
                free = self._newton(free, ahead[-1])
                at = ahead.pop()
            except _Failed as failed:
                if len(ahead) > HALVINGS:
                    raise SolverError(f"Newton's method failed at {ahead[-1]:.4g} RT/F of {applied:.4g} applied, in "
                                      f"steps of {abs(ahead[-1] - at):.1e} ({failed}); the result was discarded"
                                      ) from None
                ahead.append((at + ahead[-1]) / 2)
        return free

    def _guess(self, applied: float) -> FloatArray:
        """The linear solution, with contacts as good as the law makes them in a series of bulk and contact."""
        free = applied * self._unit
        surface, system = self._system.surface, self._system
        eta, _, _ = self._linear.law(self._linear.jump(system.values(free, applied)))
        if np.abs(eta).max() < 1:
            return free
        unit = system.values(self._unit, 1.0)
        current = system.power(unit, self._linear)
        drop = float(sum(part.sum() for part in self._linear.dissipated(unit))) / current
        layer = np.array(float(np.average(surface.layer, weights=surface.weight)))
        alpha = surface.alpha if applied > 0 else 1 - surface.alpha

        def through(jump: float) -> float:
            eta = overpotential(np.array(jump), layer, alpha)
            return float(rate(eta, alpha)[0] * (1 + layer) / drop)  # in units of the linear current at 1

        jump = brentq(lambda jump: (1 - drop) * through(jump) + jump - abs(applied), 0.0, abs(applied))
        better = max(through(jump) * drop / jump, 1.0)
        return self._solve_linear(dataclasses.replace(self._linear, weight=surface.weight * better), applied, 1e-6)

    def _solve_linear(self, surface: Surface, applied: float, rtol: float) -> FloatArray:
        """Free unknowns (n,) where the law is linear."""
        system = self._system
        zero = system.values(self._start, applied)
        self._tangent.update(surface.tangent(zero))

        def power(free: FloatArray) -> float:
            return system.power(system.values(free, applied), surface)

        with krylov.Multigrid(self._tangent.matrix, system.ndim) as grid:
            solved = grid.solve(-system.residual(zero, surface), rtol, power(self._start), power)
            free = solved.values
            # what rounding left in the digits of a large step, or of a stiff contact
            more = grid.solve(-system.residual(system.values(free, applied), surface), rtol, power(free))
        self.name = grid.name
        self._count[1] += solved.iterations + more.iterations
        return np.asarray(free + more.values)

    def _set_up(self, rtol: float) -> None:
        api = krylov.petsc()
        matrix = self._tangent.matrix
        pattern = (matrix.indptr.astype(api.IntType, copy=False), matrix.indices.astype(api.IntType, copy=False))
        self._matrix = api.Mat().createAIJWithArrays(matrix.shape, (*pattern, matrix.data), comm=api.COMM_SELF)
        self._matrix.setOption(api.Mat.Option.SPD, True)
        self._cycled = self._matrix.createVecRight()
        krylov.set_options("ssbray_newton_", {
            **krylov.options(self._system.ndim)[1], "ksp_type": "cg", "ksp_norm_type": "natural",
            "ksp_max_it": str(krylov.MAX_ITERATIONS), "snes_type": "newtonls", "snes_linesearch_type": "bt"})
        self._snes = api.SNES().create(api.COMM_SELF)
        self._snes.setOptionsPrefix("ssbray_newton_")
        self._snes.setFunction(self._residual, self._cycled.duplicate())
        self._snes.setJacobian(self._jacobian, self._matrix)
        self._snes.setConvergenceTest(self._converged)
        self._snes.setTolerances(max_it=MAX_NEWTON)
        self._snes.getKSP().setTolerances(rtol=min(max(0.1 * rtol, 1e-10), 1e-3))
        self._snes.setFromOptions()

    def _newton(self, start: FloatArray, applied: float) -> FloatArray:
        self._applied = applied
        x = self._cycled.duplicate()
        try:
            x.setArray(start)
            self._snes.solve(None, x)
            self._count[0] += self._snes.getIterationNumber()
            self._count[1] += self._snes.getLinearSolveIterations()
            reason = self._snes.getConvergedReason()
            if reason <= 0 and not self._error(x) <= self._tolerance:  # a line search cannot improve on rounding
                raise _Failed(f"PETSc's reason {reason}")
            return np.array(x.getArray(readonly=True))
        finally:
            x.destroy()

    def _residual(self, _: Any, x: Any, out: Any) -> None:
        out.setArray(self._system.residual(self._values(x), self._system.surface))

    def _jacobian(self, _: Any, x: Any, matrix: Any, __: Any) -> None:
        self._tangent.update(self._system.surface.tangent(self._values(x)))  # PETSc has the same memory
        matrix.assemble()
        matrix.stateIncrease()

    def _converged(self, snes: Any, step: int, norms: tuple[float, float, float]) -> int:
        if not np.isfinite(norms[2]):
            return int(krylov.petsc().SNES.ConvergedReason.DIVERGED_FNORM_NAN)
        if step >= MAX_NEWTON:
            return int(krylov.petsc().SNES.ConvergedReason.DIVERGED_MAX_IT)
        done = norms[2] == 0 or (step > 0 and self._error(snes.getSolution()) <= self._tolerance)
        return int(krylov.petsc().SNES.ConvergedReason.CONVERGED_FNORM_RELATIVE) if done else 0

    def _error(self, x: Any) -> float:
        """Energy norm of the error over that of the potential, by the last Jacobian's preconditioner."""
        values = self._values(x)
        residual = self._cycled.duplicate()
        residual.setArray(self._system.residual(values, self._system.surface))
        self._snes.getKSP().getPC().apply(residual, self._cycled)
        energy = abs(float(residual.dot(self._cycled)))
        residual.destroy()
        return math.sqrt(energy / self._system.power(values, self._system.surface))

    def _values(self, x: Any) -> FloatArray:
        return self._system.values(x.getArray(readonly=True), self._applied)


class _Failed(RuntimeError):
    """Newton's method did not converge from one start."""
