"""Intervals that hold what they promise: correlation length and widths from specimens that the nets have not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from ssbray.segmentation.example import NOTHING
from ssbray.segmentation.fit import Progress
from ssbray.segmentation.folder import Folder

LENGTHS = (6.0, 16.0, 40.0)  #: candidates for the correlation length [pixels]
DRAWS = 8  #: for each specimen and length
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


def case(model: Segmenter, folder: Folder, stem: str, device: str = "cpu") -> Case:
    """Segment an image of a folder, and measure its mask."""
    micrograph, _ = folder.micrograph(stem)
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
               progress: Progress | None = None) -> Segmenter:
    """A model whose card says how its draws relate to the truth; unchanged without specimens to learn that from."""
    if not stems or set(model.classes) != set(folder.names):
        return model
    cases = [case(model, folder, stem, device) for stem in stems]
    total, done = len(cases) * (len(LENGTHS) + 1), 0
    best: tuple[float, Trust, dict[str, list[float]]] | None = None
    for length in LENGTHS:
        rows = []
        for k, each in enumerate(cases):
            rows.extend(_rows(each, Trust(correlation_px=length), seed + k))
            done += 1
            if progress is not None:
                progress(done, total)
        ratios = _ratios(rows)
        everything = np.concatenate([np.array(values) for values in ratios.values()])
        miss = abs(float(np.mean(everything <= 1)) - COVERAGE)
        if best is None or miss < best[0]:
            best = (miss, Trust(correlation_px=length), ratios)
    assert best is not None
    _, trust, ratios = best
    if set(model.classes) <= set(CLASSES) and all(sheet_of(each.micrograph, {}, materials.load()).known
                                                  for each in cases):
        ratios |= _of_sigma(cases, trust, seed, progress, done, total)
    specimens = len({folder.groups[stem] for stem in stems})
    return replace(model, card={**model.card, "intervals": {
        "correlation_px": trust.correlation_px, "widths": factors(ratios), "specimens": specimens}})


@dataclass(frozen=True, eq=False)
class Row:
    """One quantity of one specimen: what it is, and what the model makes of it."""

    name: str
    truth: float
    centre: Measurements
    draws: np.ndarray


def _rows(each: Case, trust: Trust, seed: int) -> list[Row]:
    """What both the mask and the most probable map have, but for counts."""
    lines = dislocations(each.found)
    middle_map = likely(each.found)
    centre = measured(lines, middle_map)
    draws = [measured(lines, one) for one in drawn(each.found, middle_map, DRAWS, trust, seed)]
    return [Row(name, truth, centre, np.array([one.values[name] for one in draws if name in one.values]))
            for name, truth in each.measured.values.items()
            if name not in COUNTS and name in centre.values and not truth == centre.values[name] == 0]


def _ratios(rows: Sequence[Row]) -> dict[str, list[float]]:
    """|truth - value| over the half width on that side; infinite for all of a kind that is mostly missed."""
    ratios: dict[str, list[float]] = {}
    missed: dict[str, list[float]] = {}
    for row in rows:
        middle = value_of(row.name, row.centre, row.draws)
        low, high = half_widths(middle, row.draws, abs(middle))
        side = high if row.truth > middle else low
        ratios.setdefault(row.name, []).append(abs(row.truth - middle) / side if side > 0 else math.inf)
        if row.truth > 0:
            missed.setdefault(row.name, []).append(abs(row.truth - middle) / row.truth)
    hopeless = [name for name, off in missed.items() if np.median(off) > HOPELESS]
    return ratios | {name: [math.inf] * max(FEW, len(ratios[name])) for name in hopeless}


def _of_sigma(cases: Sequence[Case], trust: Trust, seed: int, progress: Progress | None, done: int, total: int
              ) -> dict[str, list[float]]:
    """The same of the logarithm of the conductivity."""
    tables = materials.load()
    ratios = []
    for k, each in enumerate(cases):
        if (each.truth.labels == len(each.truth.phases) - 1).any():  # nobody knows what the unknown part conducts
            continue
        sheet = sheet_of(each.micrograph, {}, tables)
        centre = likely(each.found)
        solved = [solve_map(one, sheet, tables, 25.0, "y").sigma_eff for one in
                  (each.truth, centre, *drawn(each.found, centre, DRAWS, trust, seed + k))]
        logs = np.log([value for value in solved[2:] if value > 0])
        if solved[0] > 0 and solved[1] > 0 and len(logs):
            truth, middle = math.log(solved[0]), math.log(solved[1])
            low, high = half_widths(middle, logs, 1.0)
            ratios.append(abs(truth - middle) / (high if truth > middle else low))
        if progress is not None:
            progress(done + k + 1, total)
    return {QUANTITY: ratios} if ratios else {}


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
