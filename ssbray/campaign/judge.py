"""Judges designs: constraints first, then the risk over the specimens, then how strange they look."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ssbray.annealing import Point
from ssbray.anomaly import Reference, describe, p_values
from ssbray.campaign import objective
from ssbray.campaign.objective import Evaluation
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome
from ssbray.errors import InputError

FEWEST_KNOWN = 10  #: conducting specimens of the initial plan, below which nothing can be called strange


class Judge:
    """Gives the cost of designs. What counts as known are the specimens of the initial plan, for all chains alike."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._known: Reference | None = None
        self._own: dict[str, float] = {}  # novelty of a known specimen among the others, by key of its solve

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Take the specimens of the initial plan for what is known; only where strangeness has a weight."""
        if self._spec.objective.anomaly_weight == 0:
            return
        known = {outcome.key: describe(outcome.graph) for outcome in outcomes
                 if outcome.ok and outcome.graph is not None and outcome.values["percolates"]}
        if len(known) < FEWEST_KNOWN:
            raise InputError("objective.anomaly_weight", self._spec.objective.anomaly_weight,
                             f"needs {FEWEST_KNOWN} conducting specimens in the initial plan, there are {len(known)}: "
                             "make annealing.initial larger, or the weight 0")
        self._known = Reference.of(list(known.values()))
        self._own = dict(zip(known, self._known.own_novelty.tolist(), strict=True))

    def refused(self, point: Point) -> Evaluation | None:
        """The evaluation of a design that breaks a constraint, and so is not solved; None for others."""
        broken = objective.violation(self._spec, point)
        return Evaluation(value=None, failure="breaks a constraint", violation=broken) if broken > 0 else None

    def evaluation(self, outcomes: Sequence[Outcome]) -> Evaluation:
        """Judge a design by its specimens; one that does not conduct, or was not solved, fails the design."""
        keys = tuple(outcome.key for outcome in outcomes)
        for outcome in outcomes:
            if not outcome.ok:
                return Evaluation(value=None, failure=outcome.failure, keys=keys)
            if not outcome.values["percolates"]:
                return Evaluation(value=None, failure=f"does not percolate: {outcome.values['reason']}", keys=keys)
        costs = [objective.cost(self._spec, math.log(outcome.values["sigma_eff_S_per_cm"])) for outcome in outcomes]
        spread = float(np.std(costs, ddof=1)) if len(costs) > 1 else 0.0
        value = objective.risk(self._spec, costs)
        if self._known is not None:
            value += self._spec.objective.anomaly_weight * self._strangeness(self._known, outcomes)
        return Evaluation(value=value, spread=spread, keys=keys)

    def _strangeness(self, known: Reference, outcomes: Sequence[Outcome]) -> float:
        """Mean -ln of the specimens' conformal p-values."""
        graphs = {outcome.key: outcome.graph for outcome in outcomes if outcome.graph is not None}
        new = [key for key in graphs if key not in self._own]
        found = dict(zip(new, known.novelty([describe(graphs[key]) for key in new]).tolist(), strict=True))
        scores = [self._own[key] if key in self._own else found[key] for key in graphs]
        return float(-np.log(p_values(scores, known.own_novelty)).mean()) if scores else 0.0
