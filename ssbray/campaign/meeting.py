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
                 initial: Sequence[tuple[Point, Evaluation]]) -> None:
        self.spec, self.plan, self.desk, self.learner = spec, plan, desk, learner
        self.ledger, self.listener = ledger, listener
        self.evaluated: list[tuple[Point, Evaluation]] = list(initial)
        self.records: list[StepRecord] = []
        self.cards: list[dict[str, Any]] = []
        self.screened = 0  #: proposals ranked by the surrogate and not solved
        self.training_s = 0.0
        self._arrived: dict[int, Meet] = {}
        self._answers: list[tuple[int, Any]] = []

    def accept(self, index: int, request: Request) -> None:
        """Take a request of a chain; each chain has one open at a time."""
        if isinstance(request, Evaluate):
            self.desk.accept(index, objective.tasks(self.spec, request.point), lambda outcomes: objective.evaluation(
                self.spec, outcomes))
        elif isinstance(request, Screen):
            graphs = [objective.tasks(self.spec, point, count=1, kind="graph")[0] for point in request.points]
            self.screened += len(request.points) - 1
            self.desk.accept(index, graphs, self._scores)
        else:
            self._arrived[index] = request
            if len(self._arrived) == self.spec.annealing.chains:
                self._meet()

    def pump(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Answers that are ready, as (chain, answer)."""
        answers, self._answers = self._answers, []
        return answers + self.desk.pump(0.0 if answers else timeout_s)

    def _scores(self, outcomes: list[Outcome]) -> list[tuple[float, float]]:
        """Costs in the order of the points; infinite where no current is expected, or no graph came back."""
        known = [k for k, outcome in enumerate(outcomes) if outcome.graph is not None]
        scores = [(math.inf, 0.0)] * len(outcomes)
        if known:
            mean, std = self.learner.predict([graph for outcome in outcomes if (graph := outcome.graph) is not None])
            for k, m, s in zip(known, mean - math.log(100.0), std, strict=True):
                if math.isfinite(m):
                    scores[k] = (objective.cost(self.spec, float(m)), float(s))
        return scores

    def _meet(self) -> None:
        arrived = [self._arrived[index] for index in sorted(self._arrived)]
        self._arrived = {}
        number = arrived[0].round
        records = [record for meet in arrived for record in meet.records]
        for record in records:
            self.ledger.record("step", f"{record.chain}-{record.step}", asdict(record))
            self.evaluated.append((record.parameters, Evaluation(
                value=record.value, spread=record.spread, failure=record.failure, keys=record.keys)))
        self.records += records
        if number > 0:
            self.listener.met(number, records)
        if number < self.plan.rounds:
            self._train(number)
        chains = [meet.chain for meet in arrived if meet.chain is not None] or self._places()
        if number > 0:
            point, result = min(((p, e) for p, e in self.evaluated if e.value is not None),
                                key=lambda pair: pair[1].value if pair[1].value is not None else math.inf)
            chains = annealing.exchange(chains, (point, float(result.value or 0.0), 0.0), self.plan.schedule)
        known = tuple(Record.of(self.plan.space, point, result.value) for point, result in self.evaluated)
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
        self.training_s += time.perf_counter() - started
        self.cards.append(card)
        self.ledger.record("model", str(number), {"round": number, "card": card})
        self.listener.trained(number, card)

    def _places(self) -> list[Chain]:
        """Each chain starts from one of the best points of the initial design."""
        ranked = sorted(self.evaluated, key=lambda pair: math.inf if pair[1].value is None else pair[1].value)
        return [annealing.start(index, point, math.inf if result.value is None else result.value, self.plan.schedule)
                for index in range(self.spec.annealing.chains)
                for point, result in [ranked[index % len(ranked)]]]

    def _trusted(self) -> bool:
        """Whether the predictions of the last steps ranked the designs as the solves did."""
        if not self.cards:
            return False
        seen = [(record.predicted[0], record.value) for record in self.records
                if record.predicted is not None and record.value is not None][-WATCHED_STEPS:]
        if len(seen) < WATCHED_STEPS // 2:
            return True
        rank = float(spearmanr(*zip(*seen, strict=True)).statistic)
        trusted = bool(rank >= TRUSTED_RANK)  # NaN, all equal, is no ground for trust either
        if not trusted:
            self.ledger.record("screening suspended", str(len(self.records)), {
                "steps": len(self.records), "rank_correlation": rank if math.isfinite(rank) else None})
        return trusted
