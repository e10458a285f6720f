"""The same network with other ways to be unsure: what a variational posterior must be compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.rng import subseed
from ssbray.surrogate.batch import GraphBatch, Scaling, union
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.descriptors import ln_prior
from ssbray.surrogate.fit import maximise, minibatches, reproducible
from ssbray.surrogate.labels import Labels, Shares, make_labels
from ssbray.surrogate.net import RecurrentGraphNet

ENSEMBLE = 5  #: members of the deep ensemble
DROPOUT = 0.1
PASSES = 30  #: with dropout
Moments = tuple[FloatArray, FloatArray]


def deep_baselines(train: Sequence[FeatureGraph], ln_train: FloatArray, test: Sequence[FeatureGraph], *, seed: int,
                   losses: Sequence[Shares] | None = None,
                   config: TrainingConfig | None = None, device: str = "cpu",
                   progress: Callable[[int, int], None] | None = None) -> dict[str, Moments]:
    """Predict ln sigma of the test graphs by point estimates of the same network.

    All learn from every training graph, with the options of the maximum a posteriori stage; nothing is
    recalibrated, as in their sources.

    Parameters
    ----------
    train, test : graphs that percolate.
    ln_train : (n,) ln(sigma / (S/m)) of the training graphs.
    seed : decides every draw.
    losses : true shares of the dissipation in the training graphs.
    config : options.
    device : "cpu" or "cuda".
    progress : called with (steps done, steps in all).

    Returns
    -------
    name -> (mean, std), (m,) each:
        deep ensemble: five fits, mixed (Lakshminarayanan et al., arXiv 1612.01474);
        MC dropout: one fit with dropout in the readout, also at the test (Gal and Ghahramani, arXiv 1506.02142);
        last-layer Laplace: the first fit, its output layer Gaussian about the optimum (Daxberger et al.,
        arXiv 2106.14806).
    """
    config = config or TrainingConfig()
    rest = ln_train - ln_prior(train)
    shift, spread = float(rest.mean()), float(rest.std()) or 1.0
    scaling = Scaling.fit(train)
    data, unseen = union(train, scaling, device), union(test, scaling, device)
    labels = make_labels((rest - shift) / spread, losses, device)
    learned = config.noise == "learned"
    steps = config.duration(len(train))[0]
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, (ENSEMBLE + 1) * steps)

    def fitted(member: int, dropout: float = 0.0) -> RecurrentGraphNet:
        net = RecurrentGraphNet(scaling.sizes, config.hidden, config.steps, dropout).to(device)
        batch = minibatches(data, labels, np.arange(len(train)), config.batch_size, subseed(seed, "deep", member))
        maximise(net, batch, len(train), steps, config, tick)
        return net

    def said(net: RecurrentGraphNet) -> Moments:
        with torch.inference_mode():
            out = net(unseen)
        own = torch.exp(out.ln_noise) if learned else torch.ones_like(out.mean)
        return _numpy(out.mean), config.map_noise * _numpy(own)

    def mixed(each: Sequence[Moments]) -> Moments:
        means, noises = (np.stack([one[k] for one in each]) for k in (0, 1))
        return means.mean(axis=0), np.sqrt(means.var(axis=0) + (noises**2).mean(axis=0))

    with reproducible(subseed(seed, "deep ensemble")):
        nets = [fitted(member) for member in range(ENSEMBLE)]
        found = {"deep ensemble": mixed([said(net) for net in nets])}
    with reproducible(subseed(seed, "dropout")):
        net = fitted(ENSEMBLE, DROPOUT)
        found["MC dropout"] = mixed([said(net) for _ in range(PASSES)])
    mean, noise = said(nets[0])
    found["last-layer Laplace"] = mean, np.hypot(noise, _last_layer(nets[0], data, labels, unseen, config))
    prior = ln_prior(test)
    return {name: (prior + shift + spread * mean, spread * std) for name, (mean, std) in found.items()}


def _last_layer(net: RecurrentGraphNet, data: GraphBatch, labels: Labels, unseen: GraphBatch,
                config: TrainingConfig) -> FloatArray:
    """Deviation of the output from the posterior covariance of its layer, noise as fitted, (m,)."""
    with torch.inference_mode():
        known, new = (torch.cat([net.states(batch)[0], batch.whole, torch.ones_like(batch.whole[:, :1])], dim=1)
                      for batch in (data, unseen))
        ln_noise = net(data).ln_noise if config.noise == "learned" else torch.zeros_like(labels.value)
    x, x_new = known.double(), new.double()
    weight = torch.exp(-2 * ln_noise.double()) / config.map_noise**2
    width = torch.full((x.shape[1],), config.prior_gain, dtype=torch.float64, device=x.device)
    hidden = net.out.weight.shape[1]
    width[:hidden] /= hidden**0.5
    width[hidden:-1] /= (x.shape[1] - hidden - 1) ** 0.5
    precision = x.T @ (weight[:, None] * x) + torch.diag(width**-2)
    return np.sqrt(_numpy((x_new * torch.linalg.solve(precision, x_new.T).T).sum(dim=1)))


def _numpy(x: Tensor) -> FloatArray:
    return x.cpu().numpy().astype(np.float64)
