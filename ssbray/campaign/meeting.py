"""Where chains meet: records are kept, the surrogate learns, and the worst chain goes on from the best point."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scipy.stats import spearmanr

from ssbray import annealing, rng
from ssbray.annealing import Chain, Point, Record
from ssbray.campaign import objective
from ssbray.campaign.desk import Desk
from ssbray.campaign.judge import Judge
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.listeners import Listener
from ssbray.campaign.objective import Evaluation
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome
from ssbray.campaign.walk import Directions, Evaluate, Meet, Plan, Request, Screen, StepRecord
from ssbray.campaign.workers import Learner

FEWEST_TO_LEARN = 8  #: conducting specimens; with fewer the chains walk unscreened
TRUSTED_RANK = 0.3  #: rank correlation below which the surrogate no longer screens
WATCHED_STEPS = 20  #: over that many last predictions, from half as many on


class Counter:
    """Answers the chains' requests: screening and evaluation through the desk, meetings here."""

    def __init__(self, spec: Spec, plan: Plan, desk: Desk, learner: Learner, ledger: Ledger, listener: Listener,
                 judge: Judge, initial: Sequence[tuple[Point, Evaluation]]) -> None:
        self.spec, self.plan, self.desk, self.learner, self.judge = spec, plan, desk, learner, judge
        self.ledger, self.listener = ledger, listener
        self.evaluated: list[tuple[Point, Evaluation]] = list(initial)
        self.records: list[StepRecord] = []
        self.cards: list[dict[str, Any]] = []
        self.learnt: list[str] = []  #: keys of the solves that the last model was trained on
        self.screened = 0  #: proposals ranked by the surrogate and not solved
        self.training_s = 0.0
        self._arrived: dict[int, Meet] = {}
        self._answers: list[tuple[int, Any]] = []

    def accept(self, index: int, request: Request) -> None:
        """Take a request of a chain; each chain has one open at a time."""
        if isinstance(request, Evaluate):
            if (refused := self.judge.refused(request.point)) is not None:
                self._answers.append((index, refused))
            else:
                self.desk.accept(index, objective.tasks(self.spec, request.point), self.judge.evaluation)
        elif isinstance(request, Screen):
            broken = [objective.violation(self.spec, point) for point in request.points]
            graphs = [objective.tasks(self.spec, point, count=1, kind="graph")[0]
                      for point, violation in zip(request.points, broken, strict=True) if violation == 0]
            self.screened += len(request.points) - 1
            self.desk.accept(index, graphs, lambda outcomes: self._scores(broken, outcomes))
        else:
            self._arrived[index] = request
            if len(self._arrived) == self.spec.annealing.chains:
                self._meet()

    @property
    def busy(self) -> bool:
        """Whether `pump` has something to wait for."""
        return self.desk.busy

    def pump(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Answers that are ready, as (chain, answer)."""
        answers, self._answers = self._answers, []
        return answers + self.desk.pump(0.0 if answers else timeout_s)

    def _scores(self, broken: Sequence[float], outcomes: Sequence[Outcome]) -> list[tuple[float, float, float]]:
        """Costs in the order of the points; infinite where no current is expected, or no graph was asked for or came.

        `broken` is each point's violation of the constraints, `outcomes` are the graphs of those that have none.
        """
        graphs = iter(outcomes)
        shown = [next(graphs).graph if violation == 0 else None for violation in broken]
        scores = [(math.inf, 0.0, violation) for violation in broken]
        known = [k for k, graph in enumerate(shown) if graph is not None]
        if known:
            mean, std = self.learner.predict([graph for graph in shown if graph is not None])
            for k, m, s in zip(known, mean - math.log(100.0), std, strict=True):
                if math.isfinite(m):
                    scores[k] = (objective.cost(self.spec, float(m)), float(s), 0.0)
        return scores

    def _meet(self) -> None:
        arrived = [self._arrived[index] for index in sorted(self._arrived)]
        self._arrived = {}
        number = arrived[0].round
        records = [record for meet in arrived for record in meet.records]
        for record in records:
            self.ledger.record("step", f"{record.chain}-{record.step}", asdict(record))
            self.evaluated.append((record.parameters, Evaluation(
                value=record.value, spread=record.spread, failure=record.failure, keys=record.keys,
                violation=record.violation)))
        self.records += records
        if number > 0:
            self.listener.met(number, records)
        if number < self.plan.rounds:
            self._train(number)
        chains = [meet.chain for meet in arrived if meet.chain is not None] or self._places()
        point, result = min(self.evaluated, key=lambda pair: _rank(pair[1]))
        if number > 0 and result.value is not None:
            chains = annealing.exchange(chains, (point, result.value, 0.0), self.plan.schedule)
        known = tuple(Record.of(self.plan.space, point, result.value, violation=result.violation)
                      for point, result in self.evaluated)
        self._answers += [(chain.index, Directions(chain=chain, known=known, screening=self._trusted()))
                          for chain in chains]

    def _train(self, number: int) -> None:
        started = time.perf_counter()
        data = [(self.desk.tasks[key], outcome) for key, outcome in sorted(self.desk.solves.items())
                if outcome.ok and outcome.graph is not None and outcome.values["percolates"]]
        if len(data) < FEWEST_TO_LEARN:
            return
        card = self.learner.train(
            [outcome.graph for _, outcome in data if outcome.graph is not None],
            [100.0 * outcome.values["sigma_eff_S_per_cm"] for _, outcome in data],
            [str(sorted(task.parameters.items())) for task, _ in data],
            rng.subseed(self.spec.seed, "surrogate", number))
        self.learnt = [outcome.key for _, outcome in data]
        self.training_s += time.perf_counter() - started
        self.cards.append(card)
        self.ledger.record("model", str(number), {"round": number, "card": card})
        self.listener.trained(number, card)

    def _places(self) -> list[Chain]:
        """Each chain starts from one of the best points of the initial design."""
        ranked = sorted(self.evaluated, key=lambda pair: _rank(pair[1]))
        return [annealing.start(index, point, math.inf if result.value is None else result.value, self.plan.schedule,
                                violation=result.violation)
                for index in range(self.spec.annealing.chains)
                for point, result in [ranked[index % len(ranked)]]]

    def _trusted(self) -> bool:
        """Whether the predictions of the last steps ranked the designs as the solves did."""
        if not self.cards or self.plan.schedule.rule == "literal":
            return False
        seen = [(record.predicted[0], record.value) for record in self.records
                if record.predicted is not None and record.value is not None][-WATCHED_STEPS:]
        if len(seen) < WATCHED_STEPS // 2:
            return True
        told, true = zip(*seen, strict=True)
        varied = len(set(told)) > 1 and len(set(true)) > 1  # all equal is no ground for trust either
        rank = float(spearmanr(told, true).statistic) if varied else math.nan
        trusted = rank >= TRUSTED_RANK
        if not trusted:
            self.ledger.record("screening suspended", str(len(self.records)), {
                "steps": len(self.records), "rank_correlation": rank if math.isfinite(rank) else None})
        return trusted


def _rank(result: Evaluation) -> tuple[float, float]:
    """What keeps the constraints and has a value first, by value; then what breaks them, the less the earlier."""
    if result.value is not None:
        return 0.0, result.value
    return (result.violation, 0.0) if result.violation > 0 else (math.inf, 0.0)
