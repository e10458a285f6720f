"""From a folder of labelled images to a calibrated segmenter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssbray import rng
from ssbray.errors import InputError
from ssbray.segmentation.calibrate import averaged, scaling
from ssbray.segmentation.example import NOTHING, Example
from ssbray.segmentation.fit import Progress, Training, fit
from ssbray.segmentation.folder import Folder, open_folder
from ssbray.segmentation.fusion import class_counts, fused, learn
from ssbray.segmentation.model import Scaling, Segmenter, given
from ssbray.segmentation.net import Net, placed
from ssbray.segmentation.scores import Tally

COMMON = 0.5  #: an input is worth learning if at least this share of the images has it
SCALES = 1.15  #: ratio of pixel sizes up to which images are of one scale
PORES = ("pore", "pores", "void", "voids")
ORDERS = 200  #: of the specimens, from which the most even is taken
CALIBRATION_PIXELS = 200_000  #: on which the temperature is fitted


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which images are for what; a specimen is in one part only."""

    train: tuple[str, ...]
    calibrate: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the images have in common."""

    images: tuple[str, ...]
    elements: tuple[str, ...]
    pixel_size_nm: float | None


def split(folder: Folder, *, hold_out: float, calibrate: float, seed: int) -> Split:
    """Divide the specimens: a share for the test, a share for the calibration, the rest to learn from.

    With fewer than three specimens to learn from nothing is kept for calibration. Each part gets its share of the
    specimens with rare classes, as far as that goes.
    """
    for name, share in (("--hold-out", hold_out), ("--calibrate", calibrate)):
        if not 0 <= share < 1:
            raise InputError(name, share, "must lie between 0 and 1")
    groups = sorted(set(folder.groups.values()))
    test = math.ceil(hold_out * len(groups)) if hold_out else 0
    kept = math.ceil(calibrate * len(groups)) if calibrate and len(groups) - test >= 3 else 0
    if len(groups) - test - kept < 1:
        raise InputError("--hold-out", hold_out, f"leaves none of {len(groups)} specimens to learn from")
    order = _stratified(folder, groups, (test, kept), seed)
    part = dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + kept], "calibrate")
    parts: dict[str, list[str]] = {"train": [], "calibrate": [], "test": []}
    for stem, group in folder.groups.items():
        parts[part.get(group, "train")].append(stem)
    return Split(**{name: tuple(stems) for name, stems in parts.items()})


def _stratified(folder: Folder, groups: Sequence[str], counts: tuple[int, int], seed: int) -> list[str]:
    """Specimens at random, but the first parts, of so many each, with the rarer classes in their share.

    Of so many random orders the one whose parts' shares of specimens with each class are nearest to those of all.
    """
    has = {group: np.zeros(len(folder.names), dtype=bool) for group in groups}
    for stem, group in folder.groups.items():
        has[group] |= folder.present(stem)
    table = np.array([has[group] for group in groups], dtype=float)
    ends = np.cumsum((0, *counts))
    best: tuple[float, list[int]] | None = None
    for k in range(ORDERS if sum(counts) else 1):
        order = rng.stream(seed, "split", k).permutation(len(groups))
        parts = [order[low:high] for low, high in zip(ends[:-1], ends[1:], strict=True) if high > low]
        off = sum(float(np.abs(table[part].sum(axis=0) - len(part) * table.mean(axis=0)).sum()) for part in parts)
        if best is None or off < best[0] - 1e-9:
            best = (off, [int(index) for index in order])
    assert best is not None
    return [groups[index] for index in best[1]]


def inputs(folder: Folder, stems: Sequence[str]) -> Inputs:
    """Find the images, elements and pixel size that most of the images have."""
    images: dict[str, int] = {}
    elements: dict[str, int] = {}
    sizes = []
    for stem in stems:
        micrograph, calibrated = folder.micrograph(stem)
        for name in micrograph.images:
            images[name] = images.get(name, 0) + 1
        for name in micrograph.eds:
            elements[name] = elements.get(name, 0) + 1
        if calibrated:
            sizes.append(micrograph.pixel_size_nm)
    common = [name for name, count in images.items() if count >= COMMON * len(stems)]
    if not common:
        raise InputError("images", ", ".join(images), "no detector is common to half of the images: train on one kind")
    if sizes and max(sizes) > SCALES * min(sizes):
        raise InputError("pixel_size_nm", f"{min(sizes):g} to {max(sizes):g}", "train on images of one scale: the net "
                         "learns what things look like at so many nanometres per pixel")
    common.sort(key=lambda name: (name != "haadf", -images[name], name))
    return Inputs(images=tuple(common), pixel_size_nm=float(np.median(sizes)) if len(sizes) == len(stems) else None,
                  elements=tuple(sorted(name for name, count in elements.items() if count >= COMMON * len(stems))))


def member(place: str, stems: Sequence[str], found: Inputs, seed: int, k: int, training: Training,
           device: str = "cpu", progress: Progress | None = None, threads: int | None = None
           ) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Train the k-th net of an ensemble; returns its weights and figures. Runs anywhere that sees the folder."""
    if threads is not None:
        torch.set_num_threads(threads)
    folder = open_folder(place)
    examples = [folder.example(stem, found.images, found.elements) for stem in stems]
    net, figures = fit(examples, images=len(found.images), elements=len(found.elements), classes=len(folder.names),
                       pore=pore_class(folder.names), seed=rng.subseed(seed, "member", k), training=training,
                       device=device, progress=progress)
    return {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}, figures


