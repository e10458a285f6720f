"""Charge transfer where electrolyte touches electrode: the current density that a jump of the potential drives.

Inside, potentials are in thermal voltages RT/F and current densities in exchange current densities
i0. The equilibrium potential is absorbed: the jump counts from equilibrium, and is positive where
charge goes from the electrolyte into the electrode.
"""

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
from ssbray.errors import InputError, SolverError, nearest
from ssbray.fea import assemble, forms, krylov
from ssbray.units import BOLTZMANN_EV_PER_K

KINETICS = ("linear", "butler-volmer")
STEEPEST = 200.0  #: exponent beyond which the exponential goes on as its tangent, so that no trial step overflows
MAX_NEWTON = 60  #: steps; an overpotential far too high comes down by about one thermal voltage in each
HALVINGS = 12  #: of a step of the applied potential that Newton fails on
NOISE = 1e-12  #: relative error of the potential, in energy, that rounding may leave
MAX_STEPS = 100  #: of the scalar Newton, which halves its bracket where it does not do better


@dataclass(frozen=True, kw_only=True)
class Contact:
    """How charge passes from electrolyte to electrode, per true area of contact."""

    exchange_current: float  #: i0 [A/m2]
    alpha: float = 0.5  #: transfer coefficient of the direction from the electrolyte into the electrode
    layer: float = 0.0  #: resistance of what lies between, in series [ohm m2]; `math.inf` blocks
    kinetics: str = "butler-volmer"  #: or "linear", its tangent at equilibrium

    def __post_init__(self) -> None:
        if not (math.isfinite(self.exchange_current) and self.exchange_current > 0):
            raise InputError("exchange_current", self.exchange_current, "must be positive and finite")
        if not 0 < self.alpha < 1:
            raise InputError("alpha", self.alpha, "a transfer coefficient lies between 0 and 1, e.g. 0.5")
        if not self.layer >= 0:
            raise InputError("layer", self.layer, "a resistance is zero or more")
        if self.kinetics not in KINETICS:
            raise InputError("kinetics", self.kinetics, nearest(self.kinetics, KINETICS))

    def resistance(self, temperature: float) -> float:
        """Charge-transfer resistance at equilibrium, R T / (F i0) [ohm m2], at a temperature [K]."""
        return thermal_voltage(temperature) / self.exchange_current


def thermal_voltage(temperature: float) -> float:
    """R T / F [V] at a temperature [K].

    >>> round(thermal_voltage(298.15) * 1e3, 4)
    25.6926
    """
    return BOLTZMANN_EV_PER_K * temperature  # k in eV/K is R / F in V/K


