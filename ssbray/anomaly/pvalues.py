"""P-values that make scores comparable."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssbray.domain import FloatArray
from ssbray.errors import InputError

FEWEST = 20  #: calibration scores from which a tail can be told


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


def surprise(scores: ArrayLike, calibration: ArrayLike) -> FloatArray:
    """Minus ln of the p-value, carried on beyond the calibration set, to rank what no p-value tells apart.

    Within the lower nine tenths of the calibration scores it is that of `p_values`; the upper tenth is
    taken for a Pareto tail (Hill, Ann. Stat. 3, 1163 (1975)). Infinite scores are infinitely surprising.

    >>> known = np.arange(1.0, 100.0)
    >>> surprise([50.0, 200.0, 400.0], known).round(2).tolist()
    [0.67, 15.82, 27.46]
    """
    known, found = np.sort(np.asarray(calibration, dtype=np.float64)), np.asarray(scores, dtype=np.float64)
    n = len(known)
    if n < FEWEST or known[0] < 0 or not np.isfinite(known[-1]) or known[-1] <= 0:
        raise InputError("calibration", n, f"a tail needs at least {FEWEST} scores, finite and not negative")
    k = max(FEWEST // 2, n // 10)
    start = max(float(known[-k - 1]), np.finfo(float).tiny)
    index = max(float(np.mean(np.log(known[-k:] / start))), 1e-6)
    tail = np.log((n + 1) / (k + 1)) + np.log(np.maximum(found, start) / start) / index
    return np.where(found > start, tail, -np.log(p_values(found, known)))


def joint(*surprises: FloatArray) -> FloatArray:
    """The largest of several surprises of each map, (n,), less ln of their number (Bonferroni).

    >>> joint(np.array([1.0, 5.0]), np.array([2.0, 0.0])).round(3).tolist()
    [1.307, 4.307]
    """
    return np.asarray(np.max(surprises, axis=0) - np.log(len(surprises)))
