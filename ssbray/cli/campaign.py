"""`ssbray campaign`: run closed-loop campaigns, go on with them, and hold them."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ssbray import campaign
from ssbray.campaign import Listeners, Spec, progress
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.lock import locked
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.campaign.task import physics_version
from ssbray.cli import campaign_look
from ssbray.cli.output import check_workers, emit, json_option
from ssbray.cli.output import directory as place
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
    command.set_defaults(run=run)
    resume = actions.add_parser("resume", help="go on with a campaign that was paused, killed or lost its machine")
    resume.set_defaults(run=run_resume)
    pause = actions.add_parser("pause", help="let a running campaign finish its solves in flight, and stop")
    pause.set_defaults(run=run_pause)
    sync = actions.add_parser("sync", help="send to MLflow what could not be sent while it was away")
    sync.set_defaults(run=run_sync)
    for parser in (resume, pause, sync):
        parser.add_argument("name", metavar="NAME")
    for parser in (command, resume):
        parser.add_argument("--workers", type=int, metavar="W", help="solver actors (default: one per CPU)")
        parser.add_argument("--cache", metavar="DIR", help="home of campaigns whose solves are not repeated (default: "
                            "that of --dir)")
    for parser in (command, resume, pause, sync):
        parser.add_argument("--dir", default="campaigns", metavar="DIR", help="home of campaigns (default campaigns)")
        json_option(parser)
    campaign_look.add(actions)


def run(args: argparse.Namespace) -> int:
    """Run a campaign on Ray, report, track."""
    spec = campaign.load(args.spec, name=args.name, seed=args.seed)
    spec.space  # noqa: B018  # refuses an empty search before anything is started
    if spec.name in RESERVED:
        raise InputError("name", spec.name, "is where MLflow keeps its data: choose another")
    return _run(spec, args)


def run_resume(args: argparse.Namespace) -> int:
    """Go on with a campaign from what its ledger says."""
    directory = campaign_look.find(args.name, args.dir)
    if locked(directory):
        raise InputError("NAME", args.name, "is running: see `ssbray campaign status`")
    with Ledger(directory, write=False) as ledger:
        spec = progress.spec_of(ledger, args.name)
        state = progress.state_of(directory, ledger.sessions())
        other = sum(row["physics"] not in (None, physics_version()) for row in ledger.rows())
    if state == "completed":
        print(f"ssbray: {args.name} is completed; this is its summary", file=sys.stderr)
        _answer(spec, progress.summary_of(directory) or {}, args)
        return 0
    if other:
        print(f"ssbray: {other} solves were made by another version of the physics and will be repeated",
              file=sys.stderr)
    return _run(spec, args)


def run_pause(args: argparse.Namespace) -> int:
    """Ask the driver to stop; it does so when its solves in flight are kept."""
    directory = campaign_look.find(args.name, args.dir)
    with Ledger(directory, write=False) as ledger:
        state = progress.state_of(directory, ledger.sessions())
    if state != "running":
        raise InputError("NAME", args.name, f"is not running but {state}: there is nothing to pause")
    PauseRequest(directory).ask()
    content = {"name": args.name, "status": "running", "pause_requested": True}
    emit(content, args.json, [("pausing", f"{args.name} (see `ssbray campaign status {args.name}`)")])
    return 0


def run_sync(args: argparse.Namespace) -> int:
    """Send a campaign's spool."""
    directory = campaign_look.find(args.name, args.dir)
    with Ledger(directory) as ledger:  # nobody else sends meanwhile
        spec = progress.spec_of(ledger, args.name)
        interrupted = (ledger.sessions() or [{"status": "completed"}])[-1]["status"] in ("running", "interrupted")
        from ssbray import tracking

        delivery = tracking.sync(spec.tracking.uri, Path(args.dir), directory,
                                 ended="KILLED" if interrupted else None)
    summary = progress.summary_of(directory)
    if summary is not None and delivery.run_id is not None and not delivery.waiting:
        write_json(directory / "summary.json", {**summary, "mlflow_run_id": delivery.run_id, "tracking_error": None})
    emit({"name": args.name, "sent": delivery.sent, "waiting": delivery.waiting, "mlflow_run_id": delivery.run_id,
          "error": delivery.error}, args.json)
    if delivery.error is not None:
        print(f"ssbray: MLflow did not take all of it ({delivery.error})", file=sys.stderr)
    return 1 if delivery.error is not None else 0


