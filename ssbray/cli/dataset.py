"""`ssbray dataset build`: specimens with finite-element labels, solved on the pool; run again to go on."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from ssbray import campaign
from ssbray.campaign import dataset
from ssbray.cli.output import check_workers, emit, json_option
from ssbray.cli.progress import SolveProgress


def add(commands: Any) -> None:
    """Declare the command."""
    group = commands.add_parser("dataset", help="data sets for the surrogate")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    command = actions.add_parser("build", help="draw specimens, solve them, keep graphs and conductivities")
    command.add_argument("spec", metavar="SPEC.yaml")
    command.add_argument("--count", type=int, required=True, metavar="N")
    command.add_argument("--seed", type=int, required=True, metavar="S")
    command.add_argument("--out", required=True, metavar="STORE")
    command.add_argument("--through", choices=("truth",), default="truth", help="graphs from the true phase maps")
    command.add_argument("--workers", type=int, metavar="W", help="solver actors (default: one per CPU)")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Solve on Ray what the store lacks."""
    check_workers(args.workers)
    spec = campaign.load(args.spec)
    wanted = dataset.tasks(spec, args.count, args.seed)
    from ssbray.cluster.session import connect

    with connect(args.workers):
        from ssbray.cluster.workers import RayWorkers

        pool = RayWorkers(solvers=args.workers or spec.cluster.solvers, cpus_per_solver=spec.cluster.cpus_per_solver,
                          timeout_s=spec.cluster.solve_timeout_s)
        with closing(pool) as workers, SolveProgress("solving", len(wanted)) as progress:
            result = dataset.build(spec, Path(args.out), wanted, workers, progress.solved)
    emit({**result, "out": args.out}, args.json)
    return 0
