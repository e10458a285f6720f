"""Intervals that hold what they promise: correlation length and widths from specimens that the nets have not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ssbray import materials
from ssbray.analysis.draws import Trust, dislocations, drawn, kind, likely, measured, restricted
from ssbray.analysis.interval import half_widths, value_of
from ssbray.analysis.propagate import QUANTITY, solve_map
from ssbray.analysis.sheet import sheet_of
from ssbray.domain import Micrograph, PhaseMap
from ssbray.measure import Measurements, measure
from ssbray.microscope.classes import CLASSES
from ssbray.segmentation import Segmentation, Segmenter
from ssbray.segmentation.each import Each, one_by_one
from ssbray.segmentation.example import NOTHING
from ssbray.segmentation.fit import Progress
from ssbray.segmentation.folder import Folder
from ssbray.segmentation.trust import mixed

LENGTHS = (6.0, 16.0, 40.0)  #: candidates for the correlation length [pixels]
LOOKS = 20  #: images on which they are compared
SOLVED = 100  #: images whose conductivity is compared
DRAWS = 8  #: for each image and length
COVERAGE = 0.9
HOPELESS = 0.5  #: median relative error from which a quantity gets no interval: the model does not see it
FEW = 9  #: values from which a quantity has a factor of its own
COUNTS = ("grain_count", "grain_cut_count", "pore_count", "pore_cut_count", "cleaned_fraction")


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """A specimen with its truth."""

    micrograph: Micrograph
    found: Segmentation
    truth: PhaseMap
    measured: Measurements


@dataclass(frozen=True)
class Row:
    """One quantity of one specimen."""

    name: str
    ratio: float  #: |truth - value| over the half width of the draws on that side
    missed: float | None  #: |truth - value| over the truth, where that is not zero


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is looked at of a specimen; a task by itself."""

    model: Segmenter
    folder: Folder
    device: str

    def __call__(self, wanted: tuple[str, tuple[float, ...], int, bool]) -> list[list[Row]]:
        """Rows of an image for each correlation length, given its name, these, a seed, and whether to solve as well."""
        stem, lengths, seed, solve = wanted
        one = case(self.model, self.folder, stem, self.device)
        return [compared(one, Trust(correlation_px=length), seed, solve=solve) for length in lengths]


def case(model: Segmenter, folder: Folder, stem: str, device: str = "cpu") -> Case:
    """Segment an image of a folder, and measure its mask."""
    micrograph, _ = folder.micrograph(stem, model.pixel_size_nm)
    grains = folder.layer("grains", stem, micrograph.shape)
    lines = folder.layer("dislocations", stem, micrograph.shape)
    labels = folder.labels(stem, micrograph.shape)
    truth = PhaseMap(labels=np.where(labels == NOTHING, np.uint8(len(folder.names)), labels).astype(np.uint8),
                     phases=(*folder.names, "unknown"), pixel_size_nm=micrograph.pixel_size_nm,
                     grains=None if grains is None else grains.astype(np.int32))
    absent = sheet_of(micrograph, {}, materials.load()).absent
    return Case(micrograph=micrograph, found=restricted(model.segment(micrograph, device=device), absent), truth=truth,
                measured=measure(truth, dislocations=None if lines is None else lines > 0))