def rate(eta: FloatArray, alpha: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """Butler-Volmer: ``exp(alpha eta) - exp(-(1 - alpha) eta)``, and its derivative, for overpotentials of any shape.

    Newman and Thomas-Alyea 2004, Electrochemical Systems, 3rd ed., eq. 8.23, in reduced units.
    """
    forth, back = alpha * eta, -(1 - alpha) * eta
    grown, shrunk = np.exp(np.minimum(forth, STEEPEST)), np.exp(np.minimum(back, STEEPEST))
    value = (np.expm1(np.minimum(forth, STEEPEST)) + grown * np.maximum(forth - STEEPEST, 0)
             - np.expm1(np.minimum(back, STEEPEST)) - shrunk * np.maximum(back - STEEPEST, 0))
    return value, alpha * grown + (1 - alpha) * shrunk


def overpotential(jump: FloatArray, layer: FloatArray, alpha: float) -> FloatArray:
    """Solve ``jump = eta + layer * rate(eta)``: what is left of a jump for charge transfer behind a layer.

    Newton from above within a bracket, halved where a step would leave it; all entries at once.

    Parameters
    ----------
    jump : of the potential, any shape.
    layer : resistance of the layer over R T / (F i0), to broadcast with `jump`.
    """
    jump, layer = np.broadcast_arrays(np.asarray(jump, dtype=float), layer)
    if not layer.any():
        return jump.copy()
    size, sign = np.abs(jump), np.where(jump < 0, -1.0, 1.0)
    forward = np.where(jump < 0, 1 - alpha, alpha)  # a negative jump is a positive one with the directions swapped
    with np.errstate(over="ignore"):  # the jump itself bounds where there is no layer, or next to none
        ratio = np.divide(size, layer, where=layer > 0, out=np.full(size.shape, np.inf))
    bound = np.log1p(ratio)
    high = np.where(bound < STEEPEST, np.minimum(size, bound / forward), size)
    low, eta = np.zeros(size.shape), high.copy()
    for _ in range(MAX_STEPS):
        value, slope = rate(eta, forward)
        excess = eta + layer * value - size
        high, low = np.where(excess > 0, eta, high), np.where(excess > 0, low, eta)
        step = eta - excess / (1 + layer * slope)
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        done = np.abs(step - eta) <= 4 * np.finfo(float).eps * size
        eta = step
        if done.all():
            break
    return sign * eta


@dataclass(frozen=True, eq=False, kw_only=True)
class Surface:
    """The faces of contact, with 2-point Gauss quadrature per direction: exact for a jump with a linear law."""

    dofs: NDArray[np.int32]  #: (n, 2, 2**(ndim-1)) unknowns on the side of the electrolyte, then of the electrode
    weight: FloatArray  #: (n,) relative conductance of charge transfer at equilibrium, per pixel face
    layer: FloatArray  #: (n,) resistance of the layer over that of charge transfer
    alpha: float
    linear: bool

    @property
    def shapes(self) -> FloatArray:
        """Corner functions at the points of quadrature, (q, 2**(ndim-1)); each point weighs 1 / q."""
        bits = forms.corners(int(self.dofs.shape[2]).bit_length() - 1)
        place = 0.5 + (bits - 0.5) / math.sqrt(3)
        return np.where(bits[None] == 1, place[:, None], 1 - place[:, None]).prod(axis=2)

    def jump(self, values: FloatArray) -> FloatArray:
        """Electrolyte less electrode at the points of quadrature (n, q), of unknowns (n_dofs,)."""
        return (values[self.dofs[:, 0]] - values[self.dofs[:, 1]]) @ self.shapes.T

    def law(self, jump: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Overpotential, current density and its derivative by the jump, each (n, q)."""
        layer = self.layer[:, None]
        if self.linear:
            slope = np.broadcast_to(1 / (1 + layer), jump.shape)
            return jump * slope, jump * slope, slope
        eta = overpotential(jump, layer, self.alpha)
        current, slope = rate(eta, self.alpha)
        return eta, current, slope / (1 + layer * slope)

    def force(self, values: FloatArray) -> FloatArray:
        """Residual ``int j [v]`` of every unknown, (n_dofs,)."""
        _, current, _ = self.law(self.jump(values))
        out = (self.weight[:, None] * current @ self.shapes / len(self.shapes)).reshape(-1)
        total = np.zeros(len(values))
        np.add.at(total, self.dofs[:, 0].reshape(-1), out)
        np.subtract.at(total, self.dofs[:, 1].reshape(-1), out)
        return total

    def tangent(self, values: FloatArray) -> FloatArray:
        """Derivative of the force, face by face, (n, 2k, 2k): the electrolyte's corners, then the electrode's."""
        _, _, slope = self.law(self.jump(values))
        signed = np.concatenate([self.shapes, -self.shapes], axis=1)
        local: FloatArray = np.einsum("nq,qa,qb->nab", self.weight[:, None] * slope / len(signed), signed, signed)
        return local

    def dissipated(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Power lost to charge transfer and to the layer, (n,) each, relative."""
        eta, current, _ = self.law(self.jump(values))
        return (self.weight * (current * eta).mean(axis=1), self.weight * self.layer * (current**2).mean(axis=1))


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

    The power lost, up to a constant, is convex in the potential, so the Jacobian is symmetric and positive definite
    and the solution unique. The error left is measured in energy, by one cycle of multigrid on the residual.
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
