"""A search over training options in MLflow: a run for the search, a child for each trial."""

from __future__ import annotations

import math
import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssbray.tracking.store import KIND, describe, prepare

PATIENCE_S = 60.0  #: for what is left to be said when the search has ended
EXPERIMENT = "surrogate search"
IDENTITY = "ssbray.search"  #: tag: sha256 of what the search is
TRIAL = "ssbray.trial"
METRICS = ("nll", "crps", "mape_percent", "coverage90", "seconds")
END: dict[str, Any] = {"kind": "end"}


class Silence:
    """Tells nobody."""

    run_id: str | None = None

    def trial(self, row: Mapping[str, Any]) -> None:
        """Nothing."""

    def finished(self, best: Mapping[str, Any], first: Mapping[str, Any], table: Path) -> None:
        """Nothing."""


class SearchTracker:
    """Tells MLflow about a search, from a thread of its own. Never raises, never holds the search up.

    Runs are found by the identity of the search, so one that is run again goes on in the same runs. Whatever MLflow
    does not take is in the table beside the model.

    Parameters
    ----------
    uri : of the tracking server or store.
    artifacts : where a store that is made now keeps files; None where a server decides.
    name : of the run.
    identity : equal for equal searches.
    params : of the search.
    """

    def __init__(self, uri: str, artifacts: Path | None, name: str, identity: str, params: Mapping[str, Any]) -> None:
        self.run_id: str | None = None
        self.error: str | None = None
        self._uri, self._artifacts, self._name, self._identity = uri, artifacts, name, identity
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._children: dict[int, str] = {}
        self._said.put({"kind": "open", "params": dict(params)})
        self._thread = threading.Thread(target=self._work, daemon=True, name="tracking")
        self._thread.start()

    def trial(self, row: Mapping[str, Any]) -> None:
        """A trial has ended."""
        self._said.put({"kind": "trial", "row": dict(row)})

    def finished(self, best: Mapping[str, Any], first: Mapping[str, Any], table: Path) -> None:
        """The search has ended: what it chose, what it began with, and the file with all of it."""
        self._said.put({"kind": "best", "best": dict(best), "first": dict(first), "table": table})

    def close(self, status: str = "FINISHED", patience_s: float = PATIENCE_S) -> None:
        """Give what is left a little time, and say once what MLflow has not heard."""
        self._said.put({**END, "status": status})
        self._thread.join(timeout=patience_s)
        if self.error is None and self._thread.is_alive():
            self.error = f"no answer within {patience_s:g} s"
        if self.error is not None:
            print(f"ssbray: MLflow tracking stopped, the search did not ({self.error})", file=sys.stderr)

    def _work(self) -> None:
        try:
            self._client, experiment = self._connect()
            while (said := self._said.get())["kind"] != "end":
                self._say(said, experiment)
            self._client.set_terminated(self.run_id, status=said["status"])
        except Exception as error:  # whatever state MLflow is in, the search goes on
            self.error = describe(error)

    def _connect(self) -> tuple[Any, str]:
        prepare()
        from mlflow import MlflowClient

        if self._artifacts is not None:
            self._artifacts.parent.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=self._uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        return client, found.experiment_id if found else client.create_experiment(
            EXPERIMENT, artifact_location=None if self._artifacts is None else self._artifacts.resolve().as_uri(),
            tags=KIND)

    def _say(self, said: Mapping[str, Any], experiment: str) -> None:
        if said["kind"] == "open":
            self.run_id = self._find(experiment, None, self._name)
            self._log(self.run_id, said["params"], {})
        elif said["kind"] == "trial":
            row = said["row"]
            run = self._find(experiment, row["trial"], f"{self._name} trial {row['trial']}")
            self._log(run, row["settings"], {name: row[name] for name in METRICS})
            if row["failure"]:
                self._client.set_tag(run, "ssbray.failure", row["failure"])
            self._client.set_terminated(run, status="FAILED" if row["failure"] else "FINISHED")
        else:
            best, first = said["best"], said["first"]
            self._log(self.run_id, {}, {**{f"best.{name}": best[name] for name in METRICS},
                                        **{f"first.{name}": first[name] for name in METRICS}})
            for name, value in {"trial": best["trial"], **best["settings"]}.items():
                self._client.set_tag(self.run_id, f"best.{name}", str(value))
            self._client.log_artifact(self.run_id, str(said["table"]))

    def _find(self, experiment: str, trial: int | None, name: str) -> str:
        """The search's run, or that of a trial; made if there is none."""
        who = {IDENTITY: self._identity, TRIAL: "none" if trial is None else str(trial)}
        clause = " and ".join(f"tags.`{key}` = '{value}'" for key, value in who.items())
        runs = self._client.search_runs([experiment], filter_string=clause, max_results=1)
        if runs:
            self._client.update_run(runs[0].info.run_id, status="RUNNING")
            return str(runs[0].info.run_id)
        parent = {} if trial is None else {"mlflow.parentRunId": self.run_id}
        return str(self._client.create_run(experiment, run_name=name, tags={**who, **parent}).info.run_id)

    def _log(self, run: str | None, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        known = self._client.get_run(run).data.metrics
        self._client.log_batch(run, params=[Param(name, str(value)) for name, value in params.items()], metrics=[
            Metric(name, float(value), now, 0) for name, value in metrics.items()
            if value is not None and math.isfinite(value) and known.get(name) != float(value)])
