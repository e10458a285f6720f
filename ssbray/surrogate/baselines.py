"""Simple predictors of the same thing, to be beaten."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.surrogate.descriptors import descriptors, standardise

Moments = tuple[FloatArray, FloatArray]
SMALLEST = 1e-6  #: floor of a standard deviation of ln sigma


def baselines(train: Sequence[FeatureGraph], ln_train: FloatArray, test: Sequence[FeatureGraph]) -> dict[str, Moments]:
    """Predict ln sigma of the test graphs by five simple models fitted on the training graphs.

    Parameters
    ----------
    train, test : graphs that percolate.
    ln_train : (n,) ln(sigma / (S/m)) of the training graphs.

    Returns
    -------
    name -> (mean, std), (m,) each:
        mean: mean and deviation of the training set; network: the resistor network as it is;
        network + bias: times a constant; network + ridge: plus a linear function of the descriptors;
        network + Gaussian process: plus a smooth one.
    """
    net_train, net_test = (np.log([g.sigma_network for g in graphs]) for graphs in (train, test))
    rest = ln_train - net_train
    raw = descriptors(train)
    x, x_test = standardise(raw, raw), standardise(descriptors(test), raw)
    bias = float(rest.mean())

    def flat(mean: FloatArray, std: float) -> Moments:
        return mean, np.full(len(test), max(std, SMALLEST))

    def corrected(fit: Callable[[FloatArray, FloatArray, FloatArray], Moments]) -> Moments:
        mean, std = fit(x, rest - bias, x_test)
        return net_test + bias + mean, np.maximum(std, SMALLEST)

    return {
        "mean": flat(np.full(len(test), ln_train.mean()), float(ln_train.std())),
        "network": flat(net_test, float(np.sqrt(np.mean(rest**2)))),
        "network + bias": flat(net_test + bias, float(rest.std())),
        "network + ridge": corrected(ridge),
        "network + Gaussian process": corrected(gaussian_process),
    }


def ridge(x: FloatArray, y: FloatArray, x_test: FloatArray) -> Moments:
    """Linear regression with the penalty of least leave-one-out error, which is also its deviation.

    Allen, Technometrics 16, 125 (1974): residuals over (1 - leverage).
    """
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    best: tuple[float, float] = (np.inf, 1.0)
    for penalty in len(x) * np.logspace(-6, 3, 19):
        shrink = s**2 / (s**2 + penalty)
        left_out = (y - u @ (shrink * (u.T @ y))) / (1 - np.minimum((u**2) @ shrink, 1 - 1e-9))
        best = min(best, (float(np.sqrt(np.mean(left_out**2))), penalty))
    error, penalty = best
    return x_test @ (vt.T @ (s / (s**2 + penalty) * (u.T @ y))), np.full(len(x_test), error)


def gaussian_process(x: FloatArray, y: FloatArray, x_test: FloatArray) -> Moments:
    """Exact Gaussian process, squared-exponential plus linear kernel plus noise, by maximum evidence.

    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), alg. 2.1 and eq. 5.8.
    """
    scale = float(y.std()) or 1.0

    def kernel(a: FloatArray, b: FloatArray, p: FloatArray) -> FloatArray:
        smooth, length, linear = np.exp(p[:3])
        return np.asarray(smooth**2 * np.exp(-cdist(a, b, "sqeuclidean") / (2 * length**2))
                          + linear**2 * (a @ b.T) / a.shape[1])

    def factor(p: FloatArray) -> tuple[FloatArray, bool]:
        return cho_factor(kernel(x, x, p) + (np.exp(2 * p[3]) + 1e-10 * scale**2) * np.eye(len(x)), lower=True)

    def misfit(p: FloatArray) -> float:
        lower = factor(p)
        return float(0.5 * y @ cho_solve(lower, y) + np.log(np.diag(lower[0])).sum())

    size = np.log(scale)
    start = np.array([size, 0.5 * np.log(x.shape[1]), size - 1, size - 1])
    p = minimize(misfit, start, method="L-BFGS-B",
                 bounds=[(size - 6, size + 4), (-1, 6), (size - 6, size + 4), (size - 5, size + 1)]).x
    lower, cross = factor(p), kernel(x_test, x, p)
    prior = np.exp(2 * p[0]) + np.exp(2 * p[2]) * (x_test**2).sum(axis=1) / x.shape[1]
    variance = prior - np.einsum("ij,ji->i", cross, cho_solve(lower, cross.T)) + np.exp(2 * p[3])
    return cross @ cho_solve(lower, y), np.sqrt(np.maximum(variance, 0))
