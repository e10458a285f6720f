"""A campaign's listener that writes to the spool, and a sender behind it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssbray import __version__
from ssbray.campaign import Outcome, Spec, StepRecord
from ssbray.codeversion import code_version
from ssbray.errors import InputError
from ssbray.tracking.registry import digest
from ssbray.tracking.runs import Runs
from ssbray.tracking.sender import Delivery, Sender, ending
from ssbray.tracking.spool import Spool
from ssbray.tracking.store import describe, prepare

PATIENCE_S = 15.0  #: for a server that answers nothing, when a campaign ends
PATIENCE_LOCAL_S = 120.0  #: a new SQLite store takes its time


class MLflowTracker:
    """Tells MLflow about a campaign. Never raises, never waits for a server but a little at the end."""

    def __init__(self, uri: str | None, experiment: str, directory: Path) -> None:
        self._uri, self._experiment, self._home = uri, experiment, directory
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        self._broken: str | None = None  # the spool itself cannot be written
        self._best: dict[int, dict[str, Any]] = {}
        self._patience_s = PATIENCE_S if (uri or "").startswith("http") else PATIENCE_LOCAL_S
        self._name = ""

    def started(self, spec: Spec, directory: Path, solves_planned: int) -> None:
        """Open the campaign's run and its chains' runs."""
        self._name, self._best = spec.name, {}
        self._spool = Spool(directory)
        try:
            prepare()
            self._spool.begin()
        except Exception as error:  # a broken MLflow, or a disk that is full
            self._broken = describe(error)
            return
        settings = {"seed": spec.seed, "objective": spec.objective.name, "model": spec.conditions.model,
                    "temperature_C": spec.conditions.temperature_C, **spec.annealing.model_dump()}
        self._say({"kind": "open", "name": spec.name, "experiment": self._experiment, "spec_sha256": spec.digest,
                   "tags": {"ssbray.version": __version__, "ssbray.code": code_version(("campaign", "annealing"), ())},
                   "params": settings, "chains": spec.annealing.chains})
        self._sender = Sender(self._spool, Runs(self._uri, self._home, directory))

    def phase(self, name: str) -> None:
        """Keep the phase as a tag."""
        self._say({"kind": "phase", "phase": name})

    def solved(self, outcome: Outcome, cached: bool) -> None:
        """Solves are in the ledger; MLflow compares designs."""

    def trained(self, round_: int, card: dict[str, Any]) -> None:
        """Keep the numbers of the model card, by round."""
        self._say({"kind": "card", "round": round_, "metrics": _numbers(card, "surrogate.")})

    def met(self, round_: int, records: Sequence[StepRecord]) -> None:
        """Log the steps of each chain to its run."""
        for chain in sorted({record.chain for record in records}):
            steps = []
            for record in (record for record in records if record.chain == chain):
                metrics = {"temperature": record.temperature, "accepted": float(record.accepted), "width": record.width}
                if record.value is not None:
                    if record.value <= self._best.get(chain, {}).get("best_cost", math.inf):
                        self._best[chain] = {"best_cost": record.value, **_numbers(record.parameters, "best.")}
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
        tags = {f"best.{name}": value for name, value in best["parameters"].items() if isinstance(value, str)}
        files = ["summary.json", "report.html",
                 *(f"figures/{path.name}" for path in sorted((directory / "figures").glob("*")))]
        chains = {str(chain): {name: value for name, value in found.items() if name != "best_cost"}
                  for chain, found in self._best.items()}
        self._say({**ending("FINISHED"), "metrics": metrics, "best_of_chains": chains, "files": files,
                   "model": _model(summary, directory),
                   "tags": {**tags, "ssbray.trajectory_sha256": summary["trajectory_sha256"]}})

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


def _numbers(values: dict[str, Any], prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{name}": float(value) for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)}
