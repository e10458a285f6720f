"""What a study asks of the machines it runs on; everything else in the package is plain functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ssbray.campaign.desk import Desk
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task
from ssbray.campaign.workers import Workers
from ssbray.domain import FeatureGraph, FloatArray
from ssbray.segmentation.fit import Training
from ssbray.segmentation.train import Inputs, Member

Shares = tuple[FloatArray, FloatArray]
Evaluate = Callable[[Task], Outcome]


class Known:
    """Solves of a ledger: graphs, conductivities [S/m], shares of the loss, and the group of each."""

    def __init__(self, store: Path, keys: Sequence[str], groups: Sequence[str]) -> None:
        with Ledger(store, write=False) as ledger:
            outcomes = [ledger.get(key) for key in keys]
        kept = [(outcome, outcome.graph, group) for outcome, group in zip(outcomes, groups, strict=True)
                if outcome is not None and outcome.graph is not None]
        self.keys = [outcome.key for outcome, _, _ in kept]
        self.groups = [group for _, _, group in kept]
        self.graphs: list[FeatureGraph] = [graph for _, graph, _ in kept]
        self.sigma: FloatArray = np.array([100.0 * outcome.values["sigma_eff_S_per_cm"] for outcome, _, _ in kept])
        self.losses: list[Shares] = [(np.array(outcome.values["loss"]["nodes"]), np.array(
            outcome.values["loss"]["edges"])) for outcome, _, _ in kept]


class Tools(Protocol):
    """Where the work is done."""

    def each(self, function: Callable[[Any], Any], items: Sequence[Any], what: str) -> list[Any]:
        """Call a function with each item, side by side where there is room; answers in the order of the items."""

    def solve(self, store: Path, tasks: Sequence[Task], what: str, evaluate: Evaluate | None = None) -> list[Outcome]:
        """Outcomes of tasks, in their order, from the ledger in `store` or computed and kept there."""

    def members(self, count: int, place: str, stems: Sequence[str], found: Inputs, seed: int, training: Training
                ) -> list[Member]:
        """Train the nets of an ensemble."""

    def tune(self, known: Known, config: dict[str, Any], trials: int, seed: int, out: Path) -> dict[str, Any]:
        """Search hyper-parameters of the surrogate: the best `config`, and the table of `trials`."""

    def campaign(self, spec: Spec, home: Path) -> dict[str, Any]:
        """Run a campaign, or go on with it; returns its summary."""


def answers(store: Path, workers: Workers, tasks: Sequence[Task],
            on_outcome: Callable[[Outcome, bool], None] | None = None) -> list[Outcome]:
    """Solve on a pool what a ledger does not hold yet; outcomes in the order of the tasks, failures included."""
    with Ledger(store) as ledger:
        return Desk(ledger, workers, on_outcome).outcomes(tasks)
