"""The overlooked layer: is it flagged and named by who has never seen one?

The same specimens are made twice: by laws without the layer, which is all that reference and surrogate know, and by
laws with it. What is flagged among the first is a false alarm. The maps are true ones, in which a layer of some pixels
is a phase of its own: how well a micrograph shows it is not asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
FEWEST_KNOWN = 80  #: conducting specimens, so that a p-value can fall below the level
LEAST = 0.005  #: share of a map from which it has the layer in pixels
ALARM = 0.05  #: level of the tests
DRAWS = 1000
SCORES = ("novelty", "inconsistency", "joint", "area of phases that no known map has")


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged:
    """What is said of n specimens, in the order of their designs."""

    scores: dict[str, FloatArray]  #: (n,) each, larger is stranger; NaN where there was no solve
    p: FloatArray  #: (n,) of novelty and inconsistency together, after Bonferroni
    reasons: list[tuple[str, ...]]


def find(aware: Spec, blind: Spec, phase: str, known: int, judged: int, config: dict[str, Any], seed: int, store: Path,
         model_place: Path, tools: Tools) -> dict[str, Any]:
    """Learn from specimens without the layer; judge others, without and with it.

    Returns
    -------
    For each score AUROC with a 90 % bootstrap interval over designs, for specimens with the layer in pixels and for
    those where it is thinner; the share of each that is flagged; how often the reasons name the layer; and what share
    of the loss it carries.
    """
    before = tools.solve(store, fresh(blind, None, known, seed, "known"), "specimens without the layer")
    sound = tools.solve(store, fresh(blind, None, judged, seed, "judged"), "others without it")
    strange = tools.solve(store, fresh(aware, None, judged, seed, "judged"), "the same with it")
    keys = [each.key for each in before if conducts(each)]
    if len(keys) < FEWEST_KNOWN:
        raise InputError("layer.known", known, f"only {len(keys)} of these specimens conduct, {FEWEST_KNOWN} are "
                         "needed: make more known")
    groups = {"pixels": np.array([has(each, phase) for each in strange]),
              "thinner": np.array([carries(each, phase) and not has(each, phase) for each in strange])}
    if not groups["pixels"].any():
        raise InputError("layer.judged", judged, f"none of these specimens has {phase} in its pixels: judge more, or "
                         "widen the search ranges of the campaign")
    rows = Known(store, keys, keys)
    held = int(CALIBRATION * len(rows.graphs))
    model = surrogate.train(rows.graphs[held:], rows.sigma[held:], groups=rows.groups[held:],
                            losses=rows.losses[held:], config=TrainingConfig.model_validate(config), seed=seed)
    model.save(model_place)
    judge = Judge(model, rows, held)
    without, within = judge(sound), judge(strange)
    table = {group: {name: auroc(within.scores[name], without.scores[name], chosen, seed) for name in SCORES}
             for group, chosen in groups.items()}
    trivial = table["pixels"].pop(SCORES[-1])
    chosen = groups["pixels"]
    told = [within.reasons[k] for k in np.flatnonzero(chosen)]
    good = [each.ok for each in sound]
    return {
        "phase": phase, "known": len(rows.graphs), "judged": judged, "without": sum(good),
        "with": int(chosen.sum()), "thinner": int(groups["thinner"].sum()), "auroc": table["pixels"],
        "auroc_thinner": table["thinner"], "auroc_trivial": trivial,
        "roc": {name: {"with": within.scores[name][chosen].tolist(), "without": without.scores[name][good].tolist()}
                for name in SCORES[:3]},
        "flagged": float(np.mean(within.p[chosen] <= ALARM)),
        "flagged_thinner": float(np.mean(within.p[groups["thinner"]] <= ALARM)) if groups["thinner"].any() else None,
        "false_alarms": float(np.mean(without.p[good] <= ALARM)),
        "named_first": float(np.mean([bool(each) and phase in each[0] for each in told])),
        "named": float(np.mean([any(phase in one for one in each) for each in told])),
        "share_of_loss": shares([each for each, here in zip(strange, chosen, strict=True) if here], phase),
        "example": example(strange, within.reasons, phase)}


class Judge:
    """Scores specimens by what was known before any layer."""

    def __init__(self, model: surrogate.Surrogate, known: Known, held: int) -> None:
        self._model = model
        described = [anomaly.describe(graph) for graph in known.graphs[held:]]
        self._reference = anomaly.Reference.of(described)
        self._off = self._inconsistency(known.graphs[:held], known.sigma[:held])
        self._phases = {name for each in described for name in each if name.startswith("area:")}

    def __call__(self, outcomes: Sequence[Outcome]) -> Judged:
        """Judge the specimens that were solved."""
        kept = [k for k, each in enumerate(outcomes) if each.ok and each.graph is not None]
        graphs = [outcomes[k].graph for k in kept]
        described = [anomaly.describe(graph) for graph in graphs if graph is not None]
        wrong = self._inconsistency(graphs, np.array([100 * outcomes[k].values["sigma_eff_S_per_cm"] for k in kept]))
        own = self._reference.own_novelty
        new = self._reference.novelty(described)
        joint = anomaly.joint(anomaly.surprise(new, own), anomaly.surprise(wrong, self._off))
        area = np.array([sum(value for name, value in each.items() if name.startswith("area:")
                             and name not in self._phases) for each in described])
        p = 2 * np.minimum(anomaly.p_values(new, own), anomaly.p_values(wrong, self._off))
        reasons: list[tuple[str, ...]] = [()] * len(outcomes)
        for k, each in zip(kept, described, strict=True):
            reasons[k] = self._reference.reasons(each)
        scores = dict(zip(SCORES, (_spread(kept, each, len(outcomes)) for each in (new, wrong, joint, area)),
                          strict=True))
        return Judged(scores=scores, p=_spread(kept, np.minimum(1.0, p), len(outcomes)), reasons=reasons)

    def _inconsistency(self, graphs: Sequence[Any], sigma: FloatArray) -> FloatArray:
        """Distance of solved and predicted ln sigma in deviations; infinite where only one of them conducts."""
        mean, epistemic, aleatoric = self._model.predict_arrays(list(graphs))
        with np.errstate(divide="ignore", invalid="ignore"):
            truth = np.log(sigma)
            off = np.asarray(anomaly.inconsistency(truth, mean, epistemic, aleatoric))
        return np.where(np.isneginf(truth) & np.isneginf(mean), 0.0, np.where(np.isnan(off), np.inf, off))


def _spread(kept: Sequence[int], values: FloatArray, count: int) -> FloatArray:
    found = np.full(count, np.nan)
    found[list(kept)] = values
    return found


def conducts(outcome: Outcome) -> bool:
    """Whether a specimen was solved and conducts."""
    return outcome.ok and outcome.graph is not None and bool(outcome.values["percolates"])


def has(outcome: Outcome, phase: str) -> bool:
    """Whether a phase has more than a speck of a map."""
    return outcome.ok and outcome.values["fractions"].get(phase, 0.0) >= LEAST


def carries(outcome: Outcome, phase: str) -> bool:
    """Whether a phase carries any of the loss, be it in pixels or as an interface without thickness."""
    return outcome.ok and any(share > 0 for name, share in outcome.values["budget"].items() if name.startswith(phase))


def auroc(strange: FloatArray, sound: FloatArray, chosen: np.ndarray, seed: int) -> dict[str, Any] | None:
    """Chance that a chosen strange specimen scores above a sound one, and its 90 % interval over designs.

    Parameters
    ----------
    strange, sound : (n,) scores of the same n designs, made by either laws; NaN where there is none.
    chosen : (n,) which of the strange count.
    """
    here, there = chosen & ~np.isnan(strange), ~np.isnan(sound)
    if not here.any() or not there.any():
        return None
    wins = (strange[:, None] > sound[None]) + 0.5 * (strange[:, None] == sound[None])
    random, drawn = rng.stream(seed, "bootstrap of the layer"), []
    for _ in range(DRAWS):
        weight = np.bincount(random.integers(len(sound), size=len(sound)), minlength=len(sound))
        rows, columns = weight * here, weight * there
        if rows.sum() and columns.sum():
            drawn.append(float(rows @ wins @ columns / (rows.sum() * columns.sum())))
    return {"value": float(wins[np.ix_(here, there)].mean()), "interval90": np.percentile(drawn, [5, 95]).tolist()}


def shares(outcomes: Sequence[Outcome], phase: str) -> dict[str, Any] | None:
    """Share of the loss in the layer over the specimens that conduct: median, 5th and 95th percentile."""
    found = [sum(share for name, share in each.values["budget"].items() if name.startswith(phase))
             for each in outcomes if conducts(each)]
    if not found:
        return None
    low, middle, high = np.percentile(found, [5, 50, 95])
    return {"median": float(middle), "p5": float(low), "p95": float(high), "n": len(found)}


def example(outcomes: Sequence[Outcome], told: Sequence[tuple[str, ...]], phase: str) -> dict[str, Any]:
    """The reasons given for the specimen in which the layer carries most."""
    rows = [(each.values["budget"].get(phase, 0.0), each.key, reasons)
            for each, reasons in zip(outcomes, told, strict=True) if conducts(each)]
    share, key, reasons = max(rows, default=(0.0, "", ()))
    return {"share_of_loss": share, "key": key, "reasons": list(reasons)}
