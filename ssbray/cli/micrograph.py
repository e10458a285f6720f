"""`ssbray segment` and `ssbray analyze`: micrographs to phase maps, and to numbers with intervals."""

from __future__ import annotations

import argparse
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import units
from ssbray.cli.labels import PIXELS_NM
from ssbray.cli.output import directory, emit, json_option
from ssbray.errors import InputError
from ssbray.files import write_bytes, write_json

if TYPE_CHECKING:
    from ssbray.analysis.analyse import Analysis, Ask
    from ssbray.domain import Micrograph
    from ssbray.segmentation import Segmenter

DRAWS = 12
SHORT = {"contact_fraction": "contact fraction", "thickness:layers:mean_nm": "layers, nm",
         "grain_boundary_length_um": "grain boundary, um", "pore_fraction_of_electrolyte": "porosity"}
SHOWN = tuple(SHORT)


def add(commands: Any) -> None:
    """Declare the commands."""
    command = commands.add_parser("segment", help="micrographs to phase maps and measurements", description=(
        "For each IMAGE writes NAME.labels.tif, NAME.probabilities.tif (one page per class), NAME.overlay.png and "
        "NAME.measurements.json with the measurements and their intervals."))
    command.add_argument("images", nargs="+", metavar="IMAGE")
    command.add_argument("--model", required=True, metavar="MODEL", help="from `ssbray train segmenter`")
    command.add_argument("--out", required=True, metavar="DIR")
    _options(command)
    command.set_defaults(run=run_segment)
    command = commands.add_parser("analyze", help="one micrograph to conductivity, anomaly report and a picture")
    command.add_argument("image", metavar="IMAGE")
    command.add_argument("--segmenter", required=True, metavar="M", help="from `ssbray train segmenter`")
    command.add_argument("--surrogate", metavar="M", help="from `ssbray train surrogate`")
    command.add_argument("--solve", action="store_true", help="run the finite elements on the map and on drawn maps")
    command.add_argument("--axis", choices=("x", "y"), default="y", help="direction of the current (default y)")
    command.add_argument("--temperature", type=float, default=25.0, metavar="C", help="in C (default 25)")
    command.add_argument("--out", metavar="DIR", help="also write what `segment` writes")
    command.add_argument("--archive", metavar="DIR", help="keep what came from what; a map solved before is not again")
    _options(command)
    command.set_defaults(run=run_analyze)


def _options(command: Any) -> None:
    command.add_argument("--pixel-size-nm", type=float, metavar="P", help="where the file does not say")
    command.add_argument("--signal", metavar="NAME", help="which of several images in a file")
    command.add_argument("--synchronise", action="store_true",
                         help="move the grid of the element maps to the image first, where they are clearly shifted")
    command.add_argument("--draws", type=int, default=DRAWS, metavar="K", help=f"maps from the posterior ({DRAWS})")
    command.add_argument("--foil-thickness-nm", type=float, metavar="T", help="for a density of dislocations")
    command.add_argument("--dropout", type=int, default=0, metavar="T",
                         help="passes with dropped channels instead of the ensemble: the cheap way to doubt")
    command.add_argument("--orientations", type=int, metavar="N",
                         help="1, 2 or 4 sides from which each net looks: fewer are faster (default: as calibrated)")
    command.add_argument("--phase", action="append", metavar="CLASS=MATERIAL", help="e.g. --phase coating=Li3BO3")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)


def run_segment(args: argparse.Namespace) -> int:
    """Segment images one after the other; a bad one is told at the end and does not stop the others."""
    ask, model = _ask(args), _model(args.model, args.device).looking(args.orientations)
    out = directory(args.out)
    stems = [Path(image).stem for image in args.images]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError("IMAGE", twice[0], "two images have this name, and would be written to the same files")
    rows, bad = [], []
    for image in args.images:
        try:
            rows.append(_one(image, model, ask, args, out)[0])
        except InputError as error:
            bad.append(f"{image}: {error}")
    emit({"images": rows, "failed": bad, "model_version": model.version, "out": args.out}, args.json,
         [(row["image"], ", ".join(f"{name} {share:.3f}" for name, share in row["phase_fraction"].items()))
          for row in rows])
    for line in bad:
        print(f"ssbray: {line}", file=sys.stderr)
    return 2 if bad else 0


