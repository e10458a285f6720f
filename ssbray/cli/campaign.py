"""`ssbray campaign`: run, and look at, closed-loop campaigns."""

from __future__ import annotations

import argparse
import fcntl
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

from ssbray import campaign
from ssbray.campaign import Listeners, Spec
from ssbray.campaign.spec import NAME
from ssbray.cli.output import check_workers, emit, json_option
from ssbray.cli.progress import CampaignProgress
from ssbray.errors import InputError
from ssbray.files import write_json

RESERVED = ("mlflow.db", "mlartifacts")


def add(commands: Any) -> None:
    """Declare the commands."""
    group = commands.add_parser("campaign", help="search processing parameters, re-running the finite elements")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    command = actions.add_parser("run", help="run a campaign; the same command again goes on where it stopped")
    command.add_argument("spec", metavar="SPEC.yaml")
    command.add_argument("--name", metavar="NAME", help="instead of the spec's")
    command.add_argument("--seed", type=int, metavar="S", help="instead of the spec's")
    command.add_argument("--workers", type=int, metavar="W", help="solver actors (default: one per CPU)")
    command.set_defaults(run=run)
    status = actions.add_parser("status", help="how far a campaign is")
    status.add_argument("name", metavar="NAME")
    status.set_defaults(run=run_status)
    for parser in (command, status):
        parser.add_argument("--dir", default="campaigns", metavar="DIR", help="home of campaigns (default campaigns)")
        json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run a campaign on Ray, report, track."""
    spec = campaign.load(args.spec, name=args.name, seed=args.seed)
    check_workers(args.workers)
    spec.space  # noqa: B018  # refuses an empty search before anything is started
    if spec.name in RESERVED:
        raise InputError("name", spec.name, "is where MLflow keeps its data: choose another")
    summary = execute(spec, Path(args.dir), args.workers)
    if args.json:
        emit(summary, True)
    else:
        _tell(spec, summary, Path(args.dir) / spec.name)
    return 0


def execute(spec: Spec, home: Path, solvers: int | None = None) -> dict[str, Any]:
    """Run a campaign in `home`/NAME with everything around it; returns the summary."""
    directory = home / spec.name
    from ssbray.campaign import report
    from ssbray.cluster.session import connect
    from ssbray.tracking import MLflowTracker

    tracker = MLflowTracker(spec.tracking.uri, spec.tracking.experiment, home)
    with CampaignProgress("starting") as progress, connect():
        from ssbray.cluster.annealers import TuneAnnealers
        from ssbray.cluster.learner import RayLearner
        from ssbray.cluster.workers import RayWorkers

        listener = Listeners(progress, tracker)
        pool = RayWorkers(solvers=solvers or spec.cluster.solvers, cpus_per_solver=spec.cluster.cpus_per_solver,
                          timeout_s=spec.cluster.solve_timeout_s)
        with closing(pool) as workers:
            summary = campaign.run(spec, directory, listener=listener, annealers=TuneAnnealers(directory),
                                   workers=workers, learner=RayLearner(spec.surrogate, spec.cluster.learner_gpus))
        listener.phase("report")
        summary |= {"mlflow_run_id": tracker.run_id, "tracking_error": tracker.error}
        report.write(directory, spec, summary)
        write_json(directory / "summary.json", summary)
        listener.finished(summary, directory)
    return summary


def run_status(args: argparse.Namespace) -> int:
    """Read a campaign's ledger; works beside a running campaign."""
    directory = Path(args.dir) / args.name
    if not re.fullmatch(NAME, args.name) or not (directory / "ledger.sqlite").exists():
        known = sorted(path.parent.name for path in Path(args.dir).glob("*/ledger.sqlite"))
        raise InputError("NAME", args.name, f"no such campaign in {args.dir} (it has {', '.join(known) or 'none'})")
    with campaign.Ledger(directory, write=False) as ledger:
        written = ledger.meta("spec")
        if written is None:
            raise InputError("NAME", args.name, "has only just begun, or is no campaign")
        spec = Spec.model_validate_json(written)
        steps = ledger.events("step")
        solves = ledger.count()
    path = directory / "summary.json"
    summary = json.loads(path.read_text()) if path.exists() else None
    state = "running" if _locked(directory) else "completed" if summary else "interrupted"
    content = {"name": args.name, "status": state, "evaluations_planned": spec.evaluations,
               "fe_solves": solves, "fe_solves_planned": campaign.solves_planned(spec), "steps": len(steps),
               "accepted": sum(step["accepted"] for step in steps),
               "failed": sum(step["value"] is None for step in steps),
               "best": summary["best"] if summary else None,
               "improvement_percent": summary["improvement_percent"] if summary else None}
    emit(content, args.json, [(name, value) for name, value in content.items() if name != "best"])
    return 0


def _locked(directory: Path) -> bool:
    """Whether a process writes there now."""
    with (directory / "lock").open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _tell(spec: Spec, summary: dict[str, Any], directory: Path) -> None:
    """The result in a few lines."""
    best, reference = summary["best"], summary["reference"]
    searched = {name: best["parameters"][name] for name in spec.search}
    if summary["improvement_percent"] is None:
        gain = "no figure: the reference or the best design does not conduct on every specimen"
    else:
        low, high = summary["improvement_interval90_percent"]
        gain = f"{summary['improvement_percent']:+.1f} % conductivity (90 % interval {low:+.1f} to {high:+.1f} %)"
    emit({}, False, [("best", searched), ("ASR (ohm cm2)", best["asr_ohm_cm2"]),
                     ("reference ASR (ohm cm2)", reference["asr_ohm_cm2"]), ("gain over the reference", gain),
                     ("finite-element solves", f"{summary['fe_solves']} ({summary['fe_solves_this_run']} in this run)"),
                     ("trajectory", summary["trajectory_sha256"][:16]), ("report", directory / "report.html")])