def pore_class(names: Sequence[str]) -> int | None:
    """Index of the class of pores, if there is one."""
    return next((k for k, name in enumerate(names) if name.lower() in PORES), None)


def finish(folder: Folder, parts: Split, found: Inputs, training: Training,
           members: Sequence[tuple[dict[str, np.ndarray], dict[str, float]]], seed: int, device: str = "cpu"
           ) -> Segmenter:
    """Put the nets together, and calibrate them on specimens that none of them has seen."""
    nets = []
    for state, _ in members:
        net = Net(len(found.images), len(found.elements), len(folder.names), training.size)
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
        nets.append(placed(net, device).eval().requires_grad_(False))
    model = Segmenter(nets=tuple(nets), classes=folder.names, images=found.images, elements=found.elements,
                      size=training.size, pixel_size_nm=found.pixel_size_nm, orientations=training.sides)
    examples = [folder.example(stem, found.images, found.elements) for stem in parts.calibrate]
    scalings = {name: _scaling(model, some, seed, device) for name, some in _given(examples).items()}
    card = {"training": {name: value for name, value in asdict(training).items() if name != "size"} |
            {"orientations": training.sides},
            "seed": seed, "members": [figures for _, figures in members], "calibration_scores": None,
            **{part: {stem: folder.sha256(stem) for stem in getattr(parts, part)}
               for part in ("train", "calibrate", "test")},
            "groups": {stem: folder.groups[stem] for stem in (*parts.train, *parts.calibrate)}}
    model = replace(model, scalings=scalings, calibrated=bool(examples))
    card["calibration_scores"] = _scores(model, examples, device) if examples else None
    model = replace(model, card=card)
    if found.elements and examples:
        model = replace(model, card={**card, "fusion": _fusion(model, folder, parts, device)})
    return model


def _fusion(model: Segmenter, folder: Folder, parts: Split, device: str) -> dict[str, Any]:
    """Compositions of the classes, and whether judging regions by them helps where nothing was learnt from."""
    counts = []
    for stem in parts.train:
        micrograph, _ = folder.micrograph(stem)
        if micrograph.eds_are_counts and all(name in micrograph.eds for name in model.elements):
            labels = folder.labels(stem, micrograph.shape)
            counts.append(class_counts(micrograph, labels, len(model.classes), model.elements))
    if not counts:
        return {"used": False}
    learnt = learn(counts, model.elements)
    before, after = 0.0, 0.0
    for stem in parts.calibrate:
        micrograph, _ = folder.micrograph(stem)
        truth = folder.labels(stem, micrograph.shape)
        found = model.segment(micrograph, device=device)
        before += _misfit(found.probability, truth)
        after += _misfit(fused(found, micrograph, learnt).probability, truth)
    return {**learnt.plain(), "used": after < before, "nll_without": before / len(parts.calibrate),
            "nll_with": after / len(parts.calibrate)}


def _misfit(probability: np.ndarray, truth: np.ndarray) -> float:
    """Mean negative log probability of the known labels."""
    known = truth != NOTHING
    share = np.take_along_axis(probability, np.where(known, truth, 0)[None].astype(np.int64), axis=0)[0]
    return float(-np.log(np.maximum(share[known], 1e-12)).mean())


def _given(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The calibration's examples with all of their inputs, with the images only, and with the first image only."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        planes = example.planes
        bare = replace(planes, elements=np.zeros_like(planes.elements), has_element=np.zeros_like(planes.has_element))
        first = np.zeros_like(planes.has_image)
        first[0] = planes.has_image[0]
        least = replace(bare, images=bare.images * first[:, None, None], has_image=first)
        for each in (planes, bare, least):
            kept = found.setdefault(given(each), [])
            if not kept or kept[-1].name != example.name:
                kept.append(replace(example, planes=each))
    return found


def _scaling(model: Segmenter, examples: Sequence[Example], seed: int, device: str) -> Scaling:
    """Temperature and biases from pixels drawn from examples."""
    count = len(model.classes)
    share = min(1.0, CALIBRATION_PIXELS / sum(example.labels.size for example in examples))
    random = rng.stream(seed, "calibration pixels")
    drawn: list[list[Tensor]] = [[] for _ in model.passes]
    labels: list[Tensor] = []
    for example in examples:
        chosen = random.random(example.labels.shape) < share
        for place, answers in model.logits(example.planes, device=device):
            inside = torch.from_numpy(chosen[place])
            for kept, answer in zip(drawn, answers, strict=True):
                kept.append(answer[:count].cpu()[:, inside])
            labels.append(torch.from_numpy(example.labels[place])[inside])
    heat, bias = scaling([torch.cat(kept, dim=1) for kept in drawn], torch.cat(labels))
    return heat, tuple(bias)


def _scores(model: Segmenter, examples: Sequence[Example], device: str) -> dict[str, Any]:
    """Scores on the calibration's examples, with all of their inputs."""
    tally = Tally(model.classes)
    for example in examples:
        probability = np.empty((len(model.classes), *example.labels.shape), dtype=np.float32)
        for place, answers in model.logits(example.planes, device=device):
            part = averaged([answer[: len(model.classes)] for answer in answers], *model.scaling(example.planes))
            probability[(slice(None), *place)] = part.cpu().numpy()
        tally.add(probability.argmax(axis=0).astype(np.uint8), example.labels, probability)
    return tally.scores()