def run_analyze(args: argparse.Namespace) -> int:
    """One image, all the way."""
    if not args.solve and args.surrogate is None:
        raise InputError("--solve", "not given", "give --solve, --surrogate MODEL, or both: else use `ssbray segment`")
    started = time.perf_counter()
    ask, model = _ask(args), _model(args.segmenter, args.device).looking(args.orientations)
    out = None if args.out is None else directory(args.out)
    learnt = None
    if args.surrogate is not None:
        from ssbray.surrogate import Surrogate

        learnt = Surrogate.load(args.surrogate)
    content, analysis, micrograph = _one(args.image, model, ask, args, None)
    answer: dict[str, Any] = {"sigma_eff_S_per_cm": None, "solve": None, "surrogate": None, "anomaly": None,
                              "in_domain": None}
    if analysis.conductivity is not None:
        answer["solve"] = _solved(analysis)
        answer["sigma_eff_S_per_cm"] = {
            "mean": answer["solve"]["sigma_eff_S_per_cm"], "std": answer["solve"]["std_S_per_cm"],
            "interval90": answer["solve"]["interval90_S_per_cm"]}
    if learnt is not None:
        from ssbray.analysis.predict import predict

        answer |= predict(analysis, learnt, ask)
    content |= answer | {"seconds": time.perf_counter() - started}
    if out is not None:
        _write(out, Path(args.image).stem, micrograph, analysis, content)
    emit(content, args.json, _lines(content))
    return 0


def _one(image: str, model: Segmenter, ask: Ask, args: argparse.Namespace, out: Path | None
         ) -> tuple[dict[str, Any], Analysis, Micrograph]:
    from ssbray import microscope
    from ssbray.analysis.analyse import analyse

    micrograph = microscope.read(image, pixel_size_nm=args.pixel_size_nm, signal=args.signal)
    told: tuple[str, ...] = ()
    if args.synchronise:
        micrograph = microscope.synchronise(micrograph)
        told = (_moved(micrograph.metadata["eds_registration"]),)
    if getattr(args, "archive", None):
        from ssbray.analysis.keep import kept

        analysis = kept(args.archive, micrograph, model, ask, Path(image).stem)
    else:
        analysis = analyse(micrograph, model, ask)
    for line in (*told, *analysis.warnings):
        if not args.json:
            print(f"ssbray: warning: {Path(image).name}: {line}", file=sys.stderr)
    content = {
        "image": image, "source_sha256": micrograph.source_sha256, "model_version": model.version,
        "pixel_size_nm": micrograph.pixel_size_nm, "shape": list(micrograph.shape),
        "phase_fraction": {name: analysis.phase_map.fraction(name) for name in model.classes},
        "measurements": analysis.intervals, "not_measured": dict(analysis.measured.missing),
        "intervals": {"draws": ask.draws, "calibrated_on_specimens": analysis.trust.specimens,
                      "correlation_px": analysis.trust.correlation_px},
        "materials": {"electrolyte": analysis.sheet.electrolyte, "cathode": analysis.sheet.cathode,
                      "coating": analysis.sheet.coating},
        "mean_entropy_nat": float(analysis.found.entropy.mean()),
        "mean_mutual_information_nat": float(analysis.found.doubt.mean()), "warnings": list(analysis.warnings)}
    if out is not None:
        _write(out, Path(image).stem, micrograph, analysis, content)
    return content, analysis, micrograph


def _moved(note: dict[str, Any]) -> str:
    """What registering the element maps did."""
    if not note["applied"]:
        return f"element maps left where they are: {note['reason']}"
    (top, left), (height, width) = note["images_from_px"], note["images_size_px"]
    return (f"element maps moved by {note['shift_nm'][0]:.3g} nm down and {note['shift_nm'][1]:.3g} nm to the right; "
            f"what follows is of the {height} x {width} pixels from row {top}, column {left}, that both cover")


def _write(out: Path, stem: str, micrograph: Micrograph, analysis: Analysis, content: dict[str, Any]) -> None:
    from ssbray.cli.overlay import draw

    size = micrograph.pixel_size_nm
    names = list(analysis.found.classes)
    write_bytes(out / f"{stem}.labels.tif", _tiff(analysis.found.labels, size, {"classes": names}))
    share = np.round(analysis.found.probability * 65535).astype(np.uint16)
    write_bytes(out / f"{stem}.probabilities.tif", _tiff(share, size, {"classes": names, "one": 65535}))
    if analysis.phase_map.grains is not None:
        write_bytes(out / f"{stem}.grains.tif", _tiff(analysis.phase_map.grains, size, {}))
    image = next(iter(micrograph.images.values())) if micrograph.haadf is None else micrograph.haadf
    numbers = {name: f"{100 * share:.1f} %" for name, share in content["phase_fraction"].items() if share > 0}
    for name in SHOWN:
        if name in analysis.intervals:
            row = analysis.intervals[name]
            told = "" if row["low90"] is None else f" [{row['low90']:.3g}, {row['high90']:.3g}]"
            numbers[SHORT[name]] = f"{row['value']:.3g}{told or ', no interval'}"
    if analysis.conductivity is not None:
        solved = _solved(analysis)
        low, high = solved["interval90_S_per_cm"]
        numbers["sigma (S/cm)"] = f"{solved['sigma_eff_S_per_cm']:.3g} [{low:.3g}, {high:.3g}]"
    draw(out / f"{stem}.overlay.png", image, analysis.found, numbers, calibrated=True)
    write_json(out / f"{stem}.measurements.json", content)


