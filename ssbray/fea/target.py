"""Refinement until the certified interval is as narrow as asked for: where the local gap sits, and only there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.fea import cells, graded, losses, q1
from ssbray.fea.problem import Problem
from ssbray.fea.q1 import Response
from ssbray.fea.refine import subdivide

MARGIN = 0.7  #: of the goal that a first guess aims at
REMAINS = 0.1  #: of the gap at a corner that a graded element leaves
LARGEST = 4_000_000  #: unknowns that uniform refinement may take


@dataclass(frozen=True, eq=False, kw_only=True)
class Certified:
    """Bounds after refinement, relative."""

    lower: float
    upper: float
    unknowns: int  #: of the larger of the two systems that gave the bounds
    refined: float  #: share of the pixels that were cut
    reason: str | None  #: why the goal was not reached
    corners: Mapping[str, tuple[float, float]] = field(default_factory=dict)  #: where they matter: both readings

    @property
    def gap(self) -> float:
        """Relative width."""
        return (self.upper - self.lower) / (self.upper * self.lower) ** 0.5 if self.lower > 0 else np.inf


def reach(problem: Problem, response: Response, lower: cells.Lower, goal: float, corners: str) -> Certified:
    """Refine until the relative gap is at most `goal`, or say why it is not.

    Parameters
    ----------
    problem, response, lower : what was solved on the pixels, along `problem.axis`.
    goal : largest (upper - lower) / geometric mean.
    corners : "connected": the raster as it is; "separated": better conductors that meet only in a
        corner do not touch. Where both readings differ by more than the gap, `Certified.corners` has both.
    """
    upper = response.power({problem.axis: 1.0}) / problem.active.size
    base = Certified(lower=lower.sigma, upper=upper, unknowns=max(lower.unknowns, _size(response)),
                     refined=0.0, reason=None)
    if problem.thin.sheet.any():
        return _failed(base, goal, "the lower bound leaves out the current along conducting sheets")
    if problem.active.ndim == 3:
        return _uniformly(problem, base, goal)
    touching = _touching(problem)
    if not touching.any():
        return base if base.gap <= goal else _locally(problem, response, lower, base, goal, touching, False)
    readings = {}
    for name in ("connected", "separated"):
        readings[name] = _locally(problem, response, lower, base, goal, touching, name == "separated")
    chosen = readings[corners]
    centres = [(one.lower * one.upper) ** 0.5 for one in readings.values()]
    if abs(centres[0] - centres[1]) <= max(one.upper - one.lower for one in readings.values()):
        return chosen
    return Certified(lower=chosen.lower, upper=chosen.upper, unknowns=chosen.unknowns, refined=chosen.refined,
                     reason=chosen.reason, corners={name: (one.lower, one.upper) for name, one in readings.items()})


def _locally(problem: Problem, response: Response, lower: cells.Lower, base: Certified, goal: float,
             touching: NDArray[np.bool_], separated: bool) -> Certified:
    """Cut the pixels around the worst corners, more of them until the goal is reached."""
    if problem.periodic and min(problem.shape) < 2:
        return _failed(base, goal, "a periodic map one pixel wide is not refined")
    score = _scores(problem, indicator(problem, response, lower))
    order = np.sort(score[score > 0])[::-1]
    total = float(order.sum())
    share = min(max((1 - MARGIN * goal / base.gap) / (1 - REMAINS), 0.3), 1.0) if np.isfinite(base.gap) else 1.0
    best = base if not separated else Certified(lower=0.0, upper=base.upper, unknowns=base.unknowns, refined=0.0,
                                                reason=None)
    while True:
        enough = int(np.searchsorted(np.cumsum(order), share * total)) if total else 0
        vertices = score >= (order[min(enough, len(order) - 1)] if len(order) and share < 1 else 0.0)
        if separated:
            vertices = vertices | touching
        refined = _around(problem, vertices & _corners(problem))
        low, high, unknowns = graded.bounds(problem, refined, separated=separated)
        best = Certified(lower=max(low, best.lower), upper=high if separated else min(high, best.upper),
                         unknowns=unknowns, refined=float(refined.mean()), reason=None)
        if best.gap <= goal:
            return best
        if share >= 1:
            return _failed(best, goal, "graded elements at every corner leave this much, and finer ones would not gain")
        share = 1 - (1 - share) / 3 if share < 0.9 else 1.0


def _uniformly(problem: Problem, base: Certified, goal: float) -> Certified:
    """Halve all pixels while there is room."""
    best, factor = base, 1
    while best.gap > goal:
        factor *= 2
        if (needed := int(problem.active.sum()) * factor**problem.active.ndim) > LARGEST:
            return _failed(best, goal, f"in a volume all pixels have to be cut alike, and {factor} per side would take "
                           f"{needed} unknowns (limit {LARGEST})")
        fine = subdivide(problem, factor)
        low = cells.bound(fine, problem.axis)
        response = q1.respond(fine, [problem.axis], graded.RTOL)
        best = Certified(lower=max(best.lower, low.sigma), unknowns=max(low.unknowns, _size(response)), refined=1.0,
                         upper=min(best.upper, response.power({problem.axis: 1.0}) / fine.active.size), reason=None)
    return best


def indicator(problem: Problem, response: Response, lower: cells.Lower) -> FloatArray:
    """Share of each pixel in upper minus lower bound: how far the current is from that of the potential.

    The gap is the integral of ``(q - sigma grad u)^2 / sigma`` (Prager and Synge 1947), interfaces apart.
    """
    d = response.discrete
    assert d is not None
    slope = d.slope(problem.axis)
    primal, _, _ = losses.dissipated(d.mesh, d.sigma, d.joint, response.corrections[problem.axis], slope)
    _, current = losses.fields(d.mesh, response.corrections[problem.axis], slope, d.sigma)
    flux = lower.flux.reshape(problem.active.ndim, -1)[:, d.mesh.pixels]
    mixed = -np.sum(current.T / d.sigma * flux, axis=0)
    result = np.zeros(problem.shape)
    result.reshape(-1)[d.mesh.pixels] = np.maximum(
        primal + lower.loss.reshape(-1)[d.mesh.pixels] - 2 * mixed, 0.0)
    return result


def _size(response: Response) -> int:
    return response.discrete.n_free if response.discrete is not None else 0


def _scores(problem: Problem, gap: FloatArray) -> FloatArray:
    """Sum of the gap over the four pixels around each vertex, on the vertex grid; zero at the border."""
    around = sum(np.roll(gap, (di, dj), axis=(0, 1)) for di in (0, 1) for dj in (0, 1))
    return np.where(_corners(problem), around, 0.0)


def _corners(problem: Problem) -> NDArray[np.bool_]:
    """Vertices, by the pixel to their lower right, where more than one material or an interface meets."""
    sigma = problem.sigma
    found = np.zeros(problem.shape, dtype=bool)
    for shift in ((0, 1), (1, 0), (1, 1)):
        found |= np.roll(sigma, shift, axis=(0, 1)) != sigma
    found |= np.roll(sigma, (0, 1), axis=(0, 1)) != np.roll(sigma, (1, 0), axis=(0, 1))
    for faces in (problem.thin.faces, problem.shut):
        place = np.stack(np.unravel_index(faces.second, problem.shape))
        along = 1 - faces.axis
        for step in (0, 1):
            there = place.copy()
            there[along, np.arange(len(faces))] += step
            inside = problem.periodic | (there < np.array(problem.shape)[:, None]).all(axis=0)
            there = there % np.array(problem.shape)[:, None]
            found[tuple(there[:, inside])] = True
    if not problem.periodic:
        found[0], found[:, 0] = False, False
    return found


def _touching(problem: Problem) -> NDArray[np.bool_]:
    """Vertices, as in `_corners`, where two better conductors meet only diagonally."""
    everything = np.ones(problem.shape, dtype=bool)
    fine = subdivide(problem, graded.FACTOR)
    found = graded.patches(fine, everything)
    apart = (found.diagonal != found.sigma).any(axis=1)
    lower_right = found.cells[apart, 3]
    result = np.zeros(problem.shape, dtype=bool)
    result[lower_right // fine.shape[1] // graded.FACTOR, lower_right % fine.shape[1] // graded.FACTOR] = True
    return result


def _around(problem: Problem, vertices: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that touch any of the vertices."""
    result = np.zeros(problem.shape, dtype=bool)
    for di in (0, -1):
        for dj in (0, -1):
            result |= np.roll(vertices, (di, dj), axis=(0, 1))
    return result


def _failed(best: Certified, goal: float, why: str) -> Certified:
    if best.gap <= goal:
        return best
    return Certified(lower=best.lower, upper=best.upper, unknowns=best.unknowns, refined=best.refined,
                     corners=best.corners, reason=f"the gap is {best.gap:.2g}, not {goal:g}: {why}")
