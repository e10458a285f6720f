"""How far a model's probabilities can be trusted, from specimens that its nets have not seen.

Each image is a task by itself, so that they can be shared out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import zip_longest
from operator import add
from typing import Any

import numpy as np
import torch

from ssbray import rng
from ssbray.segmentation.calibrate import scaling
from ssbray.segmentation.each import Each, one_by_one
from ssbray.segmentation.example import NOTHING
from ssbray.segmentation.fit import Progress
from ssbray.segmentation.folder import Folder
from ssbray.segmentation.fusion import Composition, class_counts, fused, learn
from ssbray.segmentation.inputs import Planes
from ssbray.segmentation.model import Scaling, Segmenter, given
from ssbray.segmentation.scores import Tally

PIXELS = 200_000  #: of all images together, on which temperature and biases are fitted
BARE = 60  #: images on which they are fitted for a part of the inputs
JUDGED = 100  #: images that are scored, and on which compositions have to help

Drawn = dict[str, tuple[list[np.ndarray], np.ndarray]]  #: logits (C, n) of each net and labels (n,), by what is given


def trusted(model: Segmenter, folder: Folder, learnt_from: Sequence[str], stems: Sequence[str], *, seed: int,
            device: str = "cpu", progress: Progress | None = None, each: Each = one_by_one) -> Segmenter:
    """The model with temperatures, biases, and the compositions of its classes, if judging by them helps.

    Without images to calibrate on it stays as it is.

    Parameters
    ----------
    learnt_from, stems : images of the folder that the nets have learnt from, and those to calibrate on.
    """
    if not stems:
        return model
    stems = mixed(folder, stems, seed)
    total = len(stems) + len(stems[:JUDGED])

    def onward(begun: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(begun + done, total)

    draw = Draw(model=model, folder=folder, device=device, seed=seed)
    drawn = each(draw, [(stem, k, PIXELS // len(stems), PIXELS // min(BARE, len(stems)) if k < BARE else 0)
                        for k, stem in enumerate(stems)], onward(0))
    kinds = dict.fromkeys(kind for one in drawn for kind in one)
    model = replace(model, calibrated=True, card={name: row for name, row in model.card.items() if name != "fusion"},
                    scalings={kind: _scaling([one[kind] for one in drawn if kind in one]) for kind in kinds})
    composition = _composition(model, folder, learnt_from)
    judged = each(Judge(model=model, folder=folder, device=device, composition=composition), stems[:JUDGED],
                  onward(len(stems)))
    card = {**model.card, "calibration_scores": reduce(add, [tally for tally, _, _ in judged]).scores()}
    if model.elements:
        card["fusion"] = {"used": False}
    if composition is not None:
        before, after = (float(np.mean([row[k] for row in judged])) for k in (1, 2))
        card["fusion"] = {**composition.plain(), "used": after < before, "nll_without": before, "nll_with": after}
    return replace(model, card=card)


def mixed(folder: Folder, stems: Sequence[str], seed: int) -> list[str]:
    """Images in such an order that the first ones are of as many specimens as can be: one of each, then a second."""
    specimens: dict[str, list[str]] = {}
    for stem in stems:
        specimens.setdefault(folder.groups[stem], []).append(stem)
    order = rng.stream(seed, "calibration order").permutation(len(specimens))
    rows = [list(specimens.values())[k] for k in order]
    return [stem for turn in zip_longest(*rows) for stem in turn if stem is not None]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Draws pixels of an image, with all of its inputs, with the images only, and with the first image only."""

    model: Segmenter
    folder: Folder
    device: str
    seed: int

    def __call__(self, wanted: tuple[str, int, int, int]) -> Drawn:
        """What the nets say of them, and what they are.

        Given the image's name and number, how many pixels to draw with all of its inputs, and with a part of them.
        """
        stem, number, count, fewer = wanted
        model, example = self.model, self.folder.example(stem, self.model.images, self.model.elements)
        chance = rng.stream(self.seed, "calibration pixels", number).random(example.labels.shape)
        found: Drawn = {}
        for k, (kind, planes) in enumerate(_given(example.planes).items()):
            if not (pixels := fewer if k else count):
                break
            chosen = chance < pixels / example.labels.size
            parts = [([answer[: len(model.classes)].cpu()[:, torch.from_numpy(chosen[place])].numpy()
                       for answer in answers], example.labels[place][chosen[place]])
                     for place, answers in model.logits(planes, device=self.device)]
            logits = [np.concatenate(nets, axis=1) for nets in zip(*(answers for answers, _ in parts), strict=True)]
            found[kind] = logits, np.concatenate([labels for _, labels in parts])
        return found


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Scores an image, and says what its regions' compositions do to the probability of the truth."""

    model: Segmenter
    folder: Folder
    device: str
    composition: Composition | None

    def __call__(self, stem: str) -> tuple[Tally, float, float]:
        """Its counts, and the misfit without and with compositions."""
        micrograph, _ = self.folder.micrograph(stem, self.model.pixel_size_nm)
        truth = self.folder.labels(stem, micrograph.shape)
        found = self.model.segment(micrograph, device=self.device)
        tally = Tally(self.model.classes)
        tally.add(found.labels, truth, found.probability)
        before = _misfit(found.probability, truth)
        if self.composition is None:
            return tally, before, math.inf
        return tally, before, _misfit(fused(found, micrograph, self.composition).probability, truth)


def _given(planes: Planes) -> dict[str, Planes]:
    """An image's inputs: all of them, the images only, and the first image only; once each."""
    bare = replace(planes, elements=np.zeros_like(planes.elements), has_element=np.zeros_like(planes.has_element))
    first = np.zeros_like(planes.has_image)
    first[0] = planes.has_image[0]
    least = replace(bare, images=bare.images * first[:, None, None], has_image=first)
    found: dict[str, Planes] = {}
    for some in (planes, bare, least):
        found.setdefault(given(some), some)
    return found


def _scaling(drawn: Sequence[tuple[list[np.ndarray], np.ndarray]]) -> Scaling:
    """Temperature and biases from drawn pixels."""
    nets = zip(*(logits for logits, _ in drawn), strict=True)
    heat, bias = scaling([torch.from_numpy(np.concatenate(parts, axis=1)) for parts in nets],
                         torch.from_numpy(np.concatenate([labels for _, labels in drawn])))
    return heat, tuple(bias)


def _composition(model: Segmenter, folder: Folder, stems: Sequence[str]) -> Composition | None:
    """Of the classes, from the images with all maps."""
    counts: list[Any] = []
    for stem in stems if model.elements else ():
        micrograph, _ = folder.micrograph(stem)
        if micrograph.eds_are_counts and all(name in micrograph.eds for name in model.elements):
            labels = folder.labels(stem, micrograph.shape)
            counts.append(class_counts(micrograph, labels, len(model.classes), model.elements))
    return learn(counts, model.elements) if counts else None


def _misfit(probability: np.ndarray, truth: np.ndarray) -> float:
    """Mean negative log probability of the known labels."""
    known = truth != NOTHING
    share = np.take_along_axis(probability, np.where(known, truth, 0)[None].astype(np.int64), axis=0)[0]
    return float(-np.log(np.maximum(share[known], 1e-12)).mean())