def _tiff(array: np.ndarray, pixel_size_nm: float, about: dict[str, Any]) -> bytes:
    import json

    import tifffile

    buffer = io.BytesIO()
    per_cm = 1e7 / pixel_size_nm
    tifffile.imwrite(buffer, array, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", compression="zlib",
                     photometric="minisblack", description=json.dumps(about))
    return buffer.getvalue()


def _solved(analysis: Analysis) -> dict[str, Any]:
    found = analysis.conductivity
    assert found is not None
    low, high = found.low90, found.high90
    spread = found.std_ln
    return {"sigma_eff_S_per_cm": units.S_per_cm(found.sigma),
            "std_S_per_cm": None if spread is None else units.S_per_cm(found.sigma * spread),
            "interval90_S_per_cm": [units.S_per_cm(low), units.S_per_cm(high)],
            "draws_S_per_cm": [units.S_per_cm(value) for value in found.draws], "not_percolating_share": found.blocked,
            "image_std_ln": spread, "percolates": found.solution.percolates, "reason": found.solution.reason,
            "dissipation_fraction": dict(found.solution.dissipation_fraction)}


def _lines(content: dict[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [("phases", {k: round(v, 4) for k, v in content["phase_fraction"].items() if v > 0})]
    for name in SHOWN:
        if name in content["measurements"]:
            row = content["measurements"][name]
            rows.append((name, _with_interval(row, 4)))
    if content["solve"] is not None:
        low, high = content["solve"]["interval90_S_per_cm"]
        rows.append(("sigma_eff", f"{content['solve']['sigma_eff_S_per_cm']:.4g} S/cm, 90 % [{low:.4g}, {high:.4g}] "
                     "of the image's doubt"))
        if content["solve"]["reason"]:
            rows.append(("reason", content["solve"]["reason"]))
    if content["surrogate"] is not None:
        own = content["surrogate"]["sigma_eff_S_per_cm"]
        low, high = own["interval90"]
        rows.append(("surrogate", f"{own['mean']:.4g} S/cm, 90 % [{low:.4g}, {high:.4g}] of the map as it is"
                     + ("" if content["in_domain"] else "; beyond what it has learnt, where no interval holds")))
        if content["solve"] is None:
            low, high = content["sigma_eff_S_per_cm"]["interval90"]
            rows.append(("sigma_eff", f"{own['mean']:.4g} S/cm, 90 % [{low:.4g}, {high:.4g}] with the image's doubt"))
        rows.append(("anomaly", f"p = {content['anomaly']['p_value']:.2g}" + ("".join(
            f"; {reason}" for reason in content["anomaly"]["reasons"]))))
    return rows


def _with_interval(row: dict[str, float | None], digits: int) -> str:
    """A value and its interval, or that there is none."""
    if row["low90"] is None or row["high90"] is None:
        return f"{row['value']:.{digits}g} (no interval holds: see the model's calibration)"
    return f"{row['value']:.{digits}g}  90 % [{row['low90']:.{digits}g}, {row['high90']:.{digits}g}]"


def _ask(args: argparse.Namespace) -> Ask:
    from ssbray.analysis.analyse import Ask

    for name, value, least in (("--draws", args.draws, 2), ("--dropout", args.dropout, 0), ("--seed", args.seed, 0)):
        if value < least:
            raise InputError(name, value, f"must be at least {least}")
    if args.foil_thickness_nm is not None and not 0 < args.foil_thickness_nm < 1e5:
        raise InputError("--foil-thickness-nm", args.foil_thickness_nm, "must be a positive number of nanometres")
    if args.pixel_size_nm is not None and not PIXELS_NM[0] <= args.pixel_size_nm <= PIXELS_NM[1]:
        low, high = PIXELS_NM
        raise InputError("--pixel-size-nm", args.pixel_size_nm, f"must lie within {low:g}..{high:g} nm")
    phases: dict[str, str] = {}
    for entry in args.phase or []:
        name, separator, key = entry.partition("=")
        if not separator or not name or not key:
            raise InputError("--phase", entry, "write it as CLASS=MATERIAL, e.g. --phase coating=Li3BO3")
        phases[name] = key
    temperature = getattr(args, "temperature", 25.0)
    if not -100 < temperature < 400:
        raise InputError("--temperature", temperature, "must lie between -100 and 400 C")
    return Ask(draws=args.draws, seed=args.seed, dropout=args.dropout, device=args.device, phases=phases,
               foil_thickness_nm=args.foil_thickness_nm,
               solve=getattr(args, "solve", False), axis=getattr(args, "axis", "y"), temperature_C=temperature)


def _model(path: str, device: str) -> Segmenter:
    from ssbray.segmentation import Segmenter

    return Segmenter.load(path, device)

