"""From a folder of labelled images to a calibrated segmenter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from ssbray import rng
from ssbray.errors import InputError
from ssbray.segmentation.each import Each, one_by_one
from ssbray.segmentation.fit import Progress, Training, fit
from ssbray.segmentation.folder import Folder, open_folder
from ssbray.segmentation.model import Segmenter
from ssbray.segmentation.net import Net, placed
from ssbray.segmentation.trust import trusted

COMMON = 0.5  #: an input is worth learning if at least this share of the images has it
SCALES = 1.15  #: ratio of pixel sizes up to which images are of one scale
PORES = ("pore", "pores", "void", "voids")
Member = tuple[dict[str, np.ndarray], dict[str, float]]  #: weights and figures
ORDERS = 200  #: of the specimens, from which the most even is taken


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

    Shares lie below one; whole numbers are numbers of specimens. With fewer than three specimens to learn from nothing
    is kept for calibration. Each part gets its share of the specimens with rare classes, as far as that goes.
    """
    for name, share in (("--hold-out", hold_out), ("--calibrate", calibrate)):
        if not (0 <= share < 1 or share >= 1 and float(share).is_integer()):
            raise InputError(name, share, "must be a share between 0 and 1, or a whole number of specimens")
    groups = sorted(set(folder.groups.values()))
    test = _number(hold_out, len(groups))
    kept = _number(calibrate, len(groups)) if len(groups) - test >= 3 else 0
    if calibrate >= 1 and not kept:
        raise InputError("--calibrate", calibrate, f"{len(groups)} specimens, less those held out, are too few to keep "
                         "some for that: give 0, or more specimens")
    if len(groups) - test - kept < 1:
        name, share = ("--hold-out", hold_out) if test >= kept else ("--calibrate", calibrate)
        raise InputError(name, share, f"leaves none of {len(groups)} specimens to learn from")
    order = _stratified(folder, groups, (test, kept), seed)
    part = dict.fromkeys(order[:test], "test") | dict.fromkeys(order[test : test + kept], "calibrate")
    parts: dict[str, list[str]] = {"train": [], "calibrate": [], "test": []}
    for stem, group in folder.groups.items():
        parts[part.get(group, "train")].append(stem)
    return Split(**{name: tuple(stems) for name, stems in parts.items()})


def _number(share: float, of: int) -> int:
    return math.ceil(share * of) if share < 1 else round(share)


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


def finish(folder: Folder, parts: Split, found: Inputs, training: Training, members: Sequence[Member], seed: int,
           device: str = "cpu", each: Each = one_by_one) -> Segmenter:
    """Put the nets together, and calibrate them on specimens that none of them has seen."""
    return trusted(assembled(folder, parts, found, training, members, seed, device), folder, parts.train,
                   parts.calibrate, seed=seed, device=device, each=each)


def assembled(folder: Folder, parts: Split, found: Inputs, training: Training, members: Sequence[Member], seed: int,
              device: str = "cpu") -> Segmenter:
    """The nets together, not calibrated yet."""
    nets = []
    for state, _ in members:
        net = Net(len(found.images), len(found.elements), len(folder.names), training.size)
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
        nets.append(placed(net, device).eval().requires_grad_(False))
    card = {"training": {name: value for name, value in asdict(training).items() if name != "size"} |
            {"orientations": training.sides},
            "seed": seed, "members": [figures for _, figures in members], "calibration_scores": None,
            **{part: {stem: folder.sha256(stem) for stem in getattr(parts, part)}
               for part in ("train", "calibrate", "test")},
            "groups": {stem: folder.groups[stem] for stem in (*parts.train, *parts.calibrate)}}
    return Segmenter(nets=tuple(nets), classes=folder.names, images=found.images, elements=found.elements,
                     size=training.size, pixel_size_nm=found.pixel_size_nm, orientations=training.sides, card=card)
