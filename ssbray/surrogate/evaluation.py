"""How good a surrogate is on graphs that it has not seen, beside simple models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.surrogate.baselines import baselines
from ssbray.surrogate.model import Surrogate
from ssbray.surrogate.scores import LEVELS, binomial_interval, coverage, crps, nll


def evaluate(surrogate: Surrogate, graphs: Sequence[FeatureGraph], sigma: ArrayLike, *,
             train_graphs: Sequence[FeatureGraph], train_sigma: ArrayLike, device: str = "cpu") -> dict[str, Any]:
    """Score predictions of the effective conductivity.

    Graphs that do not conduct, in truth or as a network, have no logarithm; they are counted under
    `non_conducting` and left out of the scores.

    Parameters
    ----------
    surrogate : the model.
    graphs, sigma : n test graphs and their conductivity [S/m].
    train_graphs, train_sigma : what the baselines are fitted on.
    device : "cpu" or "cuda".

    Returns
    -------
    dict
        mape_percent and r2 (of ln sigma), rmse_log10; nll [nats] and crps of ln sigma; coverage of the
        central intervals and their 95 % confidence limits; sharpness (mean deviation of ln sigma);
        in_domain_share; the same scores of each baseline; n, the number of graphs scored.
    """
    train, ln_train, _ = _conducting(train_graphs, train_sigma)
    test, ln_test, dropped = _conducting(graphs, sigma)
    if len(test) < 2 or len(train) < 2:
        raise InputError("graphs", (len(train), len(test)), "evaluation needs two conducting graphs in either set")
    mean, epistemic, aleatoric = surrogate.predict_arrays(test, device)
    std = np.hypot(epistemic, aleatoric)
    share = {str(level): coverage(ln_test, mean, std, level) for level in LEVELS}
    error = ln_test - mean
    return {
        **_scores(ln_test, mean, std),
        "r2": float(1 - np.sum(error**2) / np.sum((ln_test - ln_test.mean()) ** 2)),
        "rmse_log10": float(np.sqrt(np.mean(error**2)) / np.log(10)),
        "coverage": share,
        "coverage_interval95": {level: list(binomial_interval(value, len(test))) for level, value in share.items()},
        "sharpness": float(std.mean()),
        "epistemic": float(epistemic.mean()),
        "in_domain_share": float(np.mean(surrogate.in_domain(test))),
        "non_conducting": dropped,
        "baselines": {name: _scores(ln_test, *moments) for name, moments in baselines(train, ln_train, test).items()},
        "n": len(test),
    }


def _scores(ln_sigma: FloatArray, mean: FloatArray, std: FloatArray) -> dict[str, float]:
    return {"mape_percent": float(100 * np.mean(np.abs(np.expm1(mean - ln_sigma)))),
            "nll": nll(ln_sigma, mean, std), "crps": crps(ln_sigma, mean, std)}


def _conducting(graphs: Sequence[FeatureGraph], sigma: ArrayLike) -> tuple[list[FeatureGraph], FloatArray, int]:
    """Graphs with a logarithm, the logarithms, and how many were left out."""
    values = np.asarray(sigma, dtype=np.float64)
    if len(values) != len(graphs):
        raise InputError("sigma", len(values), f"give one conductivity for each of the {len(graphs)} graphs")
    keep = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0 and values[k] > 0]
    return [graphs[k] for k in keep], np.log(values[keep]), len(graphs) - len(keep)
