"""Scores of Gaussian predictions."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr
from scipy.stats import beta, norm, spearmanr

from ssbray.domain import FloatArray

LEVELS = (50, 80, 90, 95)  #: central intervals whose coverage is reported [%]


def nll_each(value: FloatArray, mean: FloatArray, std: FloatArray) -> FloatArray:
    """Negative log density of each value, in nats."""
    return np.asarray(0.5 * ((value - mean) / std) ** 2 + np.log(std) + 0.5 * math.log(2 * math.pi))


def nll(value: FloatArray, mean: FloatArray, std: FloatArray) -> float:
    """Mean negative log density of the values, in nats.

    >>> round(nll(np.zeros(1), np.zeros(1), np.ones(1)), 6)
    0.918939
    """
    return float(nll_each(value, mean, std).mean())


def crps_each(value: FloatArray, mean: FloatArray, std: FloatArray) -> FloatArray:
    """Continuous ranked probability score of each prediction, in the unit of the values.

    Closed form for a Gaussian: Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007),
    10.1198/016214506000001437, eq. 21.

    """
    z = (value - mean) / std
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray(std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi)))


def crps(value: FloatArray, mean: FloatArray, std: FloatArray) -> float:
    """Mean continuous ranked probability score, in the unit of the values.

    >>> round(crps(np.zeros(1), np.zeros(1), np.ones(1)), 6)
    0.233695
    """
    return float(crps_each(value, mean, std).mean())


def half_width(percent: float) -> float:
    """Half the width of a central Gaussian interval, in standard deviations.

    >>> round(half_width(90), 4)
    1.6449
    """
    return float(norm.ppf(0.5 + percent / 200))


def coverage(value: FloatArray, mean: FloatArray, std: FloatArray, percent: float) -> float:
    """Share of the values inside their central interval."""
    return float(np.mean(np.abs(value - mean) <= half_width(percent) * std))


def binomial_interval(share: float, n: int, percent: float = 95) -> tuple[float, float]:
    """Exact interval of a share that was seen in n cases (Clopper and Pearson, Biometrika 26, 404 (1934)).

    >>> tuple(round(x, 3) for x in binomial_interval(0.9, 10))
    (0.555, 0.997)
    """
    k, tail = round(share * n), (1 - percent / 100) / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return low, high


def calibration_error(value: FloatArray, mean: FloatArray, std: FloatArray) -> float:
    """Mean |share of values below a predicted quantile - its level| over the levels 5, 10, ... 95 %.

    Kuleshov, Fenner and Ermon (arXiv 1807.00263), with absolute instead of squared differences.
    """
    below = np.sort(ndtr((value - mean) / std))
    levels = np.arange(1, 20) / 20
    return float(np.mean(np.abs(np.searchsorted(below, levels, side="right") / len(below) - levels)))


def rank_correlation(error: FloatArray, std: FloatArray) -> float:
    """Spearman's correlation of |error| with the predicted deviation; 0 where either is constant.

    >>> rank_correlation(np.array([-3.0, 1.0, 2.0]), np.array([0.3, 0.1, 0.2]))
    1.0
    """
    size = np.abs(error)
    if np.ptp(size) == 0 or np.ptp(std) == 0:
        return 0.0
    return float(spearmanr(size, std).statistic)


def sparsification_error(error: FloatArray, std: FloatArray) -> float:
    """Area between two curves: mean |error| of what is left if the most uncertain, or the worst, are set aside.

    Over the mean |error|, and over all shares set aside (AUSE: Ilg et al., arXiv 1802.07095). Zero if
    the deviations order the errors rightly.
    """
    size = np.abs(error)
    if not size.any():
        return 0.0
    left = np.arange(1, len(size) + 1)
    by_std, by_error = (np.cumsum(size[np.argsort(key, kind="stable")]) / left for key in (std, size))
    return float(np.mean(by_std - by_error) / size.mean())


def difference_interval(ours: FloatArray, theirs: FloatArray, rng: np.random.Generator, percent: float = 95,
                        draws: int = 2000) -> tuple[float, float]:
    """Bootstrap interval of the mean of theirs - ours over the same cases (Efron, Ann. Stat. 7, 1 (1979))."""
    gap = theirs - ours
    means = np.array([gap[rng.integers(0, len(gap), len(gap))].mean() for _ in range(draws)])
    low, high = np.percentile(means, [50 - percent / 2, 50 + percent / 2])
    return float(low), float(high)


def divergence(share: FloatArray, guess: FloatArray, floor: float = 1e-6) -> float:
    """Kullback-Leibler divergence of guessed from true shares, the guess mixed with `floor` of every part [nats].

    >>> divergence(np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    0.0
    """
    mixed = (guess + floor) / (guess + floor).sum()
    return float(np.sum(np.where(share > 0, share * np.log(np.where(share > 0, share, 1.0) / mixed), 0.0)))
