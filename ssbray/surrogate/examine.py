"""Everything that a surrogate has to say of a map, and of a solve of it, from one pass of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssbray import anomaly
from ssbray.domain import FeatureGraph, FloatArray, Prediction
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.surrogate.model import Surrogate


@dataclass(frozen=True, eq=False, kw_only=True)
class Examined:
    """One map in the eyes of a surrogate."""

    prediction: Prediction
    asr: float  #: area-specific resistance, thickness / sigma [ohm m2]; infinite where nothing conducts
    asr90: tuple[float, float]  #: [ohm m2]: the same interval as that of sigma, since the thickness is known
    nodes: FloatArray  #: (n,) share of the dissipation in each region; all zero where nothing percolates
    edges: FloatArray  #: (m,) and in each boundary's interface
    embedding: FloatArray  #: (members * hidden,), see `Surrogate.embedding`
    novelty: float  #: of `anomaly.Reference`, among the training maps
    inconsistency: float | None  #: |ln truth - prediction| in its deviations; None without a truth
    anomaly: anomaly.AnomalyReport


def examine(model: Surrogate, graphs: Sequence[FeatureGraph], truth: Sequence[float | None] | None = None,
            device: str = "cpu") -> list[Examined]:
    """Predict, share out the dissipation, embed, and judge each map.

    The verdict rests on the novelty of the map among the training maps, and, where a solved conductivity is
    given, on its disagreement with the prediction, counted against the errors that calibrated the model; a model
    that was not calibrated judges by novelty alone. Each comes as a conformal p-value, joined after Bonferroni.

    Parameters
    ----------
    truth : solved conductivity of each map [S/m]; None for one that was not solved.
    """
    solved = [None] * len(graphs) if truth is None else list(truth)
    if len(solved) != len(graphs):
        raise InputError("truth", len(solved), f"give one conductivity, or None, for each of the {len(graphs)} graphs")
    told = model.run(graphs, device)
    described = [anomaly.describe(graph) for graph in graphs]
    found = []
    for k, (graph, words, novelty, prediction) in enumerate(zip(
            graphs, described, model.reference.novelty(described), model.predictions(graphs, told), strict=True)):
        share, off = told.shares[k], _off(solved[k], prediction)
        nodes, edges = share[:graph.size[0]], share[graph.size[0]:]
        low, high = (_over(graph.thickness_m, sigma) for sigma in reversed(prediction.interval90))
        verdict = _report(model, float(novelty), off, solved[k], prediction, words,
                          anomaly.loss_by_phase(graph, nodes, edges))
        found.append(Examined(
            prediction=prediction, asr=_over(graph.thickness_m, prediction.sigma), asr90=(low, high), nodes=nodes,
            edges=edges, embedding=told.embedding[k], novelty=float(novelty), inconsistency=off, anomaly=verdict))
    return found


def _over(thickness: float, sigma: float) -> float:
    return thickness / sigma if sigma > 0 else math.inf


def _off(truth: float | None, prediction: Prediction) -> float | None:
    """Inconsistency of a solve; zero where neither conducts, infinite where only one does."""
    if truth is None:
        return None
    if truth == 0 or not math.isfinite(prediction.mean_ln):
        return 0.0 if truth == 0 and not math.isfinite(prediction.mean_ln) else math.inf
    return float(anomaly.inconsistency([math.log(truth)], [prediction.mean_ln], [prediction.epistemic_ln],
                                       [prediction.aleatoric_ln])[0])


def _report(model: Surrogate, novelty: float, off: float | None, truth: float | None, prediction: Prediction,
            words: Mapping[str, float], losses: Mapping[str, float]) -> anomaly.AnomalyReport:
    """Join the two, with what explains them; the sentences are made only for what is flagged."""
    scores = {"novelty": (novelty, model.reference.own_novelty)}
    if off is not None and len(model.calibration.errors):
        scores["inconsistency"] = (off, model.calibration.errors)
    found = anomaly.report(scores)
    if not found.flag:
        return found
    carried = (anomaly.carriers(losses),) if any(losses.values()) else ()
    because: dict[str, Sequence[str]] = {"novelty": (*model.reference.reasons(words), *carried)}
    if truth is not None and "inconsistency" in scores:
        ln_truth = math.log(truth) if truth > 0 else -math.inf
        because["inconsistency"] = (anomaly.disagreement(ln_truth, prediction.mean_ln, prediction.std_ln),)
    return anomaly.report(scores, because=because)
