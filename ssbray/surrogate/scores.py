"""Scores of Gaussian predictions."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr
from scipy.stats import beta, norm

from ssbray.domain import FloatArray

LEVELS = (50, 80, 90, 95)  #: central intervals whose coverage is reported [%]


def nll(value: FloatArray, mean: FloatArray, std: FloatArray) -> float:
    """Mean negative log density of the values, in nats.

    >>> round(nll(np.zeros(1), np.zeros(1), np.ones(1)), 6)
    0.918939
    """
    return float(np.mean(0.5 * ((value - mean) / std) ** 2 + np.log(std))) + 0.5 * math.log(2 * math.pi)


def crps(value: FloatArray, mean: FloatArray, std: FloatArray) -> float:
    """Mean continuous ranked probability score, in the unit of the values.

    Closed form for a Gaussian: Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007),
    10.1198/016214506000001437, eq. 21.

    >>> round(crps(np.zeros(1), np.zeros(1), np.ones(1)), 6)
    0.233695
    """
    z = (value - mean) / std
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return float(np.mean(std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))))


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
