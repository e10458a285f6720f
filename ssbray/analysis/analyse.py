"""One micrograph, from pixels to conductivity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ssbray import materials
from ssbray.analysis.draws import Trust, dislocations, drawn, likely, measured, restricted
from ssbray.analysis.interval import intervals
from ssbray.analysis.propagate import Conductivity, propagate, solve_map
from ssbray.analysis.sheet import SampleSheet, sheet_of
from ssbray.domain import Micrograph, PhaseMap
from ssbray.measure import Measurements
from ssbray.segmentation import Segmentation, Segmenter
from ssbray.segmentation.model import SAME_SCALE

SOLVED_PIXELS = 2**21  #: of a map that is solved as it is; larger ones are solved on every second, third ... pixel


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is wanted of a micrograph."""

    draws: int = 12
    seed: int = 0
    axis: str = "y"
    temperature_C: float = 25.0
    solve: bool = False
    dropout: int = 0
    foil_thickness_nm: float | None = None  #: without it dislocations have a length per area, but no density
    device: str = "cpu"
    phases: Mapping[str, str] | None = None  #: class -> material


@dataclass(frozen=True, eq=False, kw_only=True)
class Analysis:
    """What came of it."""

    found: Segmentation
    phase_map: PhaseMap  #: the most probable one, with grains
    measured: Measurements  #: of it
    intervals: dict[str, dict[str, float | None]]
    sheet: SampleSheet
    conductivity: Conductivity | None
    trust: Trust
    warnings: tuple[str, ...]


def analyse(micrograph: Micrograph, model: Segmenter, ask: Ask, solver: Callable[[PhaseMap], Any] | None = None
            ) -> Analysis:
    """Segment, draw maps from the posterior, measure all of them, and with `ask.solve` solve all of them.

    solver : for the finite elements, where results are kept or computed elsewhere; `solve_map` here by default.
    """
    tables = materials.load()
    sheet = sheet_of(micrograph, ask.phases or {}, tables)
    trust = Trust.of(model.card)
    found = model.segment(micrograph, device=ask.device, dropout=ask.dropout, seed=ask.seed)
    found = restricted(found, sheet.absent)
    scale = 1.0 if model.pixel_size_nm is None else model.pixel_size_nm / micrograph.pixel_size_nm
    if abs(np.log(scale)) > SAME_SCALE:  # the calibration counted in pixels of the model
        trust = replace(trust, correlation_px=trust.correlation_px * scale)
    centre = likely(found)
    lines, foil = dislocations(found), ask.foil_thickness_nm
    own = measured(lines, centre, foil)
    warnings = list(found.notes)
    if not trust.specimens:
        warnings.append("the intervals are not calibrated: the model was trained without specimens kept for that")
    if ask.dropout:
        warnings.append("the calibration is that of the ensemble, not of passes with dropped channels")
    step = int(np.ceil(np.sqrt(centre.labels.size / SOLVED_PIXELS)))
    if ask.solve:
        if not sheet.known:
            warnings.append(f"materials not given: taken for {sheet.electrolyte} and {sheet.cathode} (--phase)")
        if step > 1:
            warnings.append(f"the finite elements see one pixel in {step} x {step}")
    used = solver or (lambda each: solve_map(each, sheet, tables, ask.temperature_C, ask.axis))
    solution = used(thinned(centre, step)) if ask.solve else None
    draws, sigmas = [], []
    for each in drawn(found, centre, ask.draws, trust, ask.seed):  # one at a time: a frame's maps would fill the memory
        draws.append(measured(lines, each, foil))
        if ask.solve:
            sigmas.append(used(thinned(each, step)).sigma_eff)
    conductivity = None if solution is None else propagate(solution, sigmas, trust)
    table = intervals(own, draws, trust)
    return Analysis(found=found, phase_map=centre, measured=own, intervals=table, sheet=sheet, trust=trust,
                    conductivity=conductivity, warnings=tuple(warnings))


def thinned(phase_map: PhaseMap, step: int) -> PhaseMap:
    """Every `step`-th pixel of a map."""
    if step == 1:
        return phase_map
    first = step // 2
    return replace(phase_map, labels=np.ascontiguousarray(phase_map.labels[first::step, first::step]),
                   pixel_size_nm=phase_map.pixel_size_nm * step,
                   grains=None if phase_map.grains is None else
                   np.ascontiguousarray(phase_map.grains[first::step, first::step]))
