"""From graphs and finite-element answers to a surrogate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

import ssbray
from ssbray.anomaly import Reference, describe
from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.rng import subseed
from ssbray.surrogate.batch import Scaling, union
from ssbray.surrogate.calibration import FEWEST_GRAPHS, FEWEST_GROUPS, Calibration, calibrate, hold_out
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.descriptors import descriptors, ln_prior
from ssbray.surrogate.fit import fit, outputs
from ssbray.surrogate.labels import Shares, check_shares, make_labels
from ssbray.surrogate.model import Surrogate, check_device, moments, sample_counts


def train(graphs: Sequence[FeatureGraph], sigma: ArrayLike, *, groups: Sequence[str],
          config: TrainingConfig | None = None, seed: int, device: str = "cpu",
          losses: Sequence[Shares] | None = None,
          progress: Callable[[int, int], None] | None = None) -> Surrogate:
    """Train a Bayesian recurrent graph convolution on ln(sigma / sigma_network), the network subdivided.

    Graphs that do not conduct, in truth or as a network, carry no logarithm: they are left out and
    counted in the card. Each member of the mixture is fitted without a fold of the groups (designs,
    specimens), and what the members say of those calibrates deviations and intervals (`calibration`),
    so that every graph serves to learn and to calibrate. Only location and scale of features and targets
    are shared. Equal data and seed give equal bits on a CPU, whatever the number of threads.

    Parameters
    ----------
    graphs : n feature graphs.
    sigma : (n,) effective conductivity of each [S/m]; zero where nothing percolates.
    groups : n names; graphs of one group are never split between training and calibration.
    config : options.
    seed : decides every draw.
    device : "cpu" or "cuda".
    losses : for each graph, the share of the true dissipation in its (nodes,) and (edges,), as
        `graph.losses.by_region` gives them; the model then learns where the resistance sits, too.
    progress : called with (steps done, steps in all).
    """
    config = config or TrainingConfig()
    check_device(device)
    truth = np.asarray(sigma, dtype=np.float64)
    if not len(graphs) == len(truth) == len(groups):
        raise InputError("sigma", (len(graphs), len(truth), len(groups)), "give one conductivity and group per graph")
    if not (np.isfinite(truth).all() and (truth >= 0).all()):
        raise InputError("sigma", truth[~(np.isfinite(truth) & (truth >= 0))][0],
                         "a conductivity is zero or more [S/m]: leave failed solves out")
    if losses is not None:
        check_shares(graphs, losses)
    usable = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0 and truth[k] > 0]
    if len(usable) < 2:
        raise InputError("graphs", len(usable), "training needs at least two graphs that conduct")
    chosen, names = [graphs[k] for k in usable], [groups[k] for k in usable]
    scaling = Scaling.fit(chosen)
    scaling.check(graphs)
    target = np.log(truth[usable]) - ln_prior(chosen)
    shift, spread = float(target.mean()), float(target.std()) or 1.0
    standard = (target - shift) / spread
    held = hold_out(names, config.members, config.calibration_fraction, seed)
    seen = [np.flatnonzero(~out) for out in held]
    total = sum(sum(config.duration(len(rows))) for rows in seen)
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    data = union(chosen, scaling, device)
    labels = make_labels(standard, None if losses is None else [losses[k] for k in usable], device)
    counts = sample_counts(config)
    fits = [fit(data, labels, rows, scaling.sizes, config, count=count, seed=subseed(seed, "member", member),
                tick=tick) for member, (count, rows) in enumerate(zip(counts, seen, strict=True))]
    samples = {name: torch.cat([weights[name] for weights, _ in fits]) for name in fits[0][0]}
    noise = np.repeat([one for _, one in fits], counts)
    calibration = Calibration()
    if held.any():
        told = outputs(samples, chosen, scaling, config, device)
        own = np.stack([part.mean(axis=0) for part in np.split(told.mean, np.cumsum(counts)[:-1])])
        _, epistemic, aleatoric = moments(told.mean, told.ln_noise, noise)
        calibration = calibrate(standard - own, held, np.hypot(epistemic, aleatoric), names)
    return Surrogate(
        samples=samples, scaling=scaling, shift=shift, spread=spread, noise=spread * noise, calibration=calibration,
        known=descriptors(chosen), reference=Reference.of([describe(graph) for graph in chosen]), config=config,
        card=_card(target, calibration, len(graphs) - len(usable), len(set(names)), noise, held, config, seed))


def _card(target: FloatArray, calibration: Calibration, excluded: int, groups: int, noise: FloatArray,
          held: np.ndarray, config: TrainingConfig, seed: int) -> dict[str, Any]:
    """Say what the model was made from, and what its intervals are worth."""
    if calibration.graphs:
        note = (f"Deviations scaled by {calibration.inflation:.3g}, from {calibration.graphs} predictions of unseen "
                f"groups; 90 % intervals are {'conformal' if calibration.conformal else 'Gaussian'}.")
    else:
        note = (f"Intervals are NOT calibrated: {len(target)} graphs of {groups} groups are too few to hold some out "
                f"(at least {FEWEST_GRAPHS} graphs of {FEWEST_GROUPS} groups, and two members).")
    learnt = len(target) - float(held.sum(axis=1).mean())
    gain = config.centred_gain if config.prior_centre == "map" else config.prior_gain
    return {"graphs": len(target), "graphs_excluded": excluded, "groups": groups,
            "calibrated_on": calibration.graphs, "inflation": calibration.inflation, "reach90": calibration.reach,
            "noise": float(np.sqrt(np.mean(noise**2))),
            "lambda_map": config.map_noise**2 / (learnt * config.prior_gain**2),
            "lambda": float(np.mean(noise**2)) / (learnt * gain**2),
            "seed": seed, "ln_ratio_range": [float(target.min()), float(target.max())],
            "code_version": ssbray.__version__,
            "notes": [note, "Claims hold for maps like the training maps, not for points that an optimiser chose.",
                      "lambda = noise^2 / (N gain^2) is the weight of |w - centre|^2 times fan in, beside the mean "
                      "square error of standardised targets, that noise and prior imply."]}
