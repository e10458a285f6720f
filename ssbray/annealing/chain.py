"""One annealing chain: its state, its proposals, its decisions. Pure functions, nothing kept between calls.

Randomness is keyed by (seed, chain, step), so what a chain does next depends on its own history
and on what it is shown at fixed steps, never on which of several chains finished first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ssbray import rng
from ssbray.annealing.archive import Archive, scale
from ssbray.annealing.moves import move, reflect
from ssbray.annealing.space import Point, Space
from ssbray.errors import InputError

__all__ = ["Chain", "Schedule", "decide", "exchange", "propose", "scale", "start"]
TARGET_ACCEPTANCE = 0.25
TRIES = 8  #: draws until a candidate differs from where the chain stands
RULES = ("adaptive", "literal")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a chain cools over its `steps`. Temperatures are in units of the spread of the costs.

    The rule "literal" is ``x + T * gauss`` word for word: every parameter moves, whatever comes of it
    is kept, nobody learns from anybody. It loses to random search, and is here to show that.
    """

    steps: int  #: proposals of one chain from hot to cold
    hot: float = 0.5  #: first acceptance temperature
    cold: float = 0.005
    wide: float = 0.2  #: first standard deviation of Gaussian steps, in the unit cube
    narrow: float = 0.005  #: smallest one
    rule: Literal["adaptive", "literal"] = "adaptive"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError("schedule", self.rule, f"must be one of {', '.join(RULES)}")

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
    violation: float = 0.0  #: of the constraints; zero where all are kept
    width: float = 0.2
    accepted: int = 0
    memory: Point = field(default_factory=dict)  #: last values of parameters that do not exist at `point`


def start(index: int, point: Point, value: float, schedule: Schedule, std: float = 0.0, violation: float = 0.0
          ) -> Chain:
    """Put a chain on an evaluated point."""
    return Chain(index=index, step=0, point=point, value=value, std=std, violation=violation, width=schedule.wide)


def propose(space: Space, chain: Chain, schedule: Schedule, seed: int, count: int = 1, archive: Archive | None = None
            ) -> list[Point]:
    """Draw candidates for a chain's next step; the first is the same whatever their number.

    Parameters
    ----------
    space, chain, schedule, seed : of the search.
    count : candidates to draw.
    archive : evaluated points to learn from; without, moves are Gaussian and Ingber's only.
    """
    u = space.encode(chain.point, chain.memory)
    temperature = max(schedule.temperature(chain.step), 1e-3)

    def draw(generator: np.random.Generator) -> Point:
        if schedule.rule == "literal":
            return space.decode(reflect(np.where(np.isnan(u), 0.5, u) + temperature * generator.normal(size=len(u))))
        for _ in range(TRIES):  # a difference may be of two points alike, or of parameters that do not exist here
            point = space.decode(move(space, u, width=chain.width, temperature=temperature, rng=generator,
                                      archive=archive if archive and archive.records else None))
            if point != chain.point:
                break
        return point

    return [draw(rng.stream(seed, "move", chain.index, chain.step, k)) for k in range(count)]


def decide(chain: Chain, point: Point, value: float | None, std: float, *, scale: float, schedule: Schedule, seed: int,
           violation: float = 0.0) -> tuple[Chain, bool]:
    """Accept or refuse an evaluated proposal (Metropolis), and adapt the step width.

    A noisy difference is accepted with ``exp(-b d - b^2 s^2 / 2)``, which keeps detailed balance for
    Gaussian noise of known standard deviation s (Ceperley and Dewing 1999, 10.1063/1.478034).
    Feasible beats infeasible whatever the costs; between two infeasible points the relative growth
    of the violation stands for the difference. A failed evaluation (None, NaN, infinite) is never accepted.

    Parameters
    ----------
    chain : where it stands.
    point, value, std : the proposal, its cost and its standard error.
    scale : spread of the costs, the unit of temperature.
    schedule, seed : of the search.
    violation : how far the proposal breaks the constraints; zero or less: not at all.
    """
    temperature = schedule.temperature(chain.step)
    cost = math.inf if value is None or not math.isfinite(value) else float(value)
    if violation > 0 and chain.violation > 0:
        exponent = -(violation / chain.violation - 1) / temperature
    elif violation > 0:
        exponent = math.inf if not math.isfinite(chain.value) else -math.inf
    elif not math.isfinite(cost):
        exponent = -math.inf
    elif chain.violation > 0 or not math.isfinite(chain.value):
        exponent = math.inf
    else:
        beta = 1.0 / (temperature * scale)
        exponent = -beta * (cost - chain.value) - beta**2 * (std**2 + chain.std**2) / 2
    chance = rng.stream(seed, "accept", chain.index, chain.step).random()
    accepted = math.log(max(chance, 1e-300)) < exponent or (schedule.rule == "literal" and math.isfinite(cost))
    # Robbins-Monro on the logarithm: too many acceptances widen the steps, too few narrow them
    gain = 1.0 / math.sqrt(chain.step + 4.0)
    width = chain.width * math.exp(gain * ((1.0 if accepted else 0.0) - TARGET_ACCEPTANCE))
    moved = replace(chain, step=chain.step + 1, width=min(max(width, schedule.narrow), schedule.wide),
                    accepted=chain.accepted + accepted)
    return (_put(moved, point, cost, std, violation) if accepted else moved), accepted


def exchange(chains: Sequence[Chain], best: tuple[Point, float, float], schedule: Schedule) -> list[Chain]:
    """Restart the worst chain from the best point known (point, value, standard error), with half-wide steps."""
    worst = max(chains, key=lambda chain: (chain.violation, chain.value, chain.index))
    point, value, std = best
    if len(chains) < 2 or schedule.rule == "literal" or not (0.0, value) < (worst.violation, worst.value):
        return list(chains)
    moved = replace(_put(worst, point, value, std, 0.0), width=max(schedule.wide / 2, schedule.narrow))
    return [moved if chain.index == worst.index else chain for chain in chains]


def _put(chain: Chain, point: Point, value: float, std: float, violation: float) -> Chain:
    """A chain on another point; parameters that do not exist there keep their values in its memory."""
    return replace(chain, point=point, value=value, std=std, violation=max(violation, 0.0),
                   memory={**chain.memory, **chain.point, **point})
