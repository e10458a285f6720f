"""`ssbray specimen`: virtual specimens of random designs of a spec, and their micrographs."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import campaign, materials, specimen
from ssbray.campaign import dataset
from ssbray.cli.output import emit, json_option
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.files import write_bytes, write_json
from ssbray.specimen.laws import load as load_laws


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
    from ssbray.campaign.task import section

    spec = campaign.load(args.spec)
    tasks = dataset.tasks(spec, args.count, args.seed)
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise InputError("--out", args.out, "is a file: name a directory")
    made_from = {"spec": spec.name, "seed": args.seed}
    _same_set(out, made_from)
    tables, laws = materials.load(spec.materials or None), load_laws(spec.laws or None)
    width = max(3, len(str(args.count - 1)))
    rows = []
    names: tuple[str, ...] = ()
    for number, task in enumerate(tasks):
        phase_map = section(task)
        stem = f"specimen-{number:0{width}d}"
        state = specimen.structure(specimen.ProcessParameters.parse(task.parameters), laws, tables)
        row = {"name": stem, "seed": task.seed, "parameters": dict(task.parameters),
               "phases": list(phase_map.phases), "pixel_size_nm": phase_map.pixel_size_nm,
               "boundaries_ohm_cm2": dict(phase_map.boundaries),
               "fractions": {name: phase_map.fraction(name) for name in phase_map.phases},
               "structure": _numbers(state)}
        _write_truth(out, stem, phase_map)
        if args.micrographs:
            names, row["rendering"] = _write_micrograph(out, stem, phase_map, state, spec, tables, task.seed, names)
        rows.append(row)
    if args.micrographs:
        listing = "".join(f"{label}: {name}\n" for label, name in enumerate(names))
        write_bytes(out / "classes.yaml", listing.encode())
    write_json(out / "specimens.json", {**made_from, "specimens": rows})
    emit({"specimens": len(rows), "micrographs": len(rows) if args.micrographs else 0, "out": args.out}, args.json)
    return 0


def _numbers(state: specimen.Structure) -> dict[str, Any]:
    """The structure's numbers; resistances that block become null in JSON."""
    from dataclasses import asdict

    return {**asdict(state), "porosity": state.porosity, "reaction_thickness_nm": state.reaction_thickness_nm,
            "coating_thickness_nm": state.coating_thickness_nm, "coating_phase": state.coating_phase}


def _same_set(out: Path, made_from: dict[str, Any]) -> None:
    """Refuse a directory with another set: their images and numbers of classes would mix."""
    path = out / "specimens.json"
    if path.exists():
        before = json.loads(path.read_text())
        if {name: before.get(name) for name in made_from} != made_from:
            raise InputError("--out", str(out), f"holds specimens of spec {before.get('spec')}, seed "
                             f"{before.get('seed')}: name another directory")


def _write_truth(out: Path, stem: str, phase_map: PhaseMap) -> None:
    """The map as it is, whatever a microscope makes of it."""
    buffer = io.BytesIO()
    grains = np.zeros(phase_map.labels.shape, np.int32) if phase_map.grains is None else phase_map.grains
    np.savez_compressed(buffer, labels=phase_map.labels, grains=grains)
    write_bytes(out / "truth" / f"{stem}.npz", buffer.getvalue())
    write_bytes(out / "labels" / f"{stem}.tif", _tiff(phase_map.labels, phase_map.pixel_size_nm))
    write_bytes(out / "truth" / "grains" / f"{stem}.tif", _tiff(grains, phase_map.pixel_size_nm))
    write_bytes(out / "pictures" / f"{stem}.png", _picture(phase_map))


def _write_micrograph(out: Path, stem: str, phase_map: PhaseMap, state: specimen.Structure, spec: campaign.Spec,
                      tables: materials.Materials, seed: int, names: tuple[str, ...]
                      ) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Image, and labels as seen; gives the names of classes so far, and the microscope's settings."""
    from dataclasses import replace

    from ssbray.microscope.classes import visible
    from ssbray.microscope.knobs import load_knobs
    from ssbray.microscope.rendering import render
    from ssbray.microscope.write import write

    made = render(phase_map, load_knobs(spec.microscope), seed=seed, materials=tables)
    sheet = {"sample": stem, "location": 0, "electrolyte": state.electrolyte, "cathode": state.cathode,
             "coating": state.coating_phase, "boundaries_ohm_cm2": {
                 name: asr if np.isfinite(asr) else None for name, asr in phase_map.boundaries.items()}}
    write(out / "images" / f"{stem}.emd",
          replace(made.micrograph, metadata={**made.micrograph.metadata, **sheet}))
    labels, own = visible(made.seen, tables)
    names = (*names, *(name for name in own if name not in names))
    labels = np.array([names.index(name) for name in own], dtype=np.uint8)[labels]
    write_bytes(out / "masks" / f"{stem}.png", _png(labels))
    write_bytes(out / "dislocations" / f"{stem}.png", _png(made.dislocations.astype(np.uint8)))
    if made.seen.grains is not None:
        write_bytes(out / "grains" / f"{stem}.tif", _tiff(made.seen.grains, made.seen.pixel_size_nm))
    return names, dict(made.settings)


def _tiff(array: np.ndarray, pixel_size_nm: float) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    pixels_per_cm = 1e7 / pixel_size_nm
    tifffile.imwrite(buffer, array, resolution=(pixels_per_cm, pixels_per_cm), resolutionunit="CENTIMETER")
    return buffer.getvalue()


def _png(array: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


def _picture(phase_map: PhaseMap) -> bytes:
    """The phases in their colours, grains shaded."""
    tables = materials.load()
    names = [tables.phase(name).colour for name in phase_map.phases]
    colours = np.array([[int(name[k : k + 2], 16) for k in (1, 3, 5)] for name in names])
    shade = np.ones(phase_map.labels.shape)
    if phase_map.grains is not None:
        shade = np.where(phase_map.grains > 0, 0.82 + 0.18 * ((phase_map.grains * 0.6180339887) % 1.0), 1.0)
    return _png((colours[phase_map.labels] * shade[..., None]).astype(np.uint8))
