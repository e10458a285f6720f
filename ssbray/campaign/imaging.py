"""Virtual specimens on disk: what is true of them, and what a microscope shows."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import materials, specimen
from ssbray.campaign.task import Task, section
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.files import write_bytes, write_json
from ssbray.microscope.classes import visible
from ssbray.microscope.knobs import load_knobs
from ssbray.microscope.rendering import Rendering, render
from ssbray.microscope.write import write
from ssbray.specimen.laws import load as load_laws


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the micrographs of a specimen belong."""

    stem: str
    sample: str
    location: int = 0


def image(task: Task, phase_map: PhaseMap, knobs: Mapping[str, Any], place: Place) -> Rendering:
    """What a microscope shows of a specimen, with the sample's sheet in the metadata of the micrograph."""
    tables = materials.load(dict(task.materials) or None)
    made = render(phase_map, load_knobs(dict(knobs)), seed=task.seed, materials=tables)
    state = structure(task)
    sheet = {"sample": place.sample, "location": place.location, "electrolyte": state.electrolyte,
             "cathode": state.cathode, "coating": state.coating_phase, "boundaries_ohm_cm2": {
                 name: asr if np.isfinite(asr) else None for name, asr in phase_map.boundaries.items()}}
    return replace(made, micrograph=replace(made.micrograph, metadata={**made.micrograph.metadata, **sheet}))


def structure(task: Task) -> specimen.Structure:
    """Structure of a specimen by the process laws."""
    return specimen.structure(specimen.ProcessParameters.parse(task.parameters), load_laws(dict(task.laws) or None),
                              materials.load(dict(task.materials) or None))


def write_truth(out: Path, task: Task, place: Place) -> tuple[PhaseMap, dict[str, Any]]:
    """Write a specimen as it is, whatever a microscope makes of it, to `labels`, `truth` and `pictures`.

    Returns
    -------
    The phase map, and what a listing says of it: seed, parameters, phases, fractions, structure.
    """
    phase_map, state = section(task), structure(task)
    buffer = io.BytesIO()
    grains = np.zeros(phase_map.labels.shape, np.int32) if phase_map.grains is None else phase_map.grains
    np.savez_compressed(buffer, labels=phase_map.labels, grains=grains)
    write_bytes(out / "truth" / f"{place.stem}.npz", buffer.getvalue())
    write_bytes(out / "labels" / f"{place.stem}.tif", _tiff(phase_map.labels, phase_map.pixel_size_nm))
    write_bytes(out / "truth" / "grains" / f"{place.stem}.tif", _tiff(grains, phase_map.pixel_size_nm))
    write_bytes(out / "pictures" / f"{place.stem}.png", picture(phase_map))
    return phase_map, {
        "name": place.stem, "sample": place.sample, "location": place.location, "seed": task.seed,
        "parameters": dict(task.parameters), "phases": list(phase_map.phases),
        "pixel_size_nm": phase_map.pixel_size_nm, "boundaries_ohm_cm2": dict(phase_map.boundaries),
        "fractions": {name: phase_map.fraction(name) for name in phase_map.phases},
        "structure": {**asdict(state), "porosity": state.porosity,
                      "reaction_thickness_nm": state.reaction_thickness_nm,
                      "coating_thickness_nm": state.coating_thickness_nm, "coating_phase": state.coating_phase}}


def write_micrograph(out: Path, task: Task, phase_map: PhaseMap, knobs: Mapping[str, Any], place: Place
                     ) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Write image and, as seen under the distortions of the scan, `masks`, `grains` and `dislocations`.

    Returns
    -------
    Names of the classes in the order of their numbers, and the microscope's settings.
    """
    made = image(task, phase_map, knobs, place)
    write(out / "images" / f"{place.stem}.emd", made.micrograph)
    labels, names = visible(made.seen, materials.load(dict(task.materials) or None))
    write_bytes(out / "masks" / f"{place.stem}.png", _png(labels))
    write_bytes(out / "dislocations" / f"{place.stem}.png", _png(made.dislocations.astype(np.uint8)))
    if made.seen.grains is not None:
        write_bytes(out / "grains" / f"{place.stem}.tif", _tiff(made.seen.grains, made.seen.pixel_size_nm))
    return names, dict(made.settings)


def write_listing(out: Path, made_from: Mapping[str, Any], rows: Sequence[Mapping[str, Any]],
                  names: Sequence[tuple[str, ...]]) -> None:
    """Write `specimens.json`, and for micrographs `classes.yaml` and `groups.yaml`; images of a sample are a group."""
    longest = max(names, key=len, default=())
    if any(longest[: len(each)] != each for each in names):
        raise InputError("materials", sorted(set().union(*names) - set(longest)), "these phases never occur together "
                         "with the others: draw more specimens, or fewer materials")
    if names:
        write_bytes(out / "classes.yaml", "".join(f"{k}: {name}\n" for k, name in enumerate(longest)).encode())
        write_bytes(out / "groups.yaml", "".join(f"{row['name']}: {row['sample']}\n" for row in rows).encode())
    write_json(out / "specimens.json", {**made_from, "specimens": list(rows)})


def same_set(out: Path, made_from: Mapping[str, Any]) -> None:
    """Refuse a directory with another set: their images and numbers of classes would mix."""
    path = out / "specimens.json"
    if path.exists():
        before = json.loads(path.read_text())
        if {name: before.get(name) for name in made_from} != dict(made_from):
            raise InputError("--out", str(out), f"holds specimens of spec {before.get('spec')}, seed "
                             f"{before.get('seed')}: name another directory")


def picture(phase_map: PhaseMap) -> bytes:
    """The phases in their colours, grains shaded, as PNG."""
    tables = materials.load()
    names = [tables.phase(name).colour for name in phase_map.phases]
    colours = np.array([[int(name[k : k + 2], 16) for k in (1, 3, 5)] for name in names])
    shade = np.ones(phase_map.labels.shape)
    if phase_map.grains is not None:
        shade = np.where(phase_map.grains > 0, 0.82 + 0.18 * ((phase_map.grains * 0.6180339887) % 1.0), 1.0)
    return _png((colours[phase_map.labels] * shade[..., None]).astype(np.uint8))


def _tiff(array: np.ndarray, pixel_size_nm: float) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    per_cm = 1e7 / pixel_size_nm
    tifffile.imwrite(buffer, array, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")
    return buffer.getvalue()


def _png(array: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()
