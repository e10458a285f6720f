"""One annealing chain: its state, its proposals, its decisions. Pure functions, nothing kept between calls.

Randomness is keyed by (seed, chain, step), so what a chain does next depends on its own history
and on the exchanges at fixed steps, never on which of several chains finished first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ssbray import rng
from ssbray.annealing.moves import move
from ssbray.annealing.space import Point, Space

TARGET_ACCEPTANCE = 0.35


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a chain cools over its `steps`. Temperatures are in units of the spread of the initial costs."""

    steps: int  #: proposals of one chain from hot to cold
    hot: float = 0.5  #: first acceptance temperature
    cold: float = 0.005
    wide: float = 0.25  #: first standard deviation of Gaussian steps, in the unit cube
    narrow: float = 0.01  #: smallest one

    def temperature(self, step: int) -> float:
        """Acceptance temperature at a step, falling geometrically."""
        return float(self.hot * (self.cold / self.hot) ** min(1.0, step / max(1, self.steps - 1)))


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Where a chain stands. `value` is what it minimises; infinite until something worked."""

    index: int
    step: int  #: proposals decided so far
    point: Point
    value: float
    std: float = 0.0  #: standard error of `value`
    width: float = 0.25
    accepted: int = 0


def scale(costs: Sequence[float | None]) -> float:
    """Unit of temperature: the spread among the better half of the initial costs.

    The bad half of a landscape may lie decades away; in units of the whole spread a chain would
    accept everything that is good.
    """
    finite = sorted(cost for cost in costs if cost is not None and math.isfinite(cost))
    spread = float(np.std(finite[: max(2, (len(finite) + 1) // 2)])) if len(finite) > 1 else 0.0
    return spread if spread > 0 else 1.0


def start(index: int, point: Point, value: float, schedule: Schedule, std: float = 0.0) -> Chain:
    """Put a chain on an evaluated point."""
    return Chain(index=index, step=0, point=point, value=value, std=std, width=schedule.wide)


def propose(space: Space, chain: Chain, schedule: Schedule, seed: int, count: int = 1) -> list[Point]:
    """Draw candidates for a chain's next step; the first is the same whatever their number."""
    u = space.encode(chain.point)
    return [space.decode(move(space, u, width=chain.width, temperature=max(schedule.temperature(chain.step), 1e-3),
                              rng=rng.stream(seed, "move", chain.index, chain.step, k))) for k in range(count)]


def decide(chain: Chain, point: Point, value: float | None, std: float, *, scale: float, schedule: Schedule, seed: int
           ) -> tuple[Chain, bool]:
    """Accept or refuse an evaluated proposal (Metropolis), and adapt the step width.

    A noisy difference is accepted with ``exp(-b d - b^2 s^2 / 2)``, which keeps detailed balance for
    Gaussian noise of known standard deviation s (Ceperley and Dewing 1999, 10.1063/1.478034).
    A failed evaluation (None, NaN, infinite) is never accepted.

    Parameters
    ----------
    chain : where it stands.
    point, value, std : the proposal, its cost and its standard error.
    scale : spread of the initial costs, the unit of temperature.
    schedule, seed : of the search.
    """
    failed = value is None or not math.isfinite(value)
    if failed:
        accepted = False
    elif not math.isfinite(chain.value):
        accepted = True
    else:
        beta = 1.0 / (schedule.temperature(chain.step) * scale)
        difference = float(value) - chain.value  # type: ignore[arg-type]
        noise = beta**2 * (std**2 + chain.std**2) / 2
        chance = rng.stream(seed, "accept", chain.index, chain.step).random()
        accepted = bool(math.log(max(chance, 1e-300)) < -beta * difference - noise)
    # Robbins-Monro on the logarithm: too many acceptances widen the steps, too few narrow them
    gain = 1.0 / math.sqrt(chain.step + 4.0)
    width = chain.width * math.exp(gain * ((1.0 if accepted else 0.0) - TARGET_ACCEPTANCE))
    width = float(np.clip(width, schedule.narrow, schedule.wide))
    moved = replace(chain, step=chain.step + 1, width=width, accepted=chain.accepted + accepted)
    if accepted:
        moved = replace(moved, point=point, value=float(value), std=std)  # type: ignore[arg-type]
    return moved, accepted


def exchange(chains: Sequence[Chain], best: tuple[Point, float, float], schedule: Schedule) -> list[Chain]:
    """Restart the worst chain from the best point known (point, value, standard error), with half-wide steps."""
    worst = max(chains, key=lambda chain: (chain.value, chain.index))
    point, value, std = best
    if len(chains) < 2 or not value < worst.value:
        return list(chains)
    moved = replace(worst, point=point, value=value, std=std, width=max(schedule.wide / 2, schedule.narrow))
    return [moved if chain.index == worst.index else chain for chain in chains]
