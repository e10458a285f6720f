"""Campaigns in MLflow: a run per campaign, a child per chain, steps as metrics, the report as artefacts.

Tracking watches; when it fails it says so once, and the campaign goes on.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ssbray import __version__
from ssbray.campaign import Outcome, Spec, StepRecord

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet",
         "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}


class MLflowTracker:
    """A campaign's listener that keeps MLflow up to date.

    Runs are found again by campaign name and spec, so that a campaign that goes on, or is run
    again, does not appear twice.
    """

    def __init__(self, uri: str | None, experiment: str, directory: Path) -> None:
        self._uri, self._experiment, self._home = uri, experiment, directory
        self._client: Any = None
        self._children: dict[int, str] = {}
        self._best: dict[int, float] = {}
        self.run_id: str | None = None
        self.error: str | None = None

    def started(self, spec: Spec, directory: Path, solves_planned: int) -> None:
        """Open the campaign's run and its chains' runs."""
        self._try(lambda: self._open(spec))

    def phase(self, name: str) -> None:
        """Keep the phase as a tag."""
        self._try(lambda: self._client.set_tag(self.run_id, "ssbray.phase", name))

    def solved(self, outcome: Outcome, cached: bool) -> None:
        """Solves are in the ledger; MLflow compares designs."""

    def trained(self, round_: int, card: dict[str, Any]) -> None:
        """Keep the numbers of the model card, by round."""
        self._try(lambda: self._log_card(round_, card))

    def met(self, round_: int, records: Sequence[StepRecord]) -> None:
        """Log the steps of each chain to its run."""
        for chain in sorted({record.chain for record in records}):
            self._try(lambda chain=chain: self._log_steps(  # type: ignore[misc]
                chain, [record for record in records if record.chain == chain]))

    def finished(self, summary: dict[str, Any], directory: Path) -> None:
        """Log the result and close all runs."""
        self._try(lambda: self._close(summary, directory))

    def _open(self, spec: Spec) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.entities import Param

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)

        self._home.mkdir(parents=True, exist_ok=True)
        uri = self._uri or f"sqlite:///{(self._home / 'mlflow.db').resolve()}"
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(self._experiment)
        artifacts = None if self._uri else (self._home / "mlartifacts").resolve().as_uri()
        experiment = found.experiment_id if found else self._client.create_experiment(
            self._experiment, artifact_location=artifacts)
        tags = {"ssbray.campaign": spec.name, "ssbray.spec_sha256": spec.digest, "ssbray.version": __version__}
        self.run_id = self._find(experiment, {**tags, "ssbray.role": "campaign"}, spec.name, None)
        params = [Param(name, str(value)) for name, value in {
            "seed": spec.seed, "objective": spec.objective.name, "model": spec.conditions.model,
            "temperature_C": spec.conditions.temperature_C, **spec.annealing.model_dump()}.items()]
        self._client.log_batch(self.run_id, params=params)
        for chain in range(spec.annealing.chains):
            self._children[chain] = self._find(
                experiment, {**tags, "ssbray.role": "chain", "ssbray.chain": str(chain)}, f"{spec.name} chain {chain}",
                self.run_id)

    def _find(self, experiment: str, tags: dict[str, str], name: str, parent: str | None) -> str:
        clause = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        runs = self._client.search_runs([experiment], filter_string=clause, max_results=1)
        if runs:
            self._client.update_run(runs[0].info.run_id, status="RUNNING")
            return str(runs[0].info.run_id)
        parentage = {"mlflow.parentRunId": parent} if parent else {}
        return str(self._client.create_run(experiment, run_name=name, tags={**tags, **parentage}).info.run_id)

    def _log_card(self, round_: int, card: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.run_id, metrics=[
            Metric(f"surrogate.{name}", float(value), now, round_) for name, value in card.items()
            if isinstance(value, int | float) and not isinstance(value, bool)])

    def _log_steps(self, chain: int, records: Sequence[StepRecord]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = []
        for record in records:
            values = {"temperature": record.temperature, "accepted": float(record.accepted), "width": record.width}
            if record.value is not None:
                self._best[chain] = min(record.value, self._best.get(chain, record.value))
                values |= {"cost": record.value, "best_cost": self._best[chain]}
            metrics += [Metric(name, value, now, record.step) for name, value in values.items()]
        self._client.log_batch(self._children[chain], metrics=metrics)

    def _close(self, summary: dict[str, Any], directory: Path) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        numbers = {name: summary[name] for name in ("evaluations", "fe_solves", "cache_hits", "screened",
                                                    "improvement_percent")}
        numbers |= {f"best.{name}": summary["best"][name]
                    for name in ("objective", "sigma_eff_S_per_cm", "asr_ohm_cm2")}
        numbers |= {f"best.{name}": value for name, value in summary["best"]["parameters"].items()
                    if isinstance(value, int | float)}
        numbers |= {f"seconds.{name}": value for name, value in summary["seconds"].items()}
        self._client.log_batch(self.run_id, metrics=[
            Metric(name, float(value), now, 0) for name, value in numbers.items() if value is not None])
        for name, value in summary["best"]["parameters"].items():
            if isinstance(value, str):
                self._client.set_tag(self.run_id, f"best.{name}", value)
        self._client.set_tag(self.run_id, "ssbray.trajectory_sha256", summary["trajectory_sha256"])
        for path in [directory / "summary.json", directory / "report.html", *sorted((directory / "figures").glob("*"))]:
            if path.exists():
                self._client.log_artifact(self.run_id, str(path), "figures" if path.suffix == ".png" else None)
        for run in [*self._children.values(), self.run_id]:
            self._client.set_terminated(run)

    def _try(self, action: Callable[[], Any]) -> None:
        """Do it, unless tracking has failed before; a failure is told once and kept for the summary."""
        if self.error is not None:
            return
        try:
            action()
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"ssbray: MLflow tracking stopped, the campaign goes on ({self.error})", file=sys.stderr)
