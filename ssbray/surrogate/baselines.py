"""Simple predictors of the same thing, to be beaten."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.rng import stream
from ssbray.surrogate.descriptors import descriptors, ln_prior, standardise

Moments = tuple[FloatArray, FloatArray]
SMALLEST = 1e-6  #: floor of a standard deviation of ln sigma
MOST_FOR_EVIDENCE = 500  #: points that choose the parameters of a Gaussian process; all of them are its data
FOLDS = 5


def baselines(train: Sequence[FeatureGraph], ln_train: FloatArray, test: Sequence[FeatureGraph]) -> dict[str, Moments]:
    """Predict ln sigma of the test graphs by simple models fitted on the training graphs.

    Parameters
    ----------
    train, test : graphs that percolate.
    ln_train : (n,) ln(sigma / (S/m)) of the training graphs.

    Returns
    -------
    name -> (mean, std), (m,) each:
        mean: mean and deviation of the training set;
        network: the resistor network of the regions as it is; subdivided network: with the regions cut into blocks;
        network + ...: the subdivided one times a constant (bias), which a linear (ridge), a smooth (Gaussian
        process) or a piecewise constant (gradient boosting) function of the descriptors corrects.
    """
    plain_train, plain_test = (np.log([g.sigma_network for g in graphs]) for graphs in (train, test))
    net_train, net_test = ln_prior(train), ln_prior(test)
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
        "network": flat(plain_test, float(np.sqrt(np.mean((ln_train - plain_train) ** 2)))),
        "subdivided network": flat(net_test, float(np.sqrt(np.mean(rest**2)))),
        "network + bias": flat(net_test + bias, float(rest.std())),
        "network + ridge": corrected(ridge),
        "network + Gaussian process": corrected(gaussian_process),
        "network + gradient boosting": corrected(gradient_boosting),
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

    The evidence is that of the first `MOST_FOR_EVIDENCE` points.
    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), alg. 2.1 and eq. 5.8.
    """
    scale = float(y.std()) or 1.0

    def kernel(a: FloatArray, b: FloatArray, p: FloatArray) -> FloatArray:
        smooth, length, linear = np.exp(p[:3])
        return np.asarray(smooth**2 * np.exp(-cdist(a, b, "sqeuclidean") / (2 * length**2))
                          + linear**2 * (a @ b.T) / a.shape[1])

    def factor(a: FloatArray, p: FloatArray) -> tuple[FloatArray, bool]:
        return cho_factor(kernel(a, a, p) + (np.exp(2 * p[3]) + 1e-10 * scale**2) * np.eye(len(a)), lower=True)

    x_few, y_few = x[:MOST_FOR_EVIDENCE], y[:MOST_FOR_EVIDENCE]

    def misfit(p: FloatArray) -> float:
        lower = factor(x_few, p)
        return float(0.5 * y_few @ cho_solve(lower, y_few) + np.log(np.diag(lower[0])).sum())

    size = np.log(scale)
    start = np.array([size, 0.5 * np.log(x.shape[1]), size - 1, size - 1])
    p = minimize(misfit, start, method="L-BFGS-B",
                 bounds=[(size - 6, size + 4), (-1, 6), (size - 6, size + 4), (size - 5, size + 1)]).x
    lower, cross = factor(x, p), kernel(x_test, x, p)
    prior = np.exp(2 * p[0]) + np.exp(2 * p[2]) * (x_test**2).sum(axis=1) / x.shape[1]
    variance = prior - np.einsum("ij,ji->i", cross, cho_solve(lower, cross.T)) + np.exp(2 * p[3])
    return cross @ cho_solve(lower, y), np.sqrt(np.maximum(variance, 0))


def gradient_boosting(x: FloatArray, y: FloatArray, x_test: FloatArray) -> Moments:
    """Boosted trees (Friedman, Comput. Stat. Data Anal. 38, 367 (2002)); their deviation from trees as well.

    The squared errors of cross-validation are learnt in logarithm, which gives each point its own
    deviation, and all deviations are scaled so that the standardised errors have unit mean square.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    def fit(rows: NDArray[np.integer], target: FloatArray, trees: int) -> GradientBoostingRegressor:
        return GradientBoostingRegressor(n_estimators=trees, learning_rate=0.05, max_depth=3, subsample=0.7,
                                         max_features=0.3, random_state=0).fit(x[rows], target[rows])

    every = np.arange(len(y))
    fold = stream(0, "folds of gradient boosting").permutation(len(y)) % min(FOLDS, len(y))
    error, spread = np.empty((2, len(y)))
    for k in range(int(fold.max()) + 1):
        error[fold == k] = y[fold == k] - fit(every[fold != k], y, 300).predict(x[fold == k])
    ln_square = np.log(np.maximum(error**2, SMALLEST**2))
    for k in range(int(fold.max()) + 1):
        spread[fold == k] = np.exp(fit(every[fold != k], ln_square, 100).predict(x[fold == k]) / 2)
    scale = float(np.sqrt(np.mean((error / spread) ** 2)))
    return fit(every, y, 300).predict(x_test), scale * np.exp(fit(every, ln_square, 100).predict(x_test) / 2)
