"""Effective conductivity of a phase map by finite elements."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping

import numpy as np

from ssbray.domain import FloatArray, PhaseMap, ThinLoss, TransportSolution
from ssbray.errors import SolverError
from ssbray.fea import cells, checks, losses, percolation, q1, target
from ssbray.fea.problem import Problem, prepare
from ssbray.fea.q1 import Response
from ssbray.fea.thin import Interfaces

ROUNDING = 1e-9  #: relative, by which bounds that coincide may cross


def solve(phase_map: PhaseMap, conductivity: Mapping[int, float],
          interfaces: Mapping[tuple[int, int], float] | Interfaces | None = None, *,
          axis: str = "y", boundary: str = "dirichlet", tensor: bool = False, bounds: bool = False,
          target_gap: float | None = None, corners: str = "connected", rtol: float = 1e-8) -> TransportSolution:
    """Drive a current through a map and find its effective conductivity.

    ``div(sigma grad phi) = 0`` in the pixels, with ``[phi] = -R j`` across thin interfaces. Bilinear
    (Q1) elements, one per pixel, so the result is an upper bound for the map's own geometry.
    Interface area is corrected for the staircase of the pixels (`raster.measure`). Pixels that
    no current can reach are left out exactly: nothing is given a small conductivity instead.

    Parameters
    ----------
    phase_map : the section or volume.
    conductivity : label -> conductivity [S/m]; every label in the map needs one, 0 blocks.
    interfaces : (label, label) -> area-specific resistance [ohm m2]; equal labels: between
        different grains of that label. `math.inf` blocks. `Interfaces` says more: single pairs of
        grains, single faces, layers that conduct along themselves.
    axis : "x", "y" or "z".
    boundary : "dirichlet": the planes at both ends of `axis` at 1 V and 0 V, no flux through the
        other sides. "periodic": the map repeats, under a mean field of 1 V per cell.
    tensor : also find the other components. Plates with insulated sides are the periodic problem
        of the mirrored map, whose tensor is diagonal: each entry is a solve of its own.
    bounds : also find a lower bound (`cells.bound`), so that the exact value is enclosed.
    target_gap : refine, where the local gap sits, until the bounds are this close (relative), or say
        in `refinement` why they are not.
    corners : how to read pixels that meet only in a corner, which a target gap resolves: "connected",
        the raster as it is; "separated", the better conductors are cut off from each other within an
        eighth of half a pixel. The potential and `sigma_eff` are those of the raster as it is.
    rtol : relative algebraic error of the conductivity at which iterating stops.

    Raises
    ------
    InputError
        A label without conductivity, a negative or non-finite value, an unknown label or axis.
    SolverError
        The linear solver did not converge.
    """
    started = time.perf_counter()
    if not isinstance(interfaces, Interfaces):
        interfaces = Interfaces(pairs=interfaces or {})
    array_axis = checks.validate(phase_map, conductivity, interfaces, axis, boundary, rtol)
    checks.refinement(target_gap, corners, phase_map.labels.ndim, bool(interfaces.sheets))
    periodic = boundary == "periodic"
    problem = prepare(phase_map, conductivity, interfaces, array_axis, periodic)
    ndim = phase_map.labels.ndim
    wanted = range(ndim) if tensor and periodic else [array_axis]
    response = q1.respond(problem, [d for d in wanted if problem.open_axes[d]], rtol)
    matrix = None
    if tensor:
        if periodic:
            matrix = response.tensor()
        else:
            matrix = np.zeros((ndim, ndim))
            for d in range(ndim):
                other = problem if d == array_axis else prepare(phase_map, conductivity, interfaces, d, False)
                one = response if d == array_axis else q1.respond(other, [d] if other.open_axes[d] else [], rtol)
                matrix[ndim - 1 - d, ndim - 1 - d] = one.sigma(d)
    if not problem.open_axes[array_axis]:
        reason = percolation.explain(problem.conducts, problem.blocked, array_axis, axis, periodic)
        return _blocked(phase_map, axis, boundary, reason, started, matrix, bounds or target_gap is not None)
    solution = _solution(phase_map, problem, response, axis, boundary, matrix, started)
    if not bounds and target_gap is None:
        return solution
    return _bounded(solution, problem, response, target_gap, corners, started)


def _solution(phase_map: PhaseMap, problem: Problem, response: Response, axis: str, boundary: str,
              matrix: FloatArray | None, started: float) -> TransportSolution:
    assert response.discrete is not None
    d, labels, array_axis = response.discrete, phase_map.labels, problem.axis
    length, pixel_m = labels.shape[array_axis], problem.pixel_m
    slope = d.slope(array_axis)
    correction = response.corrections[array_axis]
    in_pixels, across, along = losses.dissipated(d.mesh, d.sigma, d.joint, correction, slope)
    total = float(in_pixels.sum() + across.sum() + along.sum())
    sigma_eff = problem.reference * total / labels.size
    value, current = losses.fields(d.mesh, correction, slope, d.sigma)
    place = np.unravel_index(d.mesh.pixels, labels.shape)[array_axis] + 0.5
    potential = np.full(labels.shape, np.nan)
    potential.reshape(-1)[d.mesh.pixels] = 1 - (place * slope[array_axis] + value) / length
    density = np.zeros((labels.ndim, *labels.shape))
    for component in range(labels.ndim):
        density[component].reshape(-1)[d.mesh.pixels] = (
            -current[:, labels.ndim - 1 - component] * problem.reference / (length * pixel_m))
    loss = np.zeros(labels.shape)
    loss.reshape(-1)[d.mesh.pixels] = in_pixels * problem.reference / (length * pixel_m) ** 2
    warnings = [] if "gamg" not in response.solver else [
        "this PETSc has no hypre: solved with GAMG instead of BoomerAMG; same answer, slower"]
    sheets = bool(problem.thin.sheet.any())
    if sheets and labels.ndim == 3:
        warnings.append("conducting sheets in a volume are exact along the axes only: steps of the raster lengthen "
                        "them")
    if (lost := int(problem.conducts.sum() - problem.active.sum())) > 0:
        warnings.append(f"{lost / labels.size:.2%} of the map conducts without a path to both electrodes: left out")
    thin = problem.thin
    return TransportSolution(
        sigma_eff=sigma_eff, asr=length * pixel_m / sigma_eff, axis=axis, boundary=boundary, percolates=True,
        reason=None, dissipation_fraction=losses.by_kind(labels, d.mesh.pixels, in_pixels, thin.pair, across, along),
        potential=potential, current_density=density, dissipation=loss,
        faces=ThinLoss(first=thin.faces.first, second=thin.faces.second, axis=thin.faces.axis, across=across / total,
                       along=along / total),
        dofs=d.n_free, iterations=response.iterations, residual=response.residual, solver=response.solver,
        seconds={**response.seconds, "total": time.perf_counter() - started}, warnings=tuple(warnings), tensor=matrix,
        sheets=sheets)


def _bounded(solution: TransportSolution, problem: Problem, response: Response, goal: float | None, corners: str,
             started: float) -> TransportSolution:
    """Add the bounds, refined if a goal is given."""
    begun = time.perf_counter()
    cell = cells.bound(problem, problem.axis)
    low, high, unit = cell.sigma, solution.sigma_eff / problem.reference, problem.reference
    readings, refinement, warnings = None, None, list(solution.warnings)
    if goal is not None:
        reached = target.reach(problem, response, cell, goal, corners)
        low, high = reached.lower, reached.upper
        readings = {name: (unit * a, unit * b) for name, (a, b) in reached.corners.items()} or None
        refinement = {"unknowns": reached.unknowns, "refined_fraction": reached.refined, "gap": reached.gap,
                      "reason": reached.reason}
        if reached.reason:
            warnings.append(reached.reason)
    elif solution.sheets:
        warnings.append("the lower bound leaves out the current along conducting sheets")
    if low > high * (1 + ROUNDING):
        raise SolverError(f"lower bound {unit * low:.9e} above upper bound {unit * high:.9e} S/m: at this contrast "
                          "rounding decides; the result was discarded")
    low = min(low, high)  # equal to rounding
    spent = time.perf_counter()
    return dataclasses.replace(
        solution, lower=unit * low, upper=unit * high, corners=readings, refinement=refinement,
        warnings=tuple(warnings), seconds={**solution.seconds, "bounds": spent - begun, "total": spent - started})


def _blocked(phase_map: PhaseMap, axis: str, boundary: str, reason: str, started: float, matrix: FloatArray | None,
             bounds: bool) -> TransportSolution:
    """The exact answer where nothing percolates."""
    shape = phase_map.labels.shape
    nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0)
    spent = time.perf_counter() - started
    return TransportSolution(
        sigma_eff=0.0, asr=math.inf, axis=axis, boundary=boundary, percolates=False, reason=reason,
        dissipation_fraction={}, potential=np.full(shape, np.nan), current_density=np.zeros((len(shape), *shape)),
        dissipation=np.zeros(shape), faces=ThinLoss(first=nothing, second=nothing, axis=nothing, across=none,
                                                    along=none),
        dofs=0, iterations=0, residual=0.0, solver="none needed",
        seconds={"mesh": spent, "assemble": 0.0, "setup": 0.0, "solve": 0.0, "total": spent}, tensor=matrix,
        lower=0.0 if bounds else None, upper=0.0 if bounds else None)
