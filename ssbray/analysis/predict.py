"""What the surrogate says of a segmented micrograph, and whether the micrograph is one of its kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ssbray import anomaly, graph, materials, surrogate, units
from ssbray.analysis.sheet import material_map
from ssbray.domain import FeatureGraph
from ssbray.surrogate.descriptors import descriptor_names, descriptors

if TYPE_CHECKING:
    from ssbray.analysis.analyse import Analysis, Ask


def reasons(features: FeatureGraph, learnt: surrogate.Surrogate, device: str) -> tuple[str, ...]:
    """Why a map may be a stranger: what is beyond the percentiles of the training maps, and what carries the loss."""
    names, values = descriptor_names(features), descriptors([features])[0]
    if features.sigma_network == 0:
        kept = [k for k, name in enumerate(names) if not name.startswith("fine:")]  # there is no loss to speak of
        return (anomaly.BROKEN, *anomaly.pooled_reasons([names[k] for k in kept], values[kept], learnt.known[:, kept]))
    (share,) = learnt.losses([features], device)
    return (*anomaly.pooled_reasons(names, values, learnt.known),
            anomaly.carriers(anomaly.loss_by_phase(features, *share)))


def predict(analysis: Analysis, learnt: surrogate.Surrogate, ask: Ask) -> dict[str, Any]:
    """{surrogate, anomaly, in_domain} and, where nothing was solved, sigma_eff_S_per_cm of the most probable map."""
    tables = materials.load()
    named = material_map(analysis.phase_map.labels, analysis.found.classes, analysis.sheet,
                         analysis.found.pixel_size_nm, analysis.phase_map.grains)
    properties = materials.assign(named, tables, ask.temperature_C)
    features = graph.build(named, properties.conductivity, properties.interfaces, axis=ask.axis)
    (found,) = learnt.predict([features], ask.device)
    report = anomaly.report({"novelty": (float(learnt.novelty([features])[0]), learnt.own_novelty)},
                            because={"novelty": reasons(features, learnt, ask.device)})
    conducts = math.isfinite(found.mean_ln)
    sigma = {"mean": units.S_per_cm(found.sigma) if conducts else 0.0,
             "std": units.S_per_cm(found.sigma) * found.std_ln if conducts else 0.0,
             "interval90": [units.S_per_cm(value) if conducts else 0.0 for value in found.interval90]}
    answer: dict[str, Any] = {
        "surrogate": {"sigma_eff_S_per_cm": sigma, "model_version": found.model_version},
        "in_domain": found.in_domain,
        "anomaly": {"score": report.score, "p_value": report.p_value, "flag": report.flag,
                    "reasons": list(report.reasons)}}
    if analysis.conductivity is None:
        answer["sigma_eff_S_per_cm"] = sigma
    elif analysis.conductivity.sigma > 0 and conducts:
        answer["surrogate"]["off_by_std"] = float(anomaly.inconsistency(
            [math.log(analysis.conductivity.sigma)], [found.mean_ln], [found.epistemic_ln], [found.aleatoric_ln])[0])
    return answer
