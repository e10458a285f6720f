"""A segmenter on labelled images of specimens that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ssbray import rng
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.segmentation.fit import Progress
from ssbray.segmentation.folder import Folder
from ssbray.segmentation.model import Segmenter
from ssbray.segmentation.scores import Tally, grain_boundary_f1

RESAMPLES = 1000


def evaluate(model: Segmenter, folder: Folder, *, only: Sequence[str] | None = None, tolerance: float = 2.0,
             device: str = "cpu", progress: Progress | None = None) -> dict[str, Any]:
    """Score a model.

    Parameters
    ----------
    only : inputs to give it (detectors, elements, or "eds" for all elements); None for all there are.
    tolerance : pixels by which a boundary may be off.

    Returns
    -------
    iou and boundary_f1 by class (and of the grain boundaries, where grains are known), mean_iou with a bootstrap
    interval over images, ece, images, and how many images were left out because the model had learnt from them or
    from their specimens.
    """
    stems, skipped = unseen(model, folder)
    if set(model.classes) != set(folder.names):
        raise InputError("classes.yaml", ", ".join(folder.names), f"the model knows {', '.join(model.classes)}")
    order = np.array([model.classes.index(name) for name in folder.names] + [0] * (256 - len(folder.names)))
    order[255] = 255
    total = Tally(model.classes, tolerance)
    single, lines, notes = [], [], set[str]()
    for done, stem in enumerate(stems):
        micrograph, calibrated = folder.micrograph(stem, model.pixel_size_nm)
        if not calibrated and model.pixel_size_nm is not None:
            notes.add(f"images without a scale were taken as they are, for {model.pixel_size_nm:g} nm per pixel")
        found = model.segment(limited(micrograph, only), device=device)
        notes.update(found.notes)
        truth = order[folder.labels(stem, micrograph.shape)].astype(np.uint8)
        own = Tally(model.classes, tolerance)
        for tally in (total, own):
            tally.add(found.labels, truth, found.probability)
        single.append(own.confusion)
        grains = folder.layer("grains", stem, micrograph.shape)
        if grains is not None:
            lines.append(grain_boundary_f1(found.heads["grain boundary"], grains, truth, tolerance))
        if progress is not None:
            progress(done + 1, len(stems))
    scores = total.scores()
    if lines:
        scores["boundary_f1"]["grain boundary"] = float(np.mean([value for value in lines if value is not None]))
    return scores | {"mean_iou_interval90": _interval(np.stack(single)), "skipped": skipped, "warnings": sorted(notes),
                     "model_version": model.version, "scalings": dict(model.scalings)}


def unseen(model: Segmenter, folder: Folder) -> tuple[list[str], int]:
    """Images that the model has not learnt from, nor from another of their specimen in this folder; how many it has."""
    learnt = {sha for part in ("train", "calibrate") for sha in model.card.get(part, {}).values()}
    hashes = {stem: folder.sha256(stem) for stem in folder.stems}
    known = {folder.groups[stem] for stem, sha in hashes.items() if sha in learnt}
    stems = [stem for stem in folder.stems if folder.groups[stem] not in known]
    if not stems:
        raise InputError("--data", str(folder.place), "holds only specimens that the model has learnt from: train with "
                         "--hold-out 0.1, or give other images")
    return stems, len(folder.stems) - len(stems)


def limited(micrograph: Micrograph, only: Sequence[str] | None) -> Micrograph:
    """A micrograph with some of its inputs."""
    if only is None:
        return micrograph
    known = {*micrograph.images, *micrograph.eds, "eds"}
    for name in only:
        if name not in known:
            raise InputError("--only", name, f"the images have {', '.join(sorted(known))}")
    images = {name: image for name, image in micrograph.images.items() if name in only}
    if not images:
        raise InputError("--only", ", ".join(only), f"needs an image ({', '.join(micrograph.images)})")
    return replace(micrograph, images=images, eds={name: counts for name, counts in micrograph.eds.items()
                                                   if name in only or "eds" in only})


def _interval(confusions: np.ndarray) -> tuple[float, float]:
    """5th and 95th percentile of the mean IoU over images drawn again."""
    random = rng.stream(0, "images drawn again")
    drawn = confusions[random.integers(len(confusions), size=(RESAMPLES, len(confusions)))].sum(axis=1)
    both = np.diagonal(drawn, axis1=1, axis2=2)
    either = drawn.sum(axis=1) + drawn.sum(axis=2) - both
    there = drawn.sum(axis=2) > 0
    means = np.nanmean(np.where(there, both / np.maximum(either, 1), np.nan), axis=1)
    low, high = np.quantile(means, (0.05, 0.95))
    return float(low), float(high)
