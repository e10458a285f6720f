"""`ssbray study`: the whole thread once, from samples to the table of claims; run again to go on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssbray.campaign.lock import take
from ssbray.campaign.pause import Paused
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task
from ssbray.cli.output import check_workers, directory, emit, json_option
from ssbray.cli.progress import SolveProgress, StepProgress, TimeProgress
from ssbray.errors import InputError
from ssbray.files import write_bytes

if TYPE_CHECKING:
    from ssbray.study import Study
    from ssbray.study.tools import Known


def add(commands: Any) -> None:
    """Declare the commands."""
    group = commands.add_parser("study", help="samples to micrographs to the table of claims, every step of it")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    command = actions.add_parser("run", help="run a study; the same command again goes on where it stopped")
    command.add_argument("study", metavar="STUDY.yaml")
    command.add_argument("--dir", default="studies", metavar="DIR", help="home of studies (default studies)")
    command.add_argument("--workers", type=int, metavar="W", help="solver actors (default: one per CPU)")
    command.add_argument("--markdown", metavar="FILE", help="write the table there as well")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what is left of a study, and write its report."""
    check_workers(args.workers)
    from ssbray import study
    from ssbray.cluster.session import connect_quietly

    wanted = study.load(args.study)
    place = (directory(args.dir, "--dir") / wanted.name).resolve()
    if args.markdown is not None:
        directory(str(Path(args.markdown).parent), "--markdown")
    place.mkdir(parents=True, exist_ok=True)
    with (place / "study.lock").open("a+") as lock:
        if not take(lock):
            raise InputError("--dir", str(place), "another process runs this study; wait for it, or end it")
        try:
            with connect_quietly():
                found = study.run(wanted, place, RayTools(args.workers))
        except Paused:
            emit({"name": wanted.name, "status": "paused"}, args.json, [
                ("paused", "what was in flight is kept"),
                ("go on with", f"ssbray study run {args.study} --dir {args.dir}")])
            return 0
    from ssbray.study import claims, report

    page = report.write(place, wanted, found)
    if args.markdown is not None:
        _copy(Path(args.markdown), place, wanted, found)
    rows = claims.rows(wanted, found)
    emit({"name": wanted.name, "done_now": found["about"]["again"], "seconds": found["about"]["seconds"],
          "claims": [asdict(row) for row in rows], "report": str(page)}, args.json,
         [*((row.what, f"{row.ours}{'' if row.verdict == 'no claim' else f' [{row.verdict}]'}") for row in rows),
          ("report", page)])
    return 0


def _copy(path: Path, place: Path, wanted: Study, found: Mapping[str, Any]) -> None:
    """The table as a page of Markdown, with the figures in a folder of its name beside it."""
    from ssbray.study import report

    figures = sorted((place / "figures").glob("*.png"))
    for figure in figures:
        write_bytes(path.with_suffix("") / figure.name, figure.read_bytes())
    write_bytes(path, report.markdown(wanted, found, {figure.stem: f"{path.stem}/{figure.name}" for figure in figures}
                                      ).encode())


class RayTools:
    """The tools of a study on a Ray cluster that is there."""

    def __init__(self, solvers: int | None) -> None:
        self._solvers = solvers

    def each(self, function: Callable[[Any], Any], items: Sequence[Any], what: str) -> list[Any]:
        """Call a function with each item, as Ray tasks."""
        from ssbray.cluster.each import each

        with StepProgress(what) as progress:
            return each(function, items, progress.step)

    def solve(self, store: Path, tasks: Sequence[Task], what: str,
              evaluate: Callable[[Task], Outcome] | None = None) -> list[Outcome]:
        """Outcomes of tasks, from the ledger or the solver actors."""
        from ssbray.campaign.task import evaluate as usual
        from ssbray.cluster.workers import RayWorkers
        from ssbray.study.tools import answers

        pool = RayWorkers(solvers=self._solvers, evaluate=evaluate or usual)
        with closing(pool) as workers, SolveProgress(what, len(tasks)) as progress:
            return answers(store, workers, tasks, progress.solved)

    def members(self, count: int, place: str, stems: Sequence[str], found: Any, seed: int, training: Any) -> list[Any]:
        """Train the nets of an ensemble."""
        from ssbray.cluster.members import train_members

        with TimeProgress("training the segmenter") as clock:
            return train_members(count, place, stems, found, seed, training, "cpu",
                                 None if training.steps else clock.step)

    def tune(self, known: Known, config: dict[str, Any], trials: int, seed: int, out: Path) -> dict[str, Any]:
        """Search hyper-parameters of the surrogate by Ray Tune; the table of trials lies beside the model."""
        from ssbray.cli import tune
        from ssbray.surrogate import TrainingConfig
        from ssbray.surrogate.search import Examples

        options = argparse.Namespace(out=str(out), tune=trials, trial_members=2, workers=self._solvers, minutes=None,
                                     seed=seed, device="cpu", tracking_uri=None)
        chosen, told = tune.tuned(options, TrainingConfig.model_validate(config), tuple(config), Examples.of(
            known.graphs, known.sigma, known.groups, known.losses, seed))
        return {"config": chosen.model_dump(), "trials": told["rows"], "mlflow_run_id": told["mlflow_run_id"]}

    def campaign(self, spec: Spec, home: Path) -> dict[str, Any]:
        """Run a campaign, or go on with it."""
        from ssbray.cli.campaign import execute

        return execute(spec, home, self._solvers)
