"""Micrographs of the samples, and the segmenter that learns from those of most of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.campaign import imaging
from ssbray.files import write_json
from ssbray.segmentation import Segmenter, train
from ssbray.segmentation.augment import Augmentation
from ssbray.segmentation.evaluation import evaluate
from ssbray.segmentation.fit import Training
from ssbray.segmentation.folder import open_folder
from ssbray.study.samples import Sight
from ssbray.study.spec import SegmenterSection
from ssbray.study.tools import Tools

HELD_OUT, CALIBRATED = 0.1, 0.1  #: shares of the samples
ONLY = {"HAADF, BF and element maps": None, "HAADF and BF": ("haadf", "bf"), "HAADF": ("haadf",)}


@dataclass(frozen=True)
class Shot:
    """Takes the micrograph of one location; runs anywhere that sees the folder."""

    out: Path
    knobs: dict[str, Any]

    def __call__(self, sight: Sight) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Write truth and image, unless they are there; what a listing says of them, and the names of the classes."""
        done = self.out / "rows" / f"{sight.stem}.json"
        if done.exists():
            kept = json.loads(done.read_text())
            return kept["row"], tuple(kept["names"])
        place = imaging.Place(stem=sight.stem, sample=sight.sample, location=sight.location)
        phase_map, row = imaging.write_truth(self.out, sight.task, place)
        names, row["rendering"] = imaging.write_micrograph(self.out, sight.task, phase_map, self.knobs, place)
        write_json(done, {"row": row, "names": names})
        return row, names


def take(sights: Sequence[Sight], knobs: dict[str, Any], out: Path, tools: Tools, made_from: dict[str, Any]
         ) -> dict[str, Any]:
    """Micrographs of all sights in a folder that `train segmenter` reads; those of other sights there make room."""
    stamp = out / "made_from.json"
    if out.exists() and not (stamp.exists() and json.loads(stamp.read_text()) == made_from):
        shutil.rmtree(out)
    write_json(stamp, made_from)
    told = tools.each(Shot(out, knobs), sights, "micrographs")
    imaging.write_listing(out, made_from, [row for row, _ in told], [names for _, names in told])
    fractions = {name: float(np.mean([row["fractions"].get(name, 0.0) for row, _ in told]))
                 for name in sorted({name for row, _ in told for name in row["fractions"]})}
    return {"micrographs": len(told), "samples": len({each.sample for each in sights}),
            "pixel_size_nm": sights[0].task.pixel_size_nm, "size_nm": list(sights[0].task.size_nm),
            "mean_fractions": fractions,
            "true_fractions": {row["name"]: row["fractions"] for row, _ in told}}


def learn(folder: Path, out: Path, wanted: SegmenterSection, seed: int, tools: Tools) -> dict[str, Any]:
    """Train a segmenter on 80 % of the samples and calibrate it on 10 %; the rest is for the test."""
    known = open_folder(folder)
    parts = train.split(known, hold_out=HELD_OUT, calibrate=CALIBRATED, seed=seed)
    found = train.inputs(known, parts.train)
    training = Training.suited(found.pixel_size_nm, minutes=wanted.minutes, steps=wanted.steps,
                               augmentation=Augmentation.suited(found.pixel_size_nm))
    members = tools.members(wanted.members, str(folder), parts.train, found, seed, training)
    model = train.finish(known, parts, found, training, members, seed,
                         each=lambda function, items, _: tools.each(function, items, "calibration"))
    model.save(out)
    return {"model_version": model.version, "members": [figures for _, figures in members],
            "parts": {name: sorted(stems) for name, stems in asdict(parts).items()}}


def judge(folder: Path, place: Path) -> dict[str, Any]:
    """Scores on the test samples, by what the microscope gives."""
    model, known = Segmenter.load(place), open_folder(folder)
    return {what: evaluate(model, known, only=only) for what, only in ONLY.items()}

