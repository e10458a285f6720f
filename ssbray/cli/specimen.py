"""`ssbray specimen`: virtual specimens of random designs of a spec."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import campaign
from ssbray.campaign import dataset
from ssbray.cli.output import emit, json_option
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.files import write_bytes, write_json


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("specimen", help="virtual specimens: phase maps, grains, parameters")
    command.add_argument("spec", metavar="SPEC.yaml")
    command.add_argument("--count", type=int, required=True, metavar="N")
    command.add_argument("--seed", type=int, required=True, metavar="S")
    command.add_argument("--out", required=True, metavar="DIR")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw designs over the search space, one specimen each, and write them."""
    from ssbray.campaign.task import section

    spec = campaign.load(args.spec)
    tasks = dataset.tasks(spec, args.count, args.seed)
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise InputError("--out", args.out, "is a file: name a directory")
    width = len(str(args.count - 1))
    rows = []
    for number, task in enumerate(tasks):
        phase_map = section(task)
        stem = f"specimen-{number:0{width}d}"
        _write(out, stem, phase_map)
        rows.append({"name": stem, "seed": task.seed, "parameters": dict(task.parameters),
                     "phases": list(phase_map.phases), "pixel_size_nm": phase_map.pixel_size_nm,
                     "boundaries_ohm_cm2": dict(phase_map.boundaries),
                     "fractions": {name: phase_map.fraction(name) for name in phase_map.phases}})
    write_json(out / "specimens.json", {"spec": spec.name, "seed": args.seed, "specimens": rows})
    emit({"specimens": len(rows), "out": args.out}, args.json)
    return 0


def _write(out: Path, stem: str, phase_map: PhaseMap) -> None:
    import tifffile

    for name, array in (("labels", phase_map.labels), ("grains", phase_map.grains)):
        if array is not None:
            buffer = io.BytesIO()
            pixels_per_cm = 1e7 / phase_map.pixel_size_nm
            tifffile.imwrite(buffer, array, resolution=(pixels_per_cm, pixels_per_cm), resolutionunit="CENTIMETER")
            write_bytes(out / name / f"{stem}.tif", buffer.getvalue())
    write_bytes(out / "pictures" / f"{stem}.png", _picture(phase_map))


def _picture(phase_map: PhaseMap) -> bytes:
    """The phases in their colours, grains shaded."""
    from PIL import Image

    from ssbray import materials

    tables = materials.load()
    names = [tables.phase(name).colour for name in phase_map.phases]
    colours = np.array([[int(name[k : k + 2], 16) for k in (1, 3, 5)] for name in names])
    shade = np.ones(phase_map.labels.shape)
    if phase_map.grains is not None:
        shade = np.where(phase_map.grains > 0, 0.82 + 0.18 * ((phase_map.grains * 0.6180339887) % 1.0), 1.0)
    buffer = io.BytesIO()
    Image.fromarray((colours[phase_map.labels] * shade[..., None]).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()
