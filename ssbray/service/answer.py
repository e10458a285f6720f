"""The second step to an answer: what the surrogate says of the graphs, and both steps joined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import units
from ssbray.domain import FeatureGraph, FloatArray, Prediction
from ssbray.errors import InputError
from ssbray.service.asked import Question, Seen, tables

if TYPE_CHECKING:
    from ssbray.surrogate import Surrogate

SHOWN = 600  #: regions, and boundaries, of a graph that is drawn: those that matter most


def foretell(questions: Sequence[Question], model: Surrogate, device: str = "cpu"
             ) -> list[dict[str, Any] | InputError]:
    """What the surrogate says of each graph; a graph that it cannot read is an error in its place, for itself alone.

    The network runs once over all maps in question and once over all those drawn beside them.
    """
    from ssbray.analysis.predict import doubted

    answers: list[dict[str, Any] | InputError] = []
    for each in questions:
        try:
            model.scaling.check([each.graph, *each.others])
            answers.append({})
        except InputError as error:
            answers.append(error)
    good = [k for k, answer in enumerate(answers) if isinstance(answer, dict)]
    chosen = [questions[k] for k in good]
    drawn = iter(model.predict([other for one in chosen for other in one.others], device)
                 if any(one.others for one in chosen) else ())
    for k, one, examined in zip(good, chosen, model.examine([one.graph for one in chosen], device=device)
                                if chosen else (), strict=True):
        found, report = examined.prediction, examined.anomaly
        others = [next(drawn) for _ in one.others]
        answers[k] = {
            "version": found.model_version,
            "sigma_eff_S_per_cm": doubted(found, others, one.width, model.calibration.reach),
            "doubt_ln": doubt(found, others),
            "moments_ln_S_per_m": {"mean": found.mean_ln, "epistemic": found.epistemic_ln,
                                   "aleatoric": found.aleatoric_ln},
            "anomaly": {"score": report.score, "p_value": report.p_value, "flag": report.flag,
                        "reasons": list(report.reasons)},
            "in_domain": found.in_domain,
            "resistance_budget": budget(one.graph, examined.nodes, examined.edges),
            "feature_graph": shown(one.graph, examined.nodes, examined.edges) if one.shares else None}
    return answers


def doubt(found: Prediction, others: Sequence[Prediction]) -> dict[str, Any]:
    """Where the interval's width comes from: standard deviations of ln sigma, of the model and between drawn maps."""
    logs = [other.mean_ln for other in others if math.isfinite(other.mean_ln)]
    return {"surrogate": found.std_ln if math.isfinite(found.mean_ln) else None,
            "segmentation": float(np.std(logs, ddof=1)) if len(logs) > 1 else None, "maps": len(others),
            "maps_blocked": len(others) - len(logs)}


def budget(of: FeatureGraph, nodes: FloatArray, edges: FloatArray) -> dict[str, float]:
    """Shares of the resistance by phase and by pair of phases, largest first; they sum to one where it conducts."""
    count = len(of.phases)
    pairs = np.sort(of.phase[of.edge_index], axis=0)
    within = np.bincount(of.phase, weights=nodes, minlength=count)
    between = np.bincount(pairs[0] * count + pairs[1], weights=edges, minlength=count**2)
    shares = {of.phases[k]: float(share) for k, share in enumerate(within)}
    shares |= {f"{of.phases[k // count]} | {of.phases[k % count]}": float(share) for k, share in enumerate(between)}
    return dict(sorted(((name, share) for name, share in shares.items() if share > 0), key=lambda row: -row[1]))


def shown(of: FeatureGraph, nodes: FloatArray, edges: FloatArray) -> dict[str, Any] | None:
    """The graph as it is drawn: regions at their centroids [nm], boundaries between them, with shares of the loss.

    At most `SHOWN` of each; regions without a share come last, and `left_out` tells how many are missing.
    """
    if of.measures is None:
        return None
    place = of.measures.centroid_nm
    kept = np.sort(np.lexsort((-of.measures.size_nm, -nodes))[:SHOWN])
    number = np.full(len(nodes), -1)
    number[kept] = np.arange(len(kept))
    ends = number[of.edge_index]
    drawn = np.flatnonzero((ends >= 0).all(axis=0))
    drawn = drawn[np.argsort(-edges[drawn], kind="stable")[:SHOWN]]
    return {"nodes": [{"x_nm": float(place[k, 1]), "y_nm": float(place[k, 0]), "phase": of.phases[of.phase[k]],
                       "share": float(nodes[k])} for k in kept],
            "edges": [{"from": int(ends[0, k]), "to": int(ends[1, k]), "share": float(edges[k])} for k in drawn],
            "left_out": {"nodes": len(nodes) - len(kept), "edges": len(edges) - len(drawn)}}


def joined(seen: Seen, told: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to an image."""
    told = dict(told)
    version = told.pop("version")
    told.pop("moments_ln_S_per_m")
    if told["feature_graph"] is None:
        del told["feature_graph"]
    return {"model_version": f"{seen.version}+{version}", **told, **seen.content}


def scale_of_materials(temperature_C: float = 25.0) -> list[dict[str, Any]]:
    """Ionic conductivities of the phases in the tables, for a scale beside an answer [S/cm]."""
    rows = []
    for key, phase in tables().phases.items():
        sigma = units.S_per_cm(tables().sigma(key, temperature_C + 273.15))
        if sigma > 0:
            rows.append({"phase": key, "name": phase.name, "family": phase.family, "sigma_S_per_cm": sigma})
    return sorted(rows, key=lambda row: float(row["sigma_S_per_cm"]))
