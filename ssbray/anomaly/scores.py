"""How far a map, or an answer, is from what is known. Larger is stranger."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ssbray.domain import FloatArray
from ssbray.errors import InputError


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