def calibrated(model: Segmenter, folder: Folder, stems: Sequence[str], *, seed: int, device: str = "cpu",
               progress: Progress | None = None, each: Each = one_by_one) -> Segmenter:
    """A model whose card says how its draws relate to the truth; unchanged without specimens to learn that from.

    The correlation length is chosen on the first `LOOKS` images, the widths are those of all of them.
    """
    if not stems or set(model.classes) != set(folder.names):
        return model
    look = Look(model=model, folder=folder, device=device)
    stems = mixed(folder, stems, seed)
    some = stems[:LOOKS]

    def onward(begun: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(begun + done, len(some) + len(stems))

    told = each(look, [(stem, LENGTHS, seed + k, False) for k, stem in enumerate(some)], onward(0))
    misses = []
    for own in zip(*told, strict=True):
        everything = np.concatenate([np.array(values) for values in _ratios(own).values()])
        misses.append(abs(float(np.mean(everything <= 1)) - COVERAGE))
    length = LENGTHS[int(np.argmin(misses))]
    solved = SOLVED if set(model.classes) <= set(CLASSES) else 0
    told = each(look, [(stem, (length,), seed + k, k < solved) for k, stem in enumerate(stems)], onward(len(some)))
    return replace(model, card={**model.card, "intervals": {
        "correlation_px": length, "widths": factors(_ratios([found for found, in told])),
        "specimens": len({folder.groups[stem] for stem in stems}),
        "solved": len({folder.groups[stem] for stem in stems[:solved]})}})


def compared(one: Case, trust: Trust, seed: int, *, solve: bool) -> list[Row]:
    """What both the mask and the most probable map have, but for counts; with `solve` the conductivity as well."""
    lines = dislocations(one.found)
    centre_map = likely(one.found)
    centre = measured(lines, centre_map)
    maps = list(drawn(one.found, centre_map, DRAWS, trust, seed))
    draws = [measured(lines, each) for each in maps]
    rows = []
    for name, truth in one.measured.values.items():
        if name in COUNTS or name not in centre.values or truth == centre.values[name] == 0:
            continue
        values = np.array([each.values[name] for each in draws if name in each.values])
        middle = value_of(name, centre, values)
        missed = abs(truth - middle) / truth if truth > 0 else None
        rows.append(Row(name, _ratio(truth, middle, half_widths(middle, values, abs(middle))), missed))
    return [*rows, *_of_sigma(one, centre_map, maps)] if solve else rows


def _ratio(truth: float, middle: float, widths: tuple[float, float]) -> float:
    side = widths[1] if truth > middle else widths[0]
    return abs(truth - middle) / side if side > 0 else math.inf


def _of_sigma(one: Case, centre: PhaseMap, maps: Sequence[PhaseMap]) -> list[Row]:
    """The logarithm of the conductivity; nothing where the sheet or a part of the mask is not known."""
    tables = materials.load()
    sheet = sheet_of(one.micrograph, {}, tables)
    if not sheet.known or (one.truth.labels == len(one.truth.phases) - 1).any():
        return []
    solved = [solve_map(each, sheet, tables, 25.0, "y").sigma_eff for each in (one.truth, centre, *maps)]
    logs = np.log([value for value in solved[2:] if value > 0])
    if not (solved[0] > 0 and solved[1] > 0 and len(logs)):
        return []
    truth, middle = math.log(solved[0]), math.log(solved[1])
    return [Row(QUANTITY, _ratio(truth, middle, half_widths(middle, logs, 1.0)), None)]


def _ratios(images: Iterable[Sequence[Row]]) -> dict[str, list[float]]:
    """Ratios of each quantity over images; infinite for all of a kind that is mostly missed."""
    ratios: dict[str, list[float]] = {}
    missed: dict[str, list[float]] = {}
    for row in (row for rows in images for row in rows):
        ratios.setdefault(row.name, []).append(row.ratio)
        if row.missed is not None:
            missed.setdefault(row.name, []).append(row.missed)
    hopeless = [name for name, off in missed.items() if np.median(off) > HOPELESS]
    return ratios | {name: [math.inf] * max(FEW, len(ratios[name])) for name in hopeless}


def factors(ratios: dict[str, list[float]]) -> dict[str, Any]:
    """Factor of each quantity, of each kind and of all: nine tenths of the ratios of new specimens lie below it.

    The conformal quantile (Vovk et al. 2005), but interpolated between neighbours, which makes it nine in ten on
    average where the next one up would be 19 in 21 (twenty specimens) or 17 in 18 (seventeen), and gives up the "at
    least". None where it is infinite: no factor holds nine times in ten.

    >>> round(factors({"a": [0.5] * 18 + [2.0] * 2})["a"], 6)
    1.85
    """
    pools: dict[str, list[float]] = {}
    for name, values in ratios.items():
        shared = {kind(name), "all"} if not all(map(math.isinf, values)) else set()
        for key in {name} | shared:
            pools.setdefault(key, []).extend(values)
    found: dict[str, float] = {"all": math.inf}  # where all is missed, nothing holds
    for name, values in pools.items():
        if len(values) >= FEW or name == "all":
            found[name] = _quantile(sorted(values))
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _quantile(ordered: Sequence[float]) -> float:
    """Between the values next to place `COVERAGE` (n + 1), the last one if that is beyond; infinite beside infinity."""
    place = min(COVERAGE * (len(ordered) + 1), len(ordered)) - 1
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    if not math.isfinite(ordered[high]):
        return ordered[low] if place == low else math.inf
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
