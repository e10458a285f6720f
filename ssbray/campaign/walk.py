"""What one chain does, as a generator that asks and is answered: it knows neither Ray nor a solver.

Whoever drives it (in one process, or a Tune trial far away) passes its requests on and sends the
answers in; so a walk is the same wherever it runs.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from ssbray import annealing, rng
from ssbray.annealing import Archive, Chain, Point, Record, Schedule, Space
from ssbray.campaign.objective import Evaluation


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """What every chain knows from the beginning."""

    space: Space
    schedule: Schedule
    seed: int
    rounds: int
    steps: int  #: per round
    proposals: int
    unscreened: float
    optimism: float


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One decided step."""

    chain: int
    step: int
    parameters: Point
    value: float | None  #: cost; None if it failed
    spread: float
    accepted: bool
    temperature: float
    width: float
    predicted: tuple[float, float] | None  #: surrogate's mean and std of the cost, before it was known
    failure: str | None
    keys: tuple[str, ...]
    violation: float = 0.0  #: of the constraints


@dataclass(frozen=True, kw_only=True)
class Screen:
    """Answer: (mean, std, violation) of each point's cost by the surrogate; infinite where no current is expected."""

    chain: int
    step: int
    points: list[Point]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Answer: the Evaluation of the point."""

    chain: int
    step: int
    point: Point


@dataclass(frozen=True, kw_only=True)
class Meet:
    """Answer: Directions, once all chains have come to the same meeting."""

    chain: Chain | None  #: None at the first meeting, before the chain has a place
    index: int
    round: int
    records: tuple[StepRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Where to go on from, and how, until the next meeting."""

    chain: Chain
    known: tuple[Record, ...]  #: every design evaluated before this meeting, in an order that does not depend on time
    screening: bool


Request = Screen | Evaluate | Meet
Walk = Generator[Request, Any, None]


def walk(index: int, plan: Plan) -> Walk:
    """Anneal one chain from its first meeting to its last."""
    directions: Directions = yield Meet(chain=None, index=index, round=0, records=())
    for number in range(plan.rounds):
        chain, seen = directions.chain, list(directions.known)
        records: list[StepRecord] = []
        for _ in range(plan.steps):
            archive = Archive.of(plan.space, seen)
            points = annealing.propose(plan.space, chain, plan.schedule, plan.seed, plan.proposals, archive)
            chosen, predicted = points[0], None
            free = rng.stream(plan.seed, "unscreened", index, chain.step).random() < plan.unscreened
            if directions.screening:
                scores: list[tuple[float, float, float]] = yield Screen(
                    chain=index, step=chain.step, points=points[:1] if free else points)
                ranks = [(violation, mean - plan.optimism * std) for mean, std, violation in scores]
                pick = ranks.index(min(ranks))
                chosen = points[pick]
                predicted = scores[pick][:2] if math.isfinite(scores[pick][0]) else None
            result: Evaluation = yield Evaluate(chain=index, step=chain.step, point=chosen)
            before = chain
            # the same seeds for every design: the difference of two costs carries no specimen noise
            chain, accepted = annealing.decide(chain, chosen, result.value, 0.0, scale=archive.unit,
                                               schedule=plan.schedule, seed=plan.seed, violation=result.violation)
            seen.append(Record.of(plan.space, chosen, result.value, violation=result.violation))
            records.append(StepRecord(
                chain=index, step=before.step, parameters=chosen, value=result.value, spread=result.spread,
                accepted=accepted, temperature=plan.schedule.temperature(before.step), width=before.width,
                predicted=predicted, failure=result.failure, keys=result.keys, violation=result.violation))
        directions = yield Meet(chain=chain, index=index, round=number + 1, records=tuple(records))
