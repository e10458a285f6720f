"""From graphs and finite-element answers to a surrogate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import ssbray
from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.rng import stream, subseed
from ssbray.surrogate.batch import Scaling
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.descriptors import descriptors
from ssbray.surrogate.fit import fit, sampled_mean
from ssbray.surrogate.model import Surrogate, check_device

FEWEST_GRAPHS = 30  #: below this nothing is held out, and intervals are as the posterior has them
FEWEST_GROUPS = 5


def train(graphs: Sequence[FeatureGraph], sigma: ArrayLike, *, groups: Sequence[str],
          config: TrainingConfig | None = None, seed: int, device: str = "cpu",
          progress: Callable[[int, int], None] | None = None) -> Surrogate:
    """Train a Bayesian recurrent graph convolution on ln(sigma / sigma_network).

    Graphs that do not conduct, in truth or as a network, carry no logarithm: they are left out and
    counted in the card. Each member of the mixture is fitted without another fold of the groups
    (designs, specimens). All deviations are multiplied by the root mean square of its errors on those,
    over the mixture's deviation (Levi et al., arXiv 1905.11659), so that every graph serves to learn and
    most to calibrate; as the mixture errs less than one member, intervals are rather too wide than too
    narrow. Only location and scale of features and targets are shared. Equal data and seed give equal
    bits on a CPU, whatever the number of threads.

    Parameters
    ----------
    graphs : n feature graphs.
    sigma : (n,) effective conductivity of each [S/m]; zero where nothing percolates.
    groups : n names; graphs of one group are never split between training and calibration.
    config : options.
    seed : decides every draw.
    device : "cpu" or "cuda".
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
    usable = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0 and truth[k] > 0]
    if len(usable) < 2:
        raise InputError("graphs", len(usable), "training needs at least two graphs that conduct")
    chosen = [graphs[k] for k in usable]
    target = np.log(truth[usable] / [graph.sigma_network for graph in chosen])
    held = _hold_out([groups[k] for k in usable], config, seed)
    scaling = Scaling.fit(chosen)
    scaling.check(graphs)
    shift, spread = float(target.mean()), float(target.std()) or 1.0
    total = config.members * (config.map_steps + config.vi_steps)
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    counts = [len(part) for part in np.array_split(np.arange(config.samples), config.members)]
    fits = []
    for member, (count, out) in enumerate(zip(counts, held, strict=True)):
        seen = np.flatnonzero(~out)
        fits.append(fit([chosen[k] for k in seen], (target[seen] - shift) / spread, scaling, config, count=count,
                        seed=subseed(seed, "member", member), device=device, tick=tick))
    samples = {name: torch.cat([weights[name] for weights, _ in fits]) for name in fits[0][0]}
    noise = float(np.sqrt(np.mean([one**2 for _, one in fits])))
    inflation, calibrated = 1.0, int(held.sum())
    if calibrated:
        drawn = sampled_mean(samples, chosen, scaling, config, device)
        std = np.hypot(drawn.std(axis=0, ddof=1), noise)
        own = np.stack([part.mean(axis=0) for part in np.split(drawn, np.cumsum(counts)[:-1])])
        inflation = float(np.sqrt(np.mean((((target - shift) / spread - own) / std)[held] ** 2)))
    return Surrogate(
        samples=samples, scaling=scaling, shift=shift, spread=spread, noise=spread * noise, inflation=inflation,
        known=descriptors(chosen), config=config,
        card=_card(target, calibrated, len(graphs) - len(usable), len({groups[k] for k in usable}), inflation, seed))


def _hold_out(groups: Sequence[str], config: TrainingConfig, seed: int) -> NDArray[np.bool_]:
    """Choose what each member does not see, (members, n): another fold of the groups each; nothing if too few."""
    names = sorted(set(groups))
    out = np.zeros((config.members, len(groups)), dtype=bool)
    if len(groups) < FEWEST_GRAPHS or len(names) < FEWEST_GROUPS:
        return out
    folds = min(max(config.members, round(1 / config.calibration_fraction)), len(names))
    fold = dict(zip(stream(seed, "calibration groups").permutation(names), np.arange(len(names)) % folds, strict=True))
    for member in range(config.members):
        out[member] = [fold[group] == member % folds for group in groups]
    return out


def _card(target: FloatArray, calibrated: int, excluded: int, groups: int, inflation: float, seed: int
          ) -> dict[str, Any]:
    """Say what the model was made from, and what its intervals are worth."""
    if calibrated:
        note = f"Intervals scaled by {inflation:.3g}, from {calibrated} predictions of unseen groups."
    else:
        note = (f"Intervals are NOT calibrated: {len(target)} graphs of {groups} groups are too few to hold some out "
                f"(at least {FEWEST_GRAPHS} graphs of {FEWEST_GROUPS} groups).")
    return {"graphs": len(target), "graphs_excluded": excluded, "groups": groups, "calibrated_on": calibrated,
            "inflation": inflation, "seed": seed, "ln_ratio_range": [float(target.min()), float(target.max())],
            "code_version": ssbray.__version__,
            "notes": [note, "Claims hold for maps like the training maps, not for points that an optimiser chose."]}
