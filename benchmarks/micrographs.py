"""What a segmenter's measurements and conductivities are worth, on virtual micrographs that it has not seen.

    .venv/bin/python benchmarks/micrographs.py --model models/segmenter --data models/segmenter-data

Measurements are compared with those of the mask, conductivities with those of the true map (before the scan bent it).
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from ssbray import materials
from ssbray.analysis.analyse import Ask, analyse
from ssbray.analysis.propagate import solve_map
from ssbray.analysis.sheet import sheet_of
from ssbray.domain import PhaseMap
from ssbray.measure import measure
from ssbray.microscope import visible
from ssbray.segmentation import Segmenter
from ssbray.segmentation.evaluation import limited, unseen
from ssbray.segmentation.folder import open_folder

ASKED = ("thickness:layers:mean_nm", "thickness:t-LLZO:mean_nm", "thickness:La2Zr2O7:mean_nm",
         "thickness:coating:mean_nm", "contact_fraction", "fraction:pore", "grain_boundary_length_um",
         "dislocation_length_um", "interface_length_um")


def main() -> None:
    """Analyse every image of an unseen specimen, with the finite elements, and print errors and coverage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--only", action="append")
    parser.add_argument("--out")
    options = parser.parse_args()
    model, folder, tables = Segmenter.load(options.model), open_folder(options.data), materials.load()
    facts = {row["name"]: row for row in
             json.loads((Path(options.data) / "specimens.json").read_text())["specimens"]}
    rows: dict[str, list[tuple[float, float, bool | None]]] = {}
    for stem in unseen(model, folder)[0]:
        micrograph, _ = folder.micrograph(stem, model.pixel_size_nm)
        micrograph = limited(micrograph, options.only)
        found = analyse(micrograph, model, Ask(draws=options.draws, solve=True))
        grains = folder.layer("grains", stem, micrograph.shape)
        lines = folder.layer("dislocations", stem, micrograph.shape)
        seen = PhaseMap(labels=folder.labels(stem, micrograph.shape), phases=folder.names, grains=grains,
                        pixel_size_nm=micrograph.pixel_size_nm)
        truth = measure(seen, dislocations=lines > 0).values
        for name in ASKED:
            if name in truth and truth[name] > 0:
                row = found.intervals.get(name)
                bounded = row is not None and row["low90"] is not None
                inside = row["low90"] <= truth[name] <= row["high90"] if bounded else None
                rows.setdefault(name, []).append((row["value"] if row else math.nan, truth[name], inside))
        kept = np.load(Path(options.data) / "truth" / f"{stem}.npz")
        true = PhaseMap(labels=kept["labels"], phases=tuple(facts[stem]["phases"]), pixel_size_nm=seen.pixel_size_nm)
        labels, classes = visible(true, tables)
        sheet = sheet_of(micrograph, {}, tables)
        sigma = solve_map(replace(true, labels=labels, phases=classes, grains=kept["grains"]), sheet, tables, 25.0,
                          "y").sigma_eff
        got = found.conductivity
        rows.setdefault("sigma_eff", []).append((got.sigma, sigma, got.low90 <= sigma <= got.high90))
        if options.out:
            Path(options.out).write_text(json.dumps(rows))
    print(f"{'quantity':<28} {'n':>3} {'median error %':>15} {'90 % below %':>13} {'bias %':>8} {'inside':>8}")
    for name, values in rows.items():
        off = np.array([(value - true) / true for value, true, _ in values if math.isfinite(value) and true > 0])
        inside = sum(bool(hit) for *_, hit in values)
        given = sum(hit is not None for *_, hit in values)
        print(f"{name:<28} {len(values):>3} {100 * np.median(np.abs(off)):>15.2f} "
              f"{100 * np.quantile(np.abs(off), 0.9):>13.2f} {100 * np.median(off):>8.2f} {inside:>4}/{given}")


if __name__ == "__main__":
    main()
