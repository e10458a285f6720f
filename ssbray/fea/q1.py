"""The upper bound: the potential of bilinear elements, one per pixel."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ssbray.domain import FloatArray
from ssbray.errors import SolverError
from ssbray.fea import assemble, krylov
from ssbray.fea.problem import Discrete, Problem, discretise

REFINEMENTS = 2  #: at extreme contrast, where a badly set island is all but invisible to the residual
RESCUES = 4  #: more of them, where stiff interfaces have left a true residual that belies the tolerance
BELIED = 100.0  #: times the tolerance


@dataclass(frozen=True, eq=False, kw_only=True)
class Response:
    """Potentials under unit mean fields along some array axes, on one mesh and with one preconditioner."""

    problem: Problem
    discrete: Discrete | None
    corrections: Mapping[int, FloatArray]  #: array axis -> (n_dofs,)
    iterations: int
    residual: float
    solver: str
    seconds: Mapping[str, float]

    def power(self, weights: Mapping[int, float]) -> float:
        """Power under a mean field that combines the axes, per pixel, relative."""
        if not weights or self.discrete is None:
            return 0.0
        d = self.discrete
        slope = sum((weight * d.slope(axis) for axis, weight in weights.items()), np.zeros(len(d.mesh.shape)))
        total = sum((weight * self.corrections[axis] for axis, weight in weights.items()), np.zeros(d.mesh.n_dofs))
        return d.power(total, slope)

    def sigma(self, axis: int) -> float:
        """Conductivity along an axis [S/m]; exactly zero where no current can flow."""
        if axis not in self.corrections:
            return 0.0
        return self.problem.reference * self.power({axis: 1.0}) / self.problem.active.size

    def tensor(self) -> FloatArray:
        """Periodic tensor [S/m] in the order x, y[, z], by the energies of combined fields: the error is quadratic."""
        ndim = self.problem.active.ndim
        energy = np.zeros((ndim, ndim))
        for a in self.corrections:
            energy[a, a] = self.power({a: 1.0})
            for b in self.corrections:
                if b < a:
                    energy[a, b] = energy[b, a] = (self.power({a: 1.0, b: 1.0}) - self.power({a: 1.0, b: -1.0})) / 4
        least = float(np.linalg.eigvalsh(energy)[0])
        if least < -1e-10 * float(np.trace(energy)):
            raise SolverError("the conductivity tensor came out indefinite (smallest eigenvalue "
                              f"{least:.2e} relative): the result was discarded")
        return self.problem.reference / self.problem.active.size * energy[::-1, ::-1]


def respond(problem: Problem, axes: list[int], rtol: float) -> Response:
    """Assemble once, set up once, solve for a unit mean field along each array axis."""
    started = time.perf_counter()
    if not axes:
        return Response(problem=problem, discrete=None, corrections={}, iterations=0, residual=0.0,
                        solver="none needed", seconds={})
    d = discretise(problem)
    meshed = time.perf_counter()
    matrix = assemble.matrix(d.mesh, d.sigma, d.joint, d.row, d.n_free)
    loads = [assemble.load(d.mesh, d.sigma, d.joint, d.base, d.slope(axis), d.row, d.n_free) for axis in axes]
    assembled = time.perf_counter()
    corrections, iterations, residual = {}, 0, 0.0
    with krylov.Multigrid(matrix, problem.active.ndim) as grid:
        for axis, load in zip(axes, loads, strict=True):
            solved = _solve(grid, d, load, d.slope(axis), rtol)
            corrections[axis] = solved.values
            iterations, residual = iterations + solved.iterations, max(residual, solved.residual)
    return Response(problem=problem, discrete=d, corrections=corrections, iterations=iterations, residual=residual,
                    solver=grid.name, seconds={
                        "mesh": meshed - started, "assemble": assembled - meshed, "setup": grid.setup_s,
                        "solve": time.perf_counter() - assembled - grid.setup_s})


def _solve(grid: krylov.Multigrid, d: Discrete, load: FloatArray, slope: FloatArray, rtol: float) -> krylov.Solved:
    """One potential, at all unknowns; refined, where the contrast is extreme, by residuals of its differences."""
    def power(values: FloatArray) -> float:
        return d.power(d.expand(values), slope)

    solved = grid.solve(load, rtol, power(np.zeros(d.n_free)), power)
    values, iterations, error = d.expand(solved.values), solved.iterations, solved.error
    for done in range(REFINEMENTS + RESCUES):
        total = d.power(values, slope)
        if done >= (0 if d.ramp else REFINEMENTS) and error <= BELIED * rtol * total:
            return dataclasses.replace(solved, values=values, iterations=iterations, error=error)
        rest = assemble.load(d.mesh, d.sigma, d.joint, values, slope, d.row, d.n_free)
        more = grid.solve(rest, rtol, total)
        values = values + np.append(more.values, 0.0)[d.row]
        iterations, error = iterations + more.iterations, more.error
    raise SolverError(f"the error of the conductivity stays near {error / total:.1e}, not {rtol:g}: interfaces or "
                      "sheets are too stiff beside the pixels for double precision; the result was discarded")
