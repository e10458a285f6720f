"""Random steps in the unit cube: Gaussian, Ingber's long-tailed, along differences, and to the foot of a quadratic."""

from __future__ import annotations

import math

import numpy as np

from ssbray.annealing.archive import ELITE, Archive
from ssbray.annealing.regression import Quadratic, fit
from ssbray.annealing.space import Space
from ssbray.domain import FloatArray

#: share of each kind of move once there is an archive to draw on; the first two alone without
SHARES = {"gaussian": 0.2, "ingber": 0.15, "differential": 0.3, "regression": 0.35}
JITTER = 0.05  #: about the foot of the quadratic, in standard deviations of the points it was fitted to
REACH = (0.7, 2.0)  #: of that foot, in standard deviations per parameter
SLACK = 3.0  #: a parameter's steps are at most so much longer, or shorter, than those of the others


def move(space: Space, u: FloatArray, *, width: float, temperature: float, rng: np.random.Generator,
         archive: Archive | None = None) -> FloatArray:
    """Step away from u, (n,) in the unit cube; NaN is a parameter that has no place yet, and is drawn.

    Gaussian steps (standard deviation `width`) and draws from the generating distribution of adaptive
    simulated annealing (Ingber 1989, 10.1016/0895-7177(89)90202-1: peaked at zero, and still reaching
    across the cube at any `temperature`) change a random subset of the parameters, each by its
    sensitivity. Differences of elite points take the scale and direction of a valley (Storn and Price
    1997, 10.1023/A:1008202821328). The foot of the quadratic through the nearest evaluated points is
    where a smooth cost is least. Categories become any other, or an elite point's; whole numbers step
    by one at least.
    """
    u = np.where(np.isnan(u), rng.random(len(u)), u)
    kinds = list(SHARES) if archive is not None else list(SHARES)[:2]
    share = np.array([SHARES[kind] for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=share / share.sum())]
    if archive is not None and kind == "differential":
        return _differential(space, u, archive, rng)
    if archive is not None and kind == "regression" and (found := _regression(u, archive, rng)) is not None:
        return found
    factors = reannealed(fit(archive, u) if archive is not None else None, len(u))
    if kind == "ingber":
        return _shift(space, u, _long_tailed(np.minimum(temperature * factors, 1.0), rng), rng)
    return _shift(space, u, width * factors * rng.normal(size=len(u)), rng)


def reannealed(quadratic: Quadratic | None, n: int) -> FloatArray:
    """(n,) factors on the steps of each parameter: the less the cost feels it, the longer.

    Ingber's re-annealing raises a parameter's temperature in inverse proportion to its sensitivity;
    here relative to the geometric mean, and by `SLACK` at most.
    """
    factors = np.ones(n)
    if quadratic is not None:
        logarithm = np.log(quadratic.sensitivity() + 1e-12)
        factors[quadratic.numeric] = np.exp(np.clip(logarithm.mean() - logarithm, -np.log(SLACK), np.log(SLACK)))
    return factors


def _long_tailed(temperature: FloatArray, rng: np.random.Generator) -> FloatArray:
    spread = 2 * rng.random(len(temperature)) - 1
    return np.asarray(np.sign(spread) * temperature * ((1 + 1 / temperature) ** np.abs(spread) - 1))


def _shift(space: Space, u: FloatArray, step: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Shift a random subset of the parameters that exist at u, one at least."""
    exists = np.flatnonzero(space.exists(u))
    chosen = exists[rng.random(len(exists)) < 1.0 / len(exists)]
    chosen = np.union1d(chosen, exists[rng.integers(len(exists))])
    step = np.where(space.cell > 0, np.sign(step) * np.maximum(np.abs(step), space.cell), step)
    other = (u + (1 + np.floor(rng.random(len(u)) * (space.choices - 1))) / space.choices) % 1.0
    new = u.copy()
    new[chosen] = np.where(space.categorical, other, reflect(u + step))[chosen]
    return new


def _differential(space: Space, u: FloatArray, archive: Archive, rng: np.random.Generator) -> FloatArray:
    """Add a share of the difference of two elite points, half of the time with a pull to a third, better one."""
    n, elite = len(u), archive.u[:ELITE]
    elite = np.where(np.isnan(elite), u, elite)
    a, b = elite[rng.integers(len(elite))], elite[rng.integers(len(elite))]
    leader = elite[rng.integers(max(1, int(0.3 * len(elite))))]
    share = rng.uniform(0.4, 1.0)
    step = share * (a - b) + share * (leader - u) * (rng.random() < 0.5)
    chosen = rng.random(n) < 0.5
    chosen[rng.integers(n)] = True
    taken = space.categorical & (rng.random(n) < 0.5)
    new = np.where(space.categorical, np.where(taken, leader, u), reflect(u + step + 1e-3 * rng.normal(size=n)))
    return np.where(chosen, new, u)


def _regression(u: FloatArray, archive: Archive, rng: np.random.Generator) -> FloatArray | None:
    """The foot of a quadratic; how many points it is fitted to, and how far it is trusted, is drawn: none fits all."""
    quadratic = fit(archive, u, points=rng.uniform(1.0, 2.0))
    if quadratic is None:
        return None
    foot = quadratic.lowest(reach=math.exp(rng.uniform(*np.log(REACH))))
    new = u.copy()
    new[quadratic.numeric] = quadratic.centre + quadratic.width * (foot + JITTER * rng.normal(size=len(foot)))
    # many a best design lies on an edge; and libraries of linear algebra differ in the last digits
    return np.clip(new, 0.0, 1.0).round(9)


def reflect(x: FloatArray) -> FloatArray:
    """Fold the line back into [0, 1]."""
    x = np.abs(x) % 2.0
    return np.asarray(np.where(x > 1.0, 2.0 - x, x), dtype=np.float64)
