"""A searcher of Ray Tune whose proposals do not depend on the order in which trials end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher


class Rounds(Searcher):
    """Another searcher, asked for rounds of trials, and told of a round when all of it is there, in its order.

    So what is proposed does not depend on which trial ends first.
    """

    def __init__(self, inner: Searcher, score: str, width: int, total: int) -> None:
        super().__init__(metric=inner.metric, mode=inner.mode)
        self._inner, self._score, self._width, self._left = inner, score, width, total
        self._asked = 0
        self._round: dict[str, tuple[dict[str, Any] | None, bool] | None] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Nothing to take over: the other searcher has its space."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next of the round; None while it is complete and waits for results."""
        if self._left == 0:
            return str(Searcher.FINISHED)
        if len(self._round) == self._width:
            return None
        found = self._inner.suggest(trial_id)
        self._round[trial_id], number = None, self._asked
        self._asked, self._left = self._asked + 1, self._left - 1
        return {**found, "trial": number}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: a trial counts when it is complete."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Keep a result until its round is complete."""
        if trial_id not in self._round:
            return
        finite = result is not None and math.isfinite(result.get(self._score, math.nan))
        self._round[trial_id] = (result if finite else None, error or not finite)
        if all(self._round.values()) and (len(self._round) == self._width or self._left == 0):
            for one, outcome in self._round.items():
                assert outcome is not None
                self._inner.on_trial_complete(one, result=outcome[0], error=outcome[1])
            self._round = {}

    def save(self, checkpoint_path: str) -> None:
        """An empty file: a search that is run again asks its table of trials."""
        Path(checkpoint_path).write_bytes(b"")

    def restore(self, checkpoint_path: str) -> None:
        """Not from there."""
        raise NotImplementedError("run the search again: trials in its table are not run twice")
