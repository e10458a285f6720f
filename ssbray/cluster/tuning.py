"""Bayesian optimisation of the surrogate's training options: Ray Tune runs the trials, Optuna proposes them."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.logger import JsonLoggerCallback
from ray.tune.search import Searcher

from ssbray.cluster.rounds import Rounds
from ssbray.cluster.session import cluster_cpus, cluster_gpus
from ssbray.errors import InputError
from ssbray.surrogate import TrainingConfig
from ssbray.surrogate.search import Examples, Range, Setting, digest, first_point, score

METRIC = "nll"
Row = dict[str, Any]  #: trial, settings, nll, crps, mape_percent, coverage90, seconds, failure


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a search may cost."""

    trials: int
    workers: int | None = None  #: trials side by side; one per CPU when not given
    minutes: float | None = None  #: after which no trial is begun or goes on
    trial_s: float = 3600.0  #: after which a trial has failed
    idle_s: float = 300.0  #: without a running trial, after which the cluster has no room for any


class Trial(tune.Trainable):
    """One setting, trained and scored in one step; the actor then takes the next."""

    def setup(self, config: dict[str, Any], shared: dict[str, Any] | None = None) -> None:
        """Keep what all trials share."""
        assert shared is not None
        self._shared = shared
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another setting."""
        self._settings = {name: value for name, value in new_config.items() if name != "trial"}
        return True

    def step(self) -> dict[str, Any]:
        """Score, or recall; what goes wrong with a setting is its result."""
        shared = self._shared
        if (known := shared["known"].get(digest(self._settings))) is not None:
            return {**known, "recalled": True, "done": True}
        end = time.monotonic() + shared["trial_s"]

        def alive(done: int, total: int) -> None:
            if time.monotonic() > end:
                raise TimeoutError(f"no score within {shared['trial_s']:g} s")
            if time.time() > shared["until"]:
                raise TimeoutError("the time of the search was up")

        try:
            found = score(shared["examples"], shared["config"], self._settings, seed=shared["seed"],
                          device=shared["device"], progress=alive)
        except (ArithmeticError, TimeoutError, ValueError) as error:
            found = {METRIC: math.nan, "failure": f"{type(error).__name__}: {error}".splitlines()[0]}
        return {"failure": None, **found, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: a trial that is lost starts again."""
        return {}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to load."""


@dataclass(eq=False)
class Table(tune.Callback):
    """Collects the rows, tells of each, and ends a search that finds no room."""

    names: Sequence[str] = ()
    idle_s: float = 300.0
    tell: Callable[[Row], None] | None = None
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._moved = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps a copy of everything on disk, which nobody reads."""
        return {}

    def on_step_end(self, iteration: int, trials: Sequence[Any], **info: Any) -> None:
        """Look whether anything runs."""
        if any(trial.status == "RUNNING" for trial in trials):
            self._moved = time.monotonic()
        elif time.monotonic() - self._moved > self.idle_s:
            raise NoRoom(f"no trial could be started for {self.idle_s:g} s")

    def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """A row for a trial that has come to its end."""
        self._add(trial, trial.last_result or {})

    def on_trial_error(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """A row for a trial that was lost with its process, again and again."""
        self._add(trial, {"failure": (str(trial.get_pickled_error() or "lost").splitlines() or ["lost"])[-1][:300]})

    def _add(self, trial: Any, result: Mapping[str, Any]) -> None:
        self._moved = time.monotonic()
        nll = result.get(METRIC, math.nan)
        good = math.isfinite(nll)
        row = {"trial": trial.config["trial"], "settings": {name: trial.config[name] for name in self.names},
               **{name: result[name] if good else None
                  for name in (METRIC, "crps", "mape_percent", "coverage90", "seconds")},
               "failure": None if good else result.get("failure") or "the time of the search was up"}
        self.rows.append(row)
        if self.tell is not None:
            self.tell({**row, "recalled": bool(result.get("recalled"))})


class NoRoom(RuntimeError):
    """The cluster does not start a trial."""


def search(examples: Examples, config: TrainingConfig, space: Mapping[str, Range], effort: Effort, *, seed: int,
           device: str = "cpu", known: Sequence[Row] = (), tell: Callable[[Row], None] | None = None) -> list[Row]:
    """Try settings, the present one first, and score each on the validation groups.

    A setting's score depends on nothing but data, options and seed. Which settings are proposed depends on how
    many run side by side as well, and with `minutes` on the speed of the machines. Each trial has one CPU, and on
    CUDA an equal share of the cluster's GPUs; Ray limits its BLAS to that CPU, and training runs on one thread.

    Parameters
    ----------
    config : options that all trials share.
    known : rows of an earlier search of the same: their settings are not trained again.
    tell : called with each row as it comes, and `recalled` in it.

    Returns
    -------
    rows by trial. At least one has a score.

    Raises
    ------
    InputError
        when the cluster has no CPU, or no GPU though `device` is "cuda", or starts no trial, or all trials failed.
    """
    from optuna import logging

    gpus = cluster_gpus() if device == "cuda" else 0.0
    if device == "cuda" and not gpus:
        raise InputError("--device", device, "the cluster has no GPU: use cpu")
    room = cluster_cpus()
    if room < 1:
        raise InputError("--workers", effort.workers, "the cluster has no CPU for a trial: start one that has")
    width = max(1, min(effort.workers or room, room, effort.trials))
    until = math.inf if effort.minutes is None else time.time() + 60 * effort.minutes
    shared = {"examples": examples, "config": config, "seed": seed, "device": device, "until": until,
              "trial_s": effort.trial_s, "known": {digest(row["settings"]): _result(row) for row in known
                                                   if row["nll"] is not None}}
    logging.set_verbosity(logging.ERROR)
    place = Path(tempfile.mkdtemp(prefix="ssbray-tune-"))  # readable by nobody else
    table = Table(names=tuple(space), idle_s=effort.idle_s, tell=tell)
    try:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(Trial, shared=shared),
                                {"CPU": 1, **({"GPU": min(1.0, gpus / width)} if gpus else {})}),
            tune_config=tune.TuneConfig(metric=METRIC, mode="min", num_samples=effort.trials, reuse_actors=True,
                                        search_alg=Rounds(_optuna(config, space, seed), METRIC, width, effort.trials),
                                        time_budget_s=None if effort.minutes is None else 60 * effort.minutes),
            run_config=tune.RunConfig(name="tuning", storage_path=str(place), verbose=0,
                                      callbacks=[JsonLoggerCallback(), table],
                                      failure_config=tune.FailureConfig(max_failures=1)))
        tuner.fit()
    except NoRoom as error:
        raise InputError("--workers", effort.workers, f"{error}: the cluster has no room for one") from None
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    rows = sorted(table.rows, key=lambda row: row["trial"])
    if not any(row["nll"] is not None for row in rows):
        why = rows[0]["failure"] if rows else "none ended in time"
        raise InputError("--tune", effort.trials, f"no trial gave a score ({why}): allow more time, or other options")
    return rows


def best_of(rows: Sequence[Row]) -> Row:
    """The row of the least NLL, the first of equals."""
    return min((row for row in rows if row["nll"] is not None), key=lambda row: (row["nll"], row["trial"]))


def _result(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("trial", "settings")}


def _optuna(config: TrainingConfig, space: Mapping[str, Range], seed: int) -> Searcher:
    """The proposer: a tree-structured Parzen estimator (Bergstra et al., NIPS 2011), the present options first."""
    from optuna.distributions import FloatDistribution, IntDistribution
    from ray.tune.search.optuna import OptunaSearch

    axes = {name: IntDistribution(int(one.low), int(one.high), log=not one.linear) if one.kind == "int"
            else FloatDistribution(one.low, one.high, log=not one.linear) for name, one in space.items()}
    first: dict[str, Setting] = first_point(config, space)
    return OptunaSearch(axes, metric=METRIC, mode="min", points_to_evaluate=[first], seed=seed % 2**32)
