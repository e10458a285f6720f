"""What was told so far, as arrays in the unit cube: the memory that moves and temperatures draw on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ssbray.annealing.space import Point, Space
from ssbray.domain import FloatArray
from ssbray.errors import InputError

ELITE = 20  #: best records, from which differences are taken and the temperature has its unit
ALIKE = 10  #: best records that noise may have shuffled


@dataclass(frozen=True, kw_only=True)
class Record:
    """One evaluated point."""

    point: Point
    u: tuple[float, ...]  #: its place in the unit cube; NaN where a parameter does not exist
    cost: float  #: infinite if it failed
    std: float = 0.0  #: standard error of `cost`
    violation: float = 0.0  #: of the constraints; zero where all are kept

    @classmethod
    def of(cls, space: Space, point: Point, cost: float | None, std: float = 0.0, violation: float = 0.0) -> Record:
        """Check what is told of a point: no cost, or one that is not finite, means that it failed."""
        if not (math.isfinite(std) and std >= 0):
            raise InputError("std", std, "a standard error is zero or more")
        if math.isnan(violation):
            raise InputError("violation", violation, "must be a number: zero where all constraints are kept")
        return cls(point=dict(point), u=tuple(space.encode(point).tolist()), std=float(std),
                   cost=math.inf if cost is None or not math.isfinite(cost) else float(cost),
                   violation=max(float(violation), 0.0))

    @cached_property
    def rank(self) -> tuple[float, float]:
        """Order by feasibility first, then by cost (Deb 2000, 10.1016/S0045-7825(99)00389-8)."""
        return (self.violation, 0.0) if self.violation > 0 else (0.0 if math.isfinite(self.cost) else math.inf,
                                                                self.cost)


@dataclass(frozen=True, eq=False)
class Archive:
    """Records that worked, best first. Records of equal rank stay in the order given."""

    space: Space
    records: tuple[Record, ...]

    @classmethod
    def of(cls, space: Space, records: Iterable[Record]) -> Archive:
        """Keep what has a cost, or a violation to learn from."""
        return cls(space, tuple(sorted((each for each in records if math.isfinite(each.rank[0])),
                                       key=lambda each: each.rank)))

    @cached_property
    def u(self) -> FloatArray:
        """(m, n) places in the unit cube; NaN where a parameter does not exist."""
        return np.array([each.u for each in self.records]).reshape(-1, len(self.space))

    @cached_property
    def cost(self) -> FloatArray:
        """(m,) costs; those of infeasible points lie above all feasible ones, in the order of their violation."""
        cost = np.array([each.cost for each in self.records])
        violation = np.array([each.violation for each in self.records])
        kept = violation <= 0
        top = cost[kept].max() if kept.any() else 0.0
        unit = (scale(cost[kept]) if kept.any() else 1.0) / max(float(np.median(violation[~kept])), 1e-300) if (
            ~kept).any() else 0.0
        return np.where(kept, cost, top + unit * violation)

    @property
    def unit(self) -> float:
        """Unit of temperature: the spread among the elite, which shrinks as the search closes in."""
        return scale(self.cost[:ELITE], share=1.0)

    def alike(self) -> NDArray[np.intp]:
        """Indices of the best records: those that their noise does not tell from the first, ten at most."""
        first = self.records[0]
        return np.array([k for k, each in enumerate(self.records[:ALIKE]) if k == 0 or (
            each.violation <= first.violation == 0
            and each.cost - first.cost <= 3 * math.hypot(each.std, first.std))])

    def best(self) -> Record:
        """The best record; among several alike but for noise, the one in their middle.

        The lowest of many noisy costs was also lucky. Its neighbours tell: the record whose summed
        distance to the others is least, in units of their spread, is taken in its stead.
        """
        alike = self.alike()
        u = np.nan_to_num(self.u[alike], nan=0.5)
        u = u / (u.std(axis=0) + 1e-3)
        distance = np.linalg.norm(u[:, None] - u[None], axis=2).sum(axis=1)
        return self.records[alike[int(np.argmin(distance))]]


def scale(costs: Sequence[float | None] | FloatArray, share: float = 0.5) -> float:
    """Spread among the better half (or another share) of some costs, a unit of temperature.

    The bad half of a landscape may lie decades away; in units of the whole spread a chain would
    accept everything that is good.
    """
    finite = sorted(float(cost) for cost in costs if cost is not None and math.isfinite(cost))
    spread = float(np.std(finite[: max(2, math.ceil(share * len(finite)))])) if len(finite) > 1 else 0.0
    return spread if spread > 0 else 1.0
