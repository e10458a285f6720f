"""A campaign's listener that writes to the spool, and a sender behind it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssbray import __version__
from ssbray.campaign import Outcome, Spec, StepRecord, objective
from ssbray.codeversion import code_version
from ssbray.errors import InputError
from ssbray.tracking.registry import digest
from ssbray.tracking.runs import Runs
from ssbray.tracking.sender import Delivery, Sender, ending
from ssbray.tracking.spool import Spool
from ssbray.tracking.store import database_of, describe, prepare

PATIENCE_S = 15.0  #: for a server that answers nothing, when a campaign ends
PATIENCE_LOCAL_S = 120.0  #: a new SQLite store takes its time


class MLflowTracker:
    """Tells MLflow about a campaign. Never raises, never waits for a server but a little at the end.

    Parameters
    ----------
    uri : of the tracking server or database; None for an SQLite store in `directory`.
    experiment : in which the runs are.
    directory : home of the campaigns.
    artifacts : URI or directory of the files of an experiment that is made now (`store.experiment_of`).
    """

    def __init__(self, uri: str | None, experiment: str, directory: Path, artifacts: str | None = None) -> None:
        self._uri, self._experiment, self._home, self._artifacts = uri, experiment, directory, artifacts
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        self._broken: str | None = None  # the spool itself cannot be written
        self._best: dict[int, dict[str, Any]] = {}
        self._spec: Spec | None = None
        self._patience_s = PATIENCE_S if uri is not None and database_of(uri) is None else PATIENCE_LOCAL_S
        self._name = ""

    def started(self, spec: Spec, directory: Path, solves_planned: int) -> None:
        """Open the campaign's run and its chains' runs."""
        self._name, self._best = spec.name, {}
        self._spec = spec
        self._spool = Spool(directory)
        try:
            prepare()
            self._spool.begin()
        except Exception as error:  # a broken MLflow, or a disk that is full
            self._broken = describe(error)
            return
        settings = {"seed": spec.seed, "objective": spec.objective.name, "model": spec.conditions.model,
                    "temperature_C": spec.conditions.temperature_C, **spec.annealing.model_dump()}
        self._say({"kind": "open", "name": spec.name, "experiment": self._experiment, "artifacts": self._artifacts,
                   "spec_sha256": spec.digest,
                   "tags": {"ssbray.version": __version__, "ssbray.code": code_version(("campaign", "annealing"), ()),
                            "mlflow.source.name": "ssbray campaign", "mlflow.source.type": "LOCAL"},
                   "params": settings, "chains": spec.annealing.chains})
        self._sender = Sender(self._spool, Runs(self._uri, self._home, directory))

    def phase(self, name: str) -> None:
        """Keep the phase as a tag."""
        self._say({"kind": "phase", "phase": name})

    def solved(self, outcome: Outcome, cached: bool) -> None:
        """Solves are in the ledger; MLflow compares designs."""

    def trained(self, round_: int, card: dict[str, Any]) -> None:
        """Keep the numbers of the model card, by round."""
        self._say({"kind": "card", "round": round_, "metrics": _numbers(
            {name: value for name, value in card.items() if name != "seed"}, "surrogate.")})

    def met(self, round_: int, records: Sequence[StepRecord]) -> None:
        """Log the steps of each chain to its run."""
        for chain in sorted({record.chain for record in records}):
            steps = []
            for record in (record for record in records if record.chain == chain):
                metrics = {"temperature": record.temperature, "accepted": float(record.accepted), "width": record.width}
                if record.value is not None:
                    if record.value <= self._best.get(chain, {}).get("best_cost", math.inf):
                        self._best[chain] = {"best_cost": record.value, "parameters": record.parameters}
                    metrics |= {"cost": record.value, "best_cost": self._best[chain]["best_cost"]}
                steps.append({"step": record.step, "metrics": metrics})
            self._say({"kind": "steps", "chain": chain, "steps": steps})

    def finished(self, summary: dict[str, Any], directory: Path) -> None:
        """Log the result and close all runs."""
        best = summary["best"]
        metrics = _numbers({name: summary[name] for name in ("evaluations", "fe_solves", "cache_hits", "screened",
                                                             "improvement_percent")})
        metrics |= _numbers({"bound.asr_ohm_cm2": summary["bound"]["asr_ohm_cm2"],
                             "noise.spread_percent": (summary["noise"] or {}).get("spread_percent")})
        metrics |= _numbers({name: best[name] for name in ("objective", "sigma_eff_S_per_cm", "asr_ohm_cm2")}, "best.")
        metrics |= _numbers(best["parameters"], "best.") | _numbers(summary["seconds"], "seconds.")
        names = _names(best["parameters"])
        files = ["summary.json", "report.html",
                 *(f"figures/{path.name}" for path in sorted((directory / "figures").glob("*")))]
        chains = self._found()
        self._say({**ending("FINISHED"), "metrics": metrics, "files": files, "names": names,
                   "best_of_chains": {chain: _numbers(found, "best.") for chain, found in chains.items()},
                   "names_of_chains": {chain: _names(found) for chain, found in chains.items()},
                   "model": _model(summary, directory),
                   "tags": {**names, "ssbray.trajectory_sha256": summary["trajectory_sha256"],
                            "mlflow.note.content": _note(summary)}})

    def stopped(self, status: str) -> None:
        """Close all runs of a campaign that does not come to its end now: KILLED or FAILED."""
        self._say(ending(status))

    def settle(self) -> Delivery:
        """Give the sender a little time to catch up."""
        if self._sender is None:
            return Delivery(sent=0, waiting=0, run_id=None, error=self._broken)
        delivery = self._sender.settle(self._patience_s)
        return delivery if self._broken is None else Delivery(
            sent=delivery.sent, waiting=delivery.waiting, run_id=delivery.run_id, error=self._broken)

    def close(self) -> None:
        """End, and say once what MLflow has not heard."""
        if self._sender is None and self._broken is None:
            return
        delivery = self.settle()
        if self._sender is not None:
            self._sender.close()
        if self._broken is not None:
            print(f"ssbray: MLflow tracking stopped, the campaign did not ({self._broken})", file=sys.stderr)
        elif delivery.waiting and self._spool is not None:
            print(f"ssbray: {delivery.waiting} records for MLflow wait in {self._spool.path} ({delivery.error}); "
                  f"`ssbray campaign sync {self._name} --dir {self._home}` sends them", file=sys.stderr)

    def _found(self) -> dict[str, dict[str, Any]]:
        """Best design of each chain, whole, with the objective as the search saw it."""
        assert self._spec is not None
        return {str(chain): {"objective": objective.in_field_units(self._spec, found["best_cost"]),
                             **self._spec.design(found["parameters"]).model_dump()}
                for chain, found in self._best.items()}

    def _say(self, record: dict[str, Any]) -> None:
        if self._spool is None or self._broken is not None:
            return
        try:
            self._spool.append({"time": int(time.time() * 1000), **record})
        except OSError as error:
            self._broken = describe(error)
        if self._sender is not None:
            self._sender.wake()


def _model(summary: dict[str, Any], directory: Path) -> dict[str, Any] | None:
    """The surrogate that the campaign ended with, and its scores on the fresh specimens; None if there is none."""
    check = summary["surrogate"]["fresh_specimens"]
    try:
        sha256 = digest(directory / "model")
    except (InputError, OSError):
        return None
    if not check["n"]:
        return None
    return {"sha256": sha256, "scores": {"nll": check["nll"], "coverage90": check["coverage90"], "n": check["n"],
                                         "data": check["specimens_sha256"]}}


def _names(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Choices among names, which no metric can hold."""
    return {f"best.{name}": value for name, value in parameters.items() if isinstance(value, str)}


def _note(summary: Mapping[str, Any]) -> str:
    """What came of it, in a sentence above the run's numbers."""
    percent, interval = summary["improvement_percent"], summary["improvement_interval90_percent"]
    if percent is None:
        return "No gain can be given: the reference or the best design does not conduct on every specimen."
    return (f"{percent:+.1f} % conductivity over the reference (90 % interval {interval[0]:+.1f} to {interval[1]:+.1f} "
            "%), on virtual specimens whose process laws are priors. The report is among the artifacts.")


def _numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{name}": float(value) for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)}
