"""How far a map, or an answer, is from what is known: scores, and the p-values that make them comparable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssbray.domain import FloatArray
from ssbray.errors import InputError


@dataclass(frozen=True, kw_only=True)
class AnomalyReport:
    """What looks wrong, how sure that is, and why."""

    score: float  #: larger is stranger; the scale is that of the score that was asked for
    p_value: float  #: share of the calibration set at least as strange; small is strange
    flag: bool  #: p_value is not above the level
    reasons: tuple[str, ...]  #: sentences for a reader


def literal(mean: ArrayLike, std: ArrayLike, reference: float) -> FloatArray:
    """Evaluate ``A = Var + |mean - reference|`` as it was first written down.

    A variance is added to a distance, so the ranking depends on the unit: with conductivities in
    S/cm the distance decides alone, in microS/cm the variance does. Use it to reproduce old numbers,
    and `standardised` for everything else.

    Parameters
    ----------
    mean, std : (n,) predictions and their standard deviations, in one unit.
    reference : value to which they are compared, in the same unit.

    >>> literal([1.0, 2.0], [0.1, 0.5], 1.0).round(6).tolist()
    [0.01, 1.25]
    """
    return np.asarray(std, dtype=np.float64) ** 2 + np.abs(np.asarray(mean, dtype=np.float64) - reference)


def standardised(mean: ArrayLike, epistemic: ArrayLike, reference: float, spread: float) -> FloatArray:
    """Evaluate ``(epistemic / spread)^2 + |mean - reference| / spread``: `literal` without units.

    Invariant under y -> a y + b of all predictions, a not zero.

    Parameters
    ----------
    mean, epistemic : (n,) predictions and the part of their standard deviation that data would reduce.
    reference, spread : location and standard deviation of a calibration set, never of the scored set.

    >>> standardised([2.0], [1.0], 0.0, 2.0).tolist()
    [1.25]
    """
    if not (np.isfinite(spread) and spread > 0):
        raise InputError("spread", spread, "needs a positive standard deviation from a calibration set")
    return (np.asarray(epistemic) / spread) ** 2 + np.abs(np.asarray(mean) - reference) / spread


def novelty(points: FloatArray, reference: FloatArray, neighbours: int = 5) -> FloatArray:
    """Mean distance to the nearest points of a reference set.

    Distance to training data tells where a regression applies (Janet et al., Chem. Sci. 10, 7913
    (2019), 10.1039/C9SC02298H; nearest neighbours: Sun et al., arXiv 2204.06507).

    Parameters
    ----------
    points : (n, d) descriptors to be judged, each feature on a scale of about one.
    reference : (m, d) known descriptors.
    neighbours : k, at most m.

    >>> novelty(np.array([[3.0]]), np.array([[0.0], [1.0]]), neighbours=1).tolist()
    [2.0]
    """
    return _nearest(points, reference, min(neighbours, len(reference)))


def own_novelty(reference: FloatArray, neighbours: int = 5) -> FloatArray:
    """Novelty of each reference point among the others: the calibration of `novelty`.

    >>> own_novelty(np.array([[0.0], [1.0], [5.0]]), neighbours=1).tolist()
    [1.0, 1.0, 4.0]
    """
    k = min(neighbours, len(reference) - 1)
    if k < 1:
        raise InputError("reference", len(reference), "novelty needs at least two known points")
    return _nearest(reference, reference, k + 1) * (k + 1) / k  # the nearest is the point itself, at zero


def _nearest(points: FloatArray, reference: FloatArray, k: int) -> FloatArray:
    """Mean distance to the k nearest, in blocks that keep the distance matrix small."""
    mean = np.empty(len(points))
    for begin in range(0, len(points), 256):
        block = points[begin:begin + 256]
        square = np.stack([((reference - point) ** 2).sum(axis=1) for point in block])
        mean[begin:begin + len(block)] = np.sqrt(np.partition(square, k - 1, axis=1)[:, :k]).mean(axis=1)
    return mean


def inconsistency(truth: ArrayLike, mean: ArrayLike, epistemic: ArrayLike, noise: ArrayLike) -> FloatArray:
    """Evaluate ``|truth - mean| / sqrt(epistemic^2 + noise^2)``: a solve that disagrees with the model.

    Parameters
    ----------
    truth : (n,) solved values.
    mean, epistemic, noise : (n,) prediction and its two standard deviations, in the unit of `truth`.

    >>> inconsistency([5.0], [0.0], [3.0], [4.0]).tolist()
    [1.0]
    """
    return np.abs(np.asarray(truth, dtype=np.float64) - np.asarray(mean)) / np.hypot(epistemic, noise)


def p_values(scores: ArrayLike, calibration: ArrayLike) -> FloatArray:
    """Conformal p-values, ``(1 + #{calibration >= score}) / (n + 1)``.

    Uniform, or larger, for what is exchangeable with the calibration set; never below 1 / (n + 1)
    (Bates et al., Ann. Stat. 51, 149 (2023), 10.1214/22-AOS2244). A set chosen by an optimiser is not
    exchangeable.

    >>> p_values([0.5, 9.0], [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.25]
    """
    known = np.sort(np.asarray(calibration, dtype=np.float64))
    below = np.searchsorted(known, np.asarray(scores, dtype=np.float64), side="left")
    return (1 + len(known) - below) / (len(known) + 1)


def rejected(p: ArrayLike, level: float = 0.1) -> NDArray[np.bool_]:
    """Flag a batch so that at most the share `level` of the flags is false on average.

    Benjamini and Hochberg, J. R. Stat. Soc. B 57, 289 (1995).

    >>> rejected([0.01, 0.9, 0.04], level=0.1).tolist()
    [True, False, True]
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)
    good = np.flatnonzero(p[order] <= level * np.arange(1, len(p) + 1) / max(len(p), 1))
    flags = np.zeros(len(p), dtype=bool)
    flags[order[: good[-1] + 1 if len(good) else 0]] = True
    return flags


def report(scores: dict[str, tuple[float, FloatArray]], level: float = 0.05) -> AnomalyReport:
    """Join several scores of one map into one verdict.

    The smallest p-value counts, times the number of scores (Bonferroni); its score is the report's.

    Parameters
    ----------
    scores : what it measures -> (score, calibration scores), e.g. ``{"novelty": (3.1, known)}``.
    level : flag at or below this p-value.

    >>> report({"novelty": (9.0, np.arange(99.0)), "inconsistency": (500.0, np.arange(99.0))}).reasons
    ('inconsistency 500 is reached by 0 of 99 calibration cases (p = 0.01)',)
    """
    if not scores:
        raise InputError("scores", scores, "give at least one score to report on")
    p = {name: float(p_values([score], known)[0]) for name, (score, known) in scores.items()}
    worst = min(p, key=lambda name: p[name])
    joint = min(1.0, len(p) * p[worst])
    reasons = tuple(
        f"{name} {score:.3g} is reached by {int(np.sum(np.asarray(known) >= score))} of {len(known)} calibration cases "
        f"(p = {p[name]:.2g})" for name, (score, known) in scores.items() if p[name] * len(p) <= level)
    return AnomalyReport(score=float(scores[worst][0]), p_value=joint, flag=joint <= level, reasons=reasons)
