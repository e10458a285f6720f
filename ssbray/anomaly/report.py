"""One verdict from several scores, with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssbray.anomaly.pvalues import p_values
from ssbray.domain import FloatArray
from ssbray.errors import InputError


@dataclass(frozen=True, kw_only=True)
class AnomalyReport:
    """What looks wrong, how sure that is, and why."""

    score: float  #: larger is stranger; the scale is that of the score that was asked for
    p_value: float  #: share of the calibration set at least as strange; small is strange
    flag: bool  #: p_value is not above the level
    reasons: tuple[str, ...]  #: sentences for a reader


def report(scores: Mapping[str, tuple[float, FloatArray]], level: float = 0.05,
           because: Mapping[str, Sequence[str]] | None = None) -> AnomalyReport:
    """Join several scores of one map into one verdict.

    The smallest p-value counts, times the number of scores (Bonferroni); its score is the report's.

    Parameters
    ----------
    scores : what it measures -> (score, calibration scores), e.g. ``{"novelty": (3.1, known)}``.
    level : flag at or below this p-value.
    because : what it measures -> sentences that explain it (`Reference.reasons`, `disagreement`), told where
        that score alone raises the flag.

    >>> report({"novelty": (9.0, np.arange(99.0)), "inconsistency": (500.0, np.arange(99.0))}).reasons
    ('inconsistency 500 is reached by 0 of 99 calibration cases (p = 0.01)',)
    """
    if not scores:
        raise InputError("scores", scores, "give at least one score to report on")
    p = {name: float(p_values([score], known)[0]) for name, (score, known) in scores.items()}
    worst = min(p, key=lambda name: p[name])
    joint = min(1.0, len(p) * p[worst])
    reasons: list[str] = []
    for name, (score, known) in scores.items():
        if p[name] * len(p) <= level:
            reached = int(np.sum(np.asarray(known) >= score))
            reasons.append(f"{name} {score:.3g} is reached by {reached} of {len(known)} calibration cases "
                           f"(p = {p[name]:.2g})")
            reasons.extend((because or {}).get(name, ()))
    return AnomalyReport(score=float(scores[worst][0]), p_value=joint, flag=joint <= level, reasons=tuple(reasons))
