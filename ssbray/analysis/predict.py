"""What the surrogate says of a segmented micrograph, and whether the micrograph is one of its kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import graph, materials, surrogate, units
from ssbray.analysis.draws import drawn
from ssbray.analysis.interval import half_widths
from ssbray.analysis.propagate import QUANTITY
from ssbray.analysis.sheet import material_map
from ssbray.domain import FeatureGraph, PhaseMap, Prediction

if TYPE_CHECKING:
    from ssbray.analysis.analyse import Analysis, Ask


def predict(analysis: Analysis, learnt: surrogate.Surrogate, ask: Ask) -> dict[str, Any]:
    """{surrogate, anomaly, in_domain} and, where nothing was solved, sigma_eff_S_per_cm with the image's doubt.

    `surrogate` is about the most probable map as it is. Where nothing was solved the interval of
    `sigma_eff_S_per_cm` also holds what the drawn maps differ by, as predicted.
    """
    solved = None if analysis.conductivity is None else analysis.conductivity.sigma
    (found,) = learnt.examine([_graph(analysis, analysis.phase_map, ask)], [solved], ask.device)
    own = _sigma(found.prediction, 0.0, 0.0, learnt.calibration.reach)
    verdict = found.anomaly
    answer: dict[str, Any] = {
        "surrogate": {"sigma_eff_S_per_cm": own, "model_version": found.prediction.model_version,
                      "asr_ohm_cm2": {"mean": units.ohm_cm2(found.asr),
                                      "interval90": [units.ohm_cm2(value) for value in found.asr90]},
                      "novelty": found.novelty},
        "in_domain": found.prediction.in_domain,
        "anomaly": {"score": verdict.score, "p_value": verdict.p_value, "flag": verdict.flag,
                    "reasons": list(verdict.reasons)}}
    if found.inconsistency is not None:
        answer["surrogate"]["off_by_std"] = found.inconsistency
        return answer
    maps = drawn(analysis.found, analysis.phase_map, ask.draws, analysis.trust, ask.seed)
    others = [learnt.predict([_graph(analysis, each, ask)], ask.device)[0] for each in maps]
    return answer | {"sigma_eff_S_per_cm": doubted(found.prediction, others, analysis.trust.width(QUANTITY),
                                                   learnt.calibration.reach)}


def doubted(centre: Prediction, draws: list[Prediction], factor: float, reach: float) -> dict[str, Any]:
    """{mean, std, interval90} in S/cm of a map that is itself in doubt.

    The model's deviation and that of the drawn maps are independent, so their half widths on the logarithm add in
    squares. As for a solve, the lower end is zero where more than a twentieth of the draws does not conduct.

    Parameters
    ----------
    factor : calibrated width of an interval over that of draws (`Trust.width`); infinite where none holds.
    reach : half width of the model's 90 % interval in its deviations.
    """
    logs = np.array([each.mean_ln for each in draws])
    blocked = float(np.mean(~np.isfinite(logs))) if len(logs) else 0.0
    logs = logs[np.isfinite(logs)]
    if not math.isfinite(centre.mean_ln):
        high = max((each.interval90[1] for each in draws), default=0.0)
        return {"mean": 0.0, "std": None if len(logs) else 0.0, "interval90": [0.0, units.S_per_cm(high)]}
    low, high = half_widths(centre.mean_ln, logs, 1.0) if len(draws) else (0.0, 0.0)
    spread = float(logs.std(ddof=1)) if len(logs) > 1 else 0.0
    answer = _sigma(centre, factor * low, factor * high, reach, spread)
    if blocked > 0.05:
        answer["interval90"][0] = 0.0
    return answer


def _sigma(found: Prediction, low: float, high: float, reach: float, spread: float = 0.0) -> dict[str, Any]:
    """{mean, std, interval90} in S/cm, widened on the logarithm by half widths and a deviation of other origin."""
    if not math.isfinite(found.mean_ln):
        return {"mean": 0.0, "std": 0.0, "interval90": [0.0, 0.0]}
    sigma, own = units.S_per_cm(found.sigma), reach * found.std_ln
    return {"mean": sigma, "std": sigma * math.hypot(found.std_ln, spread),
            "interval90": [sigma * math.exp(-math.hypot(own, low)), sigma * math.exp(math.hypot(own, high))]}


def _graph(analysis: Analysis, phase_map: PhaseMap, ask: Ask) -> FeatureGraph:
    """A map of visible classes as a graph, in the materials of the sample."""
    named = material_map(phase_map.labels, analysis.found.classes, analysis.sheet, analysis.found.pixel_size_nm,
                         phase_map.grains)
    properties = materials.assign(named, materials.load(), ask.temperature_C)
    return graph.build(named, properties.conductivity, properties.interfaces, axis=ask.axis)
