"""The overlooked layer: is it flagged and named by who has never seen one?

The same designs are made twice: by laws without the layer, which is all that reference and surrogate know, and by
laws with it. What is flagged among the first is a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import anomaly, rng, surrogate
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome
from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.study.samples import fresh
from ssbray.study.tools import Known, Tools
from ssbray.surrogate import TrainingConfig

CALIBRATION = 0.25  #: share of the known that is not learnt from, and tells how far off sound specimens are
LEAST = 0.005  #: share of a map from which it has the layer
ALARM = 0.05  #: level of the tests
DRAWS = 1000


def find(aware: Spec, blind: Spec, phase: str, known: int, judged: int, config: dict[str, Any], seed: int, store: Path,
         model_place: Path, tools: Tools) -> dict[str, Any]:
    """Learn from specimens without the layer; judge others, without and with it.

    Returns
    -------
    For each score AUROC with a 90 % bootstrap interval, the share of specimens with the layer that are flagged and of
    those without that are; how often the first reason names the layer; and what share of the loss it carries.
    """
    before = tools.solve(store, fresh(blind, None, known, seed, "known"), "specimens without the layer")
    sound = tools.solve(store, fresh(blind, None, judged, seed, "judged"), "others without it")
    strange = tools.solve(store, fresh(aware, None, judged, seed, "judged"), "the same with it")
    strange = [each for each in strange if each.ok and each.values["fractions"].get(phase, 0.0) >= LEAST]
    if not strange:
        raise InputError("layer.judged", judged, f"none of these specimens has {phase} in its pixels: judge more, or "
                         "widen the search ranges of the campaign")
    keys = [each.key for each in before if conducts(each)]
    rows = Known(store, keys, keys)
    held = int(CALIBRATION * len(rows.graphs))
    model = surrogate.train(rows.graphs[held:], rows.sigma[held:], groups=rows.groups[held:],
                            losses=rows.losses[held:], config=TrainingConfig.model_validate(config), seed=seed)
    model.save(model_place)
    reference = anomaly.Reference.of([anomaly.describe(graph) for graph in rows.graphs[held:]])
    off = inconsistency(model, rows.graphs[:held], rows.sigma[:held])
    scores: dict[str, dict[str, FloatArray]] = {}
    told: list[tuple[str, ...]] = []
    for name, outcomes in (("without", sound), ("with", strange)):
        kept = [each for each in outcomes if each.ok and each.graph is not None]
        graphs = [each.graph for each in kept if each.graph is not None]
        sigma = np.array([100 * each.values["sigma_eff_S_per_cm"] for each in kept])
        described = [anomaly.describe(graph) for graph in graphs]
        new, wrong = reference.novelty(described), inconsistency(model, graphs, sigma)
        joint = anomaly.joint(anomaly.surprise(new, reference.own_novelty), anomaly.surprise(wrong, off))
        p = np.minimum(1.0, 2 * np.minimum(anomaly.p_values(new, reference.own_novelty), anomaly.p_values(wrong, off)))
        scores[name] = {"novelty": new, "inconsistency": wrong, "joint": joint, "p": p}
        told = [reference.reasons(each) for each in described]  # in the end, those with the layer
    table = {score: auroc(scores["with"][score], scores["without"][score], seed)
             for score in ("novelty", "inconsistency", "joint")}
    return {"phase": phase, "known": len(rows.graphs), "without": len(scores["without"]["p"]), "with": len(told),
            "auroc": table, "roc": {name: {kind: each[name].tolist() for kind, each in scores.items()}
                                    for name in table},
            "flagged": float(np.mean(scores["with"]["p"] <= ALARM)),
            "false_alarms": float(np.mean(scores["without"]["p"] <= ALARM)),
            "named_first": float(np.mean([bool(each) and phase in each[0] for each in told])),
            "named": float(np.mean([any(phase in one for one in each) for each in told])),
            "share_of_loss": shares(strange, phase), "example": example(strange, told, phase)}


def conducts(outcome: Outcome) -> bool:
    """Whether a specimen was solved and conducts."""
    return outcome.ok and outcome.graph is not None and bool(outcome.values["percolates"])


def inconsistency(model: surrogate.Surrogate, graphs: Sequence[Any], sigma: FloatArray) -> FloatArray:
    """Distance of solved and predicted ln sigma in deviations of the prediction; infinite where only one conducts."""
    mean, epistemic, aleatoric = model.predict_arrays(list(graphs))
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = np.log(sigma)
        off = np.asarray(anomaly.inconsistency(truth, mean, epistemic, aleatoric))
    return np.where(np.isneginf(truth) & np.isneginf(mean), 0.0, np.where(np.isnan(off), np.inf, off))


def auroc(strange: FloatArray, sound: FloatArray, seed: int) -> dict[str, Any]:
    """Chance that a strange specimen scores higher than a sound one, with its 90 % bootstrap interval."""
    wins = (strange[:, None] > sound[None]) + 0.5 * (strange[:, None] == sound[None])
    random = rng.stream(seed, "bootstrap of the layer")
    drawn = [wins[np.ix_(random.integers(len(strange), size=len(strange)), random.integers(
        len(sound), size=len(sound)))].mean() for _ in range(DRAWS)]
    return {"value": float(wins.mean()), "interval90": np.percentile(drawn, [5, 95]).tolist()}


def shares(outcomes: Sequence[Outcome], phase: str) -> dict[str, Any]:
    """Share of the loss in the layer over the specimens that conduct: median, 5th and 95th percentile."""
    found = [each.values["budget"].get(phase, 0.0) for each in outcomes if conducts(each)]
    low, middle, high = np.percentile(found, [5, 50, 95]) if found else (np.nan, np.nan, np.nan)
    return {"median": float(middle), "p5": float(low), "p95": float(high), "n": len(found)}


def example(outcomes: Sequence[Outcome], told: Sequence[tuple[str, ...]], phase: str) -> dict[str, Any]:
    """The reasons given for the specimen in which the layer carries most."""
    rows = [(each.values["budget"].get(phase, 0.0), each.key, reasons) for each, reasons in zip(
        [one for one in outcomes if one.ok and one.graph is not None], told, strict=True) if conducts(each)]
    share, key, reasons = max(rows, default=(0.0, "", ()))
    return {"share_of_loss": share, "key": key, "reasons": list(reasons)}
