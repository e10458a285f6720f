"""How good a surrogate is on graphs that it has not seen, beside simple models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.rng import stream
from ssbray.surrogate import scores
from ssbray.surrogate.baselines import baselines
from ssbray.surrogate.deep import deep_baselines
from ssbray.surrogate.labels import Shares, check_shares
from ssbray.surrogate.model import Surrogate


def evaluate(surrogate: Surrogate, graphs: Sequence[FeatureGraph], sigma: ArrayLike, *,
             train_graphs: Sequence[FeatureGraph], train_sigma: ArrayLike,
             train_losses: Sequence[Shares] | None = None, losses: Sequence[Shares] | None = None,
             extent: Literal["simple", "all"] = "simple", seed: int = 0, device: str = "cpu",
             progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Score predictions of the effective conductivity.

    Graphs that do not conduct, in truth or as a network, have no logarithm; they are counted under
    `non_conducting` and left out of the scores. Where only one of the two conducts the model is wrong by
    everything there is: that is `misjudged`.

    Parameters
    ----------
    surrogate : the model.
    graphs, sigma : n test graphs and their conductivity [S/m].
    train_graphs, train_sigma, train_losses : what the baselines are fitted on, as for `train`.
    losses : true shares of the dissipation in the nodes and edges of the test graphs.
    extent : "all" also trains the deep baselines (`deep.deep_baselines`), six fits of the same network.
    seed : of those, and of the bootstrap.
    device : "cpu" or "cuda".
    progress : called with (steps done, steps in all) while those are trained.

    Returns
    -------
    dict
        mape_percent and r2 (of ln sigma), rmse_log10; nll [nats] and crps of ln sigma; coverage of the
        central intervals and their 95 % confidence limits; coverage90 of `Prediction.interval90`; ece,
        the mean error of predicted quantiles; sharpness (mean deviation of ln sigma); spearman of
        |error| and deviation, ause; the same for the posterior before recalibration; in_domain_share;
        loss_kl, the divergence of the predicted from the true shares, beside that of the subdivided network;
        mape_percent, nll and crps of each baseline, and under `ahead` the 95 % bootstrap interval of each
        baseline's score less the surrogate's; n, the number of graphs scored.
    """
    train, ln_train, learnt = _conducting(train_graphs, train_sigma)
    test, ln_test, live = _conducting(graphs, sigma)
    if len(test) < 2 or len(train) < 2:
        raise InputError("graphs", (len(train), len(test)), "evaluation needs two conducting graphs in either set")
    mean, epistemic, aleatoric = surrogate.predict_arrays(test, device)
    std = np.hypot(epistemic, aleatoric)
    error = ln_test - mean
    reach = surrogate.calibration.reach * std
    inside = float(np.mean(np.abs(error) <= reach))
    ours = _each(ln_test, mean, std)
    found = baselines(train, ln_train, test)
    if extent == "all":
        known = None if train_losses is None else [train_losses[k] for k in learnt]
        found |= deep_baselines(train, ln_train, test, losses=known, seed=seed, config=surrogate.config, device=device,
                                progress=progress)
    theirs = {name: _each(ln_test, *moments) for name, moments in found.items()}
    limits = stream(seed, "bootstrap of scores")
    return {
        **{name: float(values.mean()) for name, values in ours.items()},
        "r2": float(1 - np.sum(error**2) / np.sum((ln_test - ln_test.mean()) ** 2)),
        "rmse_log10": float(np.sqrt(np.mean(error**2)) / np.log(10)),
        **_spread(ln_test, mean, std),
        "coverage90": {"share": inside, "interval95": list(scores.binomial_interval(inside, len(test))),
                       "mean_width": float(np.mean(2 * reach))},
        "before_recalibration": {"nll": scores.nll(ln_test, mean, std / surrogate.calibration.inflation),
                                 **_spread(ln_test, mean, std / surrogate.calibration.inflation)},
        "epistemic": float(epistemic.mean()),
        "in_domain_share": float(np.mean(surrogate.in_domain(test))),
        "loss_kl": None if losses is None else _misplaced(surrogate, test, losses, live, device),
        "non_conducting": len(graphs) - len(test),
        "misjudged": sum((graph.sigma_network > 0) != (value > 0) for graph, value in zip(
            graphs, np.asarray(sigma, dtype=np.float64).tolist(), strict=True)),
        "baselines": {name: {key: float(values.mean()) for key, values in each.items()}
                      for name, each in theirs.items()},
        "ahead": {name: {key: list(scores.difference_interval(ours[key], each[key], limits)) for key in ours}
                  for name, each in theirs.items()},
        "n": len(test),
    }


def _each(ln_sigma: FloatArray, mean: FloatArray, std: FloatArray) -> dict[str, FloatArray]:
    """Scores of every graph."""
    return {"mape_percent": 100 * np.abs(np.expm1(mean - ln_sigma)), "nll": scores.nll_each(ln_sigma, mean, std),
            "crps": scores.crps_each(ln_sigma, mean, std)}


def _spread(ln_sigma: FloatArray, mean: FloatArray, std: FloatArray) -> dict[str, Any]:
    """What the deviations are worth."""
    share = {str(level): scores.coverage(ln_sigma, mean, std, level) for level in scores.LEVELS}
    return {
        "coverage": share,
        "coverage_interval95": {level: list(scores.binomial_interval(value, len(mean)))
                                for level, value in share.items()},
        "ece": scores.calibration_error(ln_sigma, mean, std),
        "sharpness": float(std.mean()),
        "spearman": scores.rank_correlation(ln_sigma - mean, std),
        "ause": scores.sparsification_error(ln_sigma - mean, std),
    }


def _misplaced(surrogate: Surrogate, test: Sequence[FeatureGraph], losses: Sequence[Shares], live: Sequence[int],
               device: str) -> dict[str, float]:
    """Mean divergence of predicted from true shares of the dissipation [nats]: the model's, and the network's."""
    true = [losses[k] for k in live]
    check_shares(test, true)
    found = {"model": surrogate.losses(test, device), "network": [
        (g.node_features[:, g.node_names.index("fine_loss")], g.edge_features[:, g.edge_names.index("fine_loss")])
        for g in test]}
    return {name: float(np.mean([scores.divergence(np.concatenate(a), np.concatenate(b))
                                 for a, b in zip(true, guess, strict=True)])) for name, guess in found.items()}


def _conducting(graphs: Sequence[FeatureGraph], sigma: ArrayLike) -> tuple[list[FeatureGraph], FloatArray, list[int]]:
    """Graphs with a logarithm, the logarithms, and their places."""
    values = np.asarray(sigma, dtype=np.float64)
    if len(values) != len(graphs):
        raise InputError("sigma", len(values), f"give one conductivity for each of the {len(graphs)} graphs")
    keep = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0 and values[k] > 0]
    return [graphs[k] for k in keep], np.log(values[keep]), keep
