"""The annealing search as a searcher of Ray Tune, for any experiment of Tune."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ray.tune.result import DEFAULT_METRIC
from ray.tune.search import UNDEFINED_METRIC_MODE, UNDEFINED_SEARCH_SPACE, Searcher
from ray.tune.utils.util import unflatten_dict

from ssbray import files
from ssbray.annealing import AdaptiveSimulatedAnnealing, Candidate
from ssbray.cluster.tune_space import TuneSpace
from ssbray.errors import InputError


class TuneSearcher(Searcher):
    """Adaptive simulated annealing for ``tune.TuneConfig(search_alg=...)``.

    Tune may run as many trials at a time as there are chains; set its `max_concurrent_trials` to that.
    The same results give the same suggestions only where trials end in the same order, or one at a
    time, because Tune hands out trials by order of arrival.

    Parameters
    ----------
    space : Tune's search space; that of the experiment when not given.
    metric, mode : what a trial reports, and "min" or "max"; those of the experiment when not given.
    points_to_evaluate : configurations to try first; they cost no budget.
    seed, chains, schedule : of the search.
    budget : trials from hot to cold, after which no more are suggested; the experiment's `num_samples`
        when not given.
    std, violation : names under which trials report the standard error of the metric, and by how much
        constraints are broken.
    """

    def __init__(self, space: Mapping[str, Any] | None = None, metric: str | None = None, mode: str | None = None, *,
                 points_to_evaluate: Sequence[Mapping[str, Any]] = (), seed: int = 0, chains: int = 4,
                 budget: int | None = None, std: str | None = None, violation: str | None = None,
                 schedule: Literal["adaptive", "literal"] = "adaptive") -> None:
        super().__init__(metric=metric, mode=mode)
        self._metric: str | None = metric
        self._mode: str | None = mode
        self._options = {"seed": seed, "chains": chains, "schedule": schedule}
        self._budget, self._std, self._violation = budget, std, violation
        self._first = [dict(point) for point in points_to_evaluate]
        self._space: TuneSpace | None = None
        self._search: AdaptiveSimulatedAnnealing | None = None
        self._live_trial_mapping: dict[str, Candidate | dict[str, Any]] = {}  # in flight, by Tune's id
        self._ended: set[str] = set()
        if space:
            self._set_up(TuneSpace.of(space), budget or 300)

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and space of the experiment, where they are not known yet."""
        self._metric, self._mode = self._metric or metric, self._mode or mode
        if self._metric is None and self._mode:
            self._metric = DEFAULT_METRIC
        if self._space is not None or not TuneSpace.searched(config):
            return False
        samples = int(spec.get("num_samples") or -1) - len(self._first)
        self._set_up(TuneSpace.of(config), self._budget or (samples if samples > 0 else 300))
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Searched part of a trial's configuration; None while all chains wait, "FINISHED" when the budget is spent."""
        space, search = self._ready()
        if not self._metric or not self._mode:
            raise RuntimeError(UNDEFINED_METRIC_MODE.format(cls=type(self).__name__, metric=self._metric,
                                                            mode=self._mode))
        if trial_id not in self._live_trial_mapping:
            if self._first:
                self._live_trial_mapping[trial_id] = space.point(self._first.pop(0))
            elif (candidate := search.ask()) is not None:
                self._live_trial_mapping[trial_id] = candidate
            else:
                return str(Searcher.FINISHED) if search.remaining == 0 else None
        live = self._live_trial_mapping[trial_id]
        return dict(unflatten_dict(space.config(live.parameters if isinstance(live, Candidate) else live)))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: a trial counts when it is complete."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the search; a trial without a finite metric failed.

        A trial that this searcher does not know (it was restarted under another id, or is newer than
        the restored state) is added as a point evaluated elsewhere if its result says what it was.
        """
        value, std, violation = self._read({} if error or result is None else result)
        live = self._live_trial_mapping.pop(trial_id, None)
        known, self._ended = trial_id in self._ended, self._ended | {trial_id}
        if self._search is None or self._space is None or (live is None and known):
            return
        if isinstance(live, Candidate):
            self._search.tell(live, value, std, violation)
        elif live is not None:
            self._search.add(live, value, std, violation)
        elif value is not None and self._space.fits(config := (result or {}).get("config") or {}):
            self._search.add(self._space.point(config), value, std, violation)

    def add_evaluated_point(self, parameters: dict[str, Any], value: float | None, error: bool = False,
                            pruned: bool = False, intermediate_values: list[float] | None = None) -> None:
        """Make known a configuration that was evaluated elsewhere; one that was pruned has no final value."""
        space, search = self._ready()
        if not pruned:
            metric, _, _ = self._read({} if error or value is None else {self._metric or DEFAULT_METRIC: value})
            search.add(space.point(parameters), metric)

    def save(self, checkpoint_path: str) -> None:
        """Write the state as JSON."""
        live = [[trial, [live.chain, live.step] if isinstance(live, Candidate) else live]
                for trial, live in self._live_trial_mapping.items()]
        state = {"metric": self._metric, "mode": self._mode, "options": self._options, "std": self._std,
                 "violation": self._violation, "first": self._first, "ended": sorted(self._ended), "live": live,
                 "budget": self._budget, "space": self._space and self._space.plain(),
                 "search": self._search and self._search.state_dict()}
        files.write_json(Path(checkpoint_path), state)

    def restore(self, checkpoint_path: str) -> None:
        """Become what was saved, whatever this searcher was."""
        state = json.loads(Path(checkpoint_path).read_text())
        self._metric, self._mode, self._options = state["metric"], state["mode"], state["options"]
        self._std, self._violation, self._budget = state["std"], state["violation"], state["budget"]
        self._first, self._ended, self._live_trial_mapping = state["first"], set(state["ended"]), {}
        self._space = self._search = None
        if state["space"] is None:
            return
        search = self._set_up(TuneSpace.from_plain(state["space"]), state["search"]["budget"])
        search.load_state_dict(state["search"])
        for trial, live in state["live"]:
            candidate = live if isinstance(live, dict) else search.ask(live[0])
            if candidate is None or (isinstance(candidate, Candidate) and candidate.step != live[1]):
                raise InputError("state", trial, "does not follow from this search: another version wrote it")
            self._live_trial_mapping[trial] = candidate

    def _set_up(self, space: TuneSpace, budget: int) -> AdaptiveSimulatedAnnealing:
        self._space = space
        self._search = AdaptiveSimulatedAnnealing(space.dimensions, budget=budget,
                                                  **self._options)  # type: ignore[arg-type]
        return self._search

    def _ready(self) -> tuple[TuneSpace, AdaptiveSimulatedAnnealing]:
        if self._space is None or self._search is None:
            raise RuntimeError(UNDEFINED_SEARCH_SPACE.format(cls=type(self).__name__, space="space"))
        return self._space, self._search

    def _read(self, result: Mapping[str, Any]) -> tuple[float | None, float, float]:
        """Cost, standard error and violation in a result."""
        def number(name: str | None) -> float | None:
            value = result.get(name) if name else None
            return float(value) if value is not None and math.isfinite(float(value)) else None

        metric = number(self._metric)
        value = metric if metric is None or self._mode != "max" else -metric
        return value, abs(number(self._std) or 0.0), number(self._violation) or 0.0
