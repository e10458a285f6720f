"""`ssbray dataset build`: specimens with finite-element labels, solved on the pool; run again to go on."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ssbray import campaign
from ssbray.campaign import dataset
from ssbray.campaign.task import Outcome, Task, evaluate
from ssbray.cli.output import check_workers, emit, json_option
from ssbray.cli.progress import SolveProgress
from ssbray.errors import InputError


def add(commands: Any) -> None:
    """Declare the command."""
    group = commands.add_parser("dataset", help="data sets for the surrogate")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    command = actions.add_parser("build", help="draw specimens, solve them, keep graphs and conductivities")
    command.add_argument("spec", metavar="SPEC.yaml")
    command.add_argument("--count", type=int, required=True, metavar="N")
    command.add_argument("--seed", type=int, required=True, metavar="S")
    command.add_argument("--out", required=True, metavar="STORE")
    command.add_argument("--through", choices=("truth", "micrograph"), default="truth", help="solve the true phase "
                         "maps (default), or what --segmenter finds in virtual micrographs of them")
    command.add_argument("--segmenter", metavar="MODEL", help="with --through micrograph")
    command.add_argument("--workers", type=int, metavar="W", help="solver actors (default: one per CPU)")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Solve on Ray what the store lacks."""
    check_workers(args.workers)
    spec = campaign.load(args.spec)
    wanted = dataset.tasks(spec, args.count, args.seed)
    if (args.through == "micrograph") != (args.segmenter is not None):
        raise InputError("--segmenter", args.segmenter, "goes with --through micrograph, which needs it")
    solve: Callable[[Task], Outcome] = evaluate
    if args.segmenter is not None:
        from ssbray.campaign.through import Seen, through
        from ssbray.segmentation import Segmenter

        place = str(Path(args.segmenter).resolve())
        model = Segmenter.load(place)
        wanted, solve = [through(task, spec, model) for task in wanted], Seen(place)
    from ssbray.cluster.session import connect_quietly

    with connect_quietly(args.workers):
        from ssbray.cluster.workers import RayWorkers

        pool = RayWorkers(solvers=args.workers or spec.cluster.solvers, cpus_per_solver=spec.cluster.cpus_per_solver,
                          timeout_s=spec.cluster.solve_timeout_s, evaluate=solve)
        with closing(pool) as workers, SolveProgress("solving", len(wanted)) as progress:
            result = dataset.build(spec, Path(args.out), wanted, workers, progress.solved)
    emit({**result, "out": args.out}, args.json)
    return 0
