"""`ssbray specimen`: virtual specimens of random designs of a spec, and their micrographs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ssbray import campaign
from ssbray.campaign import dataset, imaging
from ssbray.cli.output import emit, json_option
from ssbray.errors import InputError


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("specimen", help="virtual specimens: phase maps, grains, micrographs, parameters")
    command.add_argument("spec", metavar="SPEC.yaml")
    command.add_argument("--count", type=int, required=True, metavar="N")
    command.add_argument("--seed", type=int, required=True, metavar="S")
    command.add_argument("--out", required=True, metavar="DIR")
    command.add_argument("--no-micrographs", dest="micrographs", action="store_false",
                         help="phase maps only, without images and their masks")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw designs over the search space, one specimen each, and write them.

    What is true of the specimen goes to `labels`, `truth` and `pictures`; what the micrographs in `images`
    show, under the distortions of their scan, to `masks`, `grains` and `dislocations`.
    """
    spec = campaign.load(args.spec)
    tasks = dataset.tasks(spec, args.count, args.seed)
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise InputError("--out", args.out, "is a file: name a directory")
    made_from = {"spec": spec.name, "seed": args.seed}
    imaging.same_set(out, made_from)
    width = max(3, len(str(args.count - 1)))
    rows, names = [], []
    for number, task in enumerate(tasks):
        place = imaging.Place(stem=f"specimen-{number:0{width}d}", sample=f"specimen-{number:0{width}d}")
        phase_map, row = imaging.write_truth(out, task, place)
        if args.micrographs:
            classes, row["rendering"] = imaging.write_micrograph(out, task, phase_map, spec.microscope, place)
            names.append(classes)
        rows.append(row)
    imaging.write_listing(out, made_from, rows, names)
    emit({"specimens": len(rows), "micrographs": len(names), "out": args.out}, args.json)
    return 0