def execute(spec: Spec, home: Path, solvers: int | None = None, cache: Path | None = None) -> dict[str, Any]:
    """Run a campaign in `home`/NAME with everything around it; returns the summary.

    Solves that campaigns in `cache` (default: `home`) already hold are not repeated.

    Raises
    ------
    Paused
        It was asked to stop, by `campaign pause` or by the signal TERM.
    """
    directory = home / spec.name
    from ssbray.campaign import report
    from ssbray.cluster.session import connect_quietly
    from ssbray.tracking import MLflowTracker

    tracker = MLflowTracker(spec.tracking.uri, spec.tracking.experiment, home, spec.tracking.artifacts)
    with (closing(tracker), CampaignProgress("starting") as bar, connect_quietly(), _term_pauses(directory),
          _disk(directory)):
        from ssbray.cluster.annealers import TuneAnnealers
        from ssbray.cluster.learner import RayLearner
        from ssbray.cluster.workers import RayWorkers

        listener = Listeners(bar, tracker)
        pool = RayWorkers(solvers=solvers or spec.cluster.solvers, cpus_per_solver=spec.cluster.cpus_per_solver,
                          timeout_s=spec.cluster.solve_timeout_s)
        with closing(pool) as workers, _told(tracker):
            def conclude(summary: dict[str, Any]) -> None:
                listener.phase("report")
                delivery = tracker.settle()
                summary |= {"mlflow_run_id": delivery.run_id, "tracking_error": delivery.error}
                report.write(directory, spec, summary)
                write_json(directory / "summary.json", summary)

            summary = campaign.run(spec, directory, listener=listener, annealers=TuneAnnealers(directory),
                                   workers=workers, learner=RayLearner(spec.surrogate, spec.cluster.learner_gpus),
                                   cache=cache or home, conclude=conclude)
            listener.finished(summary, directory)
    return summary


def _run(spec: Spec, args: argparse.Namespace) -> int:
    """Run, and answer with the summary, or with the state of a campaign that was paused."""
    check_workers(args.workers)
    place(args.dir, "--dir")
    cache = Path(args.cache) if args.cache is not None else None
    if cache is not None and not cache.is_dir():
        raise InputError("--cache", args.cache, "is no directory: name a home of campaigns")
    try:
        summary = execute(spec, Path(args.dir), args.workers, cache)
    except Paused:
        content = progress.read(Path(args.dir) / spec.name)
        emit(content, args.json, [("paused", f"{content['fe_solves']} of about {content['fe_solves_planned']} solves"),
                                  ("go on with", f"ssbray campaign resume {spec.name} --dir {args.dir}")])
        return 0
    _answer(spec, summary, args)
    return 0


@contextmanager
def _told(tracker: Any) -> Iterator[None]:
    """Runs in MLflow do not stay open for ever."""
    try:
        yield
    except (Paused, KeyboardInterrupt):
        tracker.stopped("KILLED")
        raise
    except BaseException:
        tracker.stopped("FAILED")
        raise


@contextmanager
def _term_pauses(directory: Path) -> Iterator[None]:
    """TERM, which a machine sends before it is taken away, asks for a pause."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    def on_term(*_: object) -> None:
        if not locked(directory):  # nothing has begun that could be lost
            sys.exit(143)
        PauseRequest(directory).ask()

    before = signal.signal(signal.SIGTERM, on_term)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _disk(directory: Path) -> Iterator[None]:
    """What a disk does not take, besides the ledger: model, report, Tune's files."""
    try:
        yield
    except ConnectionError:  # a pipe or a socket: no disk
        raise
    except OSError as error:
        raise InputError("directory", str(directory), f"cannot be written ({error.strerror or error}): mend that, then "
                         "go on; what was solved so far is kept") from None


def _answer(spec: Spec, summary: dict[str, Any], args: argparse.Namespace) -> None:
    if args.json:
        emit(summary, True)
    else:
        _tell(spec, summary, Path(args.dir) / spec.name)


def _tell(spec: Spec, summary: dict[str, Any], directory: Path) -> None:
    """The result in a few lines."""
    best, reference = summary["best"], summary["reference"]
    searched = {name: best["parameters"][name] for name in spec.search}
    gain = campaign_look.gain(summary)
    emit({}, False, [("best", searched), ("ASR (ohm cm2)", best["asr_ohm_cm2"]),
                     ("reference ASR (ohm cm2)", reference["asr_ohm_cm2"]), ("gain over the reference", gain),
                     *campaign_look.yardsticks(summary),
                     ("finite-element solves", f"{summary['fe_solves']} ({summary['fe_solves_this_run']} in this run)"),
                     ("trajectory", summary["trajectory_sha256"][:16]), ("report", directory / "report.html")])
