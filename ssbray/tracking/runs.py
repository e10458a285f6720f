"""Records of the spool as MLflow runs. Saying a thing twice leaves one run, one step, one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssbray.tracking.contest import Scores
from ssbray.tracking.registry import SURROGATE, digest, promote, register
from ssbray.tracking.store import experiment_of, prepare, store_uri

BATCH = 1000  #: metrics that MLflow takes at once


class Runs:
    """The runs of one campaign: its own, and one per chain.

    They are found by campaign name and spec, and what they hold already is not logged again.
    """

    def __init__(self, uri: str | None, home: Path, directory: Path) -> None:
        self._uri, self._home, self._directory = uri, home, directory
        self._client: Any = None
        self._children: dict[int, str] = {}
        self._known: dict[tuple[str, str], dict[int, float]] = {}
        self.run_id: str | None = None

    def forget(self) -> None:
        """Begin anew with the server after a failure: what it took before failing is asked for again."""
        self._client = None
        self._known = {}

    def deliver(self, record: Mapping[str, Any], opening: Mapping[str, Any]) -> None:
        """Say one record; `opening` is the record that opens the runs."""
        if self._client is None:
            self._open(opening)
        say: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "open": lambda record: None, "phase": self._phase, "card": self._card, "steps": self._steps,
            "end": self._end}
        say[record["kind"]](record)

    def _open(self, record: Mapping[str, Any]) -> None:
        prepare()
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._home.mkdir(parents=True, exist_ok=True)
        uri = store_uri(self._uri, self._home)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = experiment_of(client, uri, record["experiment"], record.get("artifacts"), self._home)
        name, who = record["name"], {"ssbray.campaign": record["name"], "ssbray.spec_sha256": record["spec_sha256"]}
        self.run_id = _find(client, experiment, {**who, "ssbray.role": "campaign"}, record["tags"], name, None)
        self._children = {chain: _find(client, experiment, {**who, "ssbray.role": "chain", "ssbray.chain": str(chain)},
                                       record["tags"], f"{name} chain {chain}", self.run_id)
                          for chain in range(record["chains"])}
        params = [Param(key, str(value)) for key, value in record["params"].items()]
        for run in (self.run_id, *self._children.values()):
            client.log_batch(run, params=params)
        self._client = client

    def _phase(self, record: Mapping[str, Any]) -> None:
        self._client.set_tag(self.run_id, "ssbray.phase", record["phase"])

    def _card(self, record: Mapping[str, Any]) -> None:
        self._log(self.run_id, [(record["round"], record["metrics"])], record["time"])

    def _steps(self, record: Mapping[str, Any]) -> None:
        run = self._children[record["chain"]]
        known = self._history(run, "temperature")  # every step has one, and a step is logged whole
        new = [(step["step"], step["metrics"]) for step in record["steps"] if step["step"] not in known]
        self._send(run, new, record["time"])
        known.update({number: metrics["temperature"] for number, metrics in new})

    def _end(self, record: Mapping[str, Any]) -> None:
        self._log(self.run_id, [(0, record["metrics"])], record["time"])
        for chain, metrics in record["best_of_chains"].items():
            self._log(self._children[int(chain)], [(0, metrics)], record["time"])
        for run, names in [(self.run_id, record.get("names", {})), *(
                (self._children[int(chain)], each) for chain, each in record.get("names_of_chains", {}).items())]:
            self._name(run, names)
        for name, value in record["tags"].items():
            self._client.set_tag(self.run_id, name, value)
        for name in record["files"]:
            path = self._directory / name
            if path.exists():
                folder = path.relative_to(self._directory).parent
                self._client.log_artifact(self.run_id, str(path), None if folder == Path() else str(folder))
        for run in [*self._children.values(), self.run_id]:
            self._client.set_terminated(run, status=record["status"])
        if record.get("model") is not None:  # last: a store without a registry still has its runs closed
            self._register(record["model"])

    def _register(self, model: Mapping[str, Any]) -> None:
        """Register the campaign's surrogate and let it try for champion, unless another run has replaced it since."""
        bundle = self._directory / "model"
        if not bundle.is_dir() or digest(bundle) != model["sha256"]:
            return
        uri = store_uri(self._uri, self._home)
        version = register(uri, SURROGATE, bundle, Scores(**model["scores"]), run_id=self.run_id)
        decision = promote(uri, SURROGATE, version.version)
        self._client.set_tag(self.run_id, "ssbray.model", f"models:/{SURROGATE}/{version.version}")
        self._client.set_tag(self.run_id, "ssbray.champion", "yes" if decision.promoted else f"no: {decision.reason}")

    def _name(self, run: str | None, names: Mapping[str, str]) -> None:
        """Log choices as parameters, so that charts have axes for them.

        MLflow never changes a parameter: where a later end of the same campaign chose otherwise, the tag of that name
        has the newer choice.
        """
        from mlflow.entities import Param

        known = self._client.get_run(run).data.params
        self._client.log_batch(run, params=[Param(name, value) for name, value in names.items() if name not in known])

    def _log(self, run: str | None, rows: Sequence[tuple[int, Mapping[str, float]]], time_ms: int) -> None:
        """Log values that the run does not have at that step."""
        assert run is not None
        new = [(step, {name: value for name, value in metrics.items()
                       if self._history(run, name).get(step) != value}) for step, metrics in rows]
        self._send(run, new, time_ms)
        for step, metrics in new:
            for name, value in metrics.items():
                self._history(run, name)[step] = value

    def _send(self, run: str, rows: Sequence[tuple[int, Mapping[str, float]]], time_ms: int) -> None:
        """Log in batches that hold whole steps."""
        from mlflow.entities import Metric

        batch: list[Any] = []
        for step, metrics in rows:
            if len(batch) + len(metrics) > BATCH:
                self._client.log_batch(run, metrics=batch)
                batch = []
            batch += [Metric(name, value, time_ms, step) for name, value in metrics.items()]
        if batch:
            self._client.log_batch(run, metrics=batch)

    def _history(self, run: str, name: str) -> dict[int, float]:
        """What a run has of a metric, by step; asked for once."""
        if (run, name) not in self._known:
            self._known[run, name] = {point.step: point.value for point in sorted(
                self._client.get_metric_history(run, name), key=lambda point: point.timestamp)}
        return self._known[run, name]


def _find(client: Any, experiment: str, who: Mapping[str, str], tags: Mapping[str, str], name: str,
          parent: str | None) -> str:
    """The run with those tags; made if there is none."""
    clause = " and ".join(f"tags.`{key}` = '{value}'" for key, value in who.items())
    runs = client.search_runs([experiment], filter_string=clause, max_results=1, order_by=["attributes.start_time"])
    if runs:
        client.update_run(runs[0].info.run_id, status="RUNNING")
        return str(runs[0].info.run_id)
    parentage = {"mlflow.parentRunId": parent} if parent else {}
    return str(client.create_run(experiment, run_name=name, tags={**who, **tags, **parentage}).info.run_id)
