"""One variational fit, from random weights to posterior samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyro
import torch
from pyro.infer import SVI, TraceMeanField_ELBO
from pyro.optim import ClippedAdam
from pyro.util import get_rng_state, set_rng_state
from torch import Tensor

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.rng import stream, subseed
from ssbray.surrogate.batch import GraphBatch, Scaling, union
from ssbray.surrogate.bayes import BayesianNet, prior_widths
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.net import RecurrentGraphNet


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch and Pyro, on one thread; the caller's generators and thread count come back afterwards."""
    state, threads = get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would change the last bit
    torch.manual_seed(seed)
    pyro.set_rng_seed(seed % 2**32)  # numpy's part of it takes 32 bits
    pyro.clear_param_store()
    try:
        with pyro.validation_enabled(False):
            yield
    finally:
        pyro.clear_param_store()
        set_rng_state(state)
        torch.set_num_threads(threads)


def fit(graphs: Sequence[FeatureGraph], target: FloatArray, scaling: Scaling, config: TrainingConfig, *, count: int,
        seed: int, device: str, tick: Callable[[], None]) -> tuple[dict[str, Tensor], float]:
    """Fit the weights: maximum a posteriori first, then the variational posterior.

    Parameters
    ----------
    graphs, target : N graphs and (N,) standardised targets.
    scaling : of the features.
    config : options.
    count : posterior samples wanted.
    seed : decides every draw.
    device : "cpu" or "cuda".
    tick : called after each step.

    Returns
    -------
    samples : weight tensors (count, ...), on the CPU.
    noise : standard deviation of the noise, standardised.
    """
    order = stream(seed, "batches")
    values = torch.as_tensor(target, dtype=torch.float32, device=device)

    def batch() -> tuple[GraphBatch, Tensor, Tensor]:
        rows = order.choice(len(graphs), min(config.batch_size, len(graphs)), replace=False)
        index = torch.as_tensor(rows, device=device)
        return union([graphs[row] for row in rows], scaling, device), values[index], index

    with reproducible(subseed(seed, "weights")):
        net = RecurrentGraphNet(len(scaling.node_names), len(scaling.edge_names), config.hidden, config.steps)
        net.to(device)
        _maximise(net, batch, len(graphs), config, tick)
        start = {name: p.detach().clone() for name, p in net.named_parameters()}
        centred = config.prior_centre == "map"
        bayes = BayesianNet(net, prior_gain=config.centred_gain if centred else config.prior_gain,
                            guide_width=config.guide_width, noise=config.map_noise, centre=start if centred else None)
        svi = SVI(bayes.model, bayes.guide,
                  ClippedAdam({"lr": config.vi_rate, "lrd": 0.1 ** (1 / config.vi_steps)}), TraceMeanField_ELBO())
        warm = config.kl_warm_up * config.vi_steps
        for step in range(config.vi_steps):
            svi.step(*batch(), len(graphs), min(1.0, (step + 1) / max(warm, 1.0)))
            tick()
        samples = {name: value.cpu() for name, value in bayes.draw(count).items()}
        return samples, float(pyro.param("noise").detach())


def _maximise(net: RecurrentGraphNet, batch: Callable[[], tuple[GraphBatch, Tensor, Tensor]], total: int,
              config: TrainingConfig, tick: Callable[[], None]) -> None:
    """Move the weights to the maximum of the posterior under zero-centred priors and fixed noise."""
    widths = prior_widths(net, config.prior_gain)
    adam = torch.optim.Adam(net.parameters(), config.map_rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, config.map_rate, total_steps=config.map_steps)
    decay = 2 * config.map_noise**2 / total
    for _ in range(config.map_steps):
        graphs, target, _ = batch()
        penalty = torch.stack([((p / widths[name]) ** 2).sum() for name, p in net.named_parameters()]).sum() / 2
        loss = ((net(graphs) - target) ** 2).mean() + decay * penalty
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        adam.step()
        rate.step()
        tick()


def sampled_mean(samples: dict[str, Tensor], graphs: Sequence[FeatureGraph], scaling: Scaling, config: TrainingConfig,
                 device: str = "cpu", block: int = 128) -> FloatArray:
    """Standardised output of every weight sample for every graph, (samples, n)."""
    with torch.device("meta"):  # a shape without numbers: drawing first weights would disturb the caller's generator
        net = RecurrentGraphNet(len(scaling.node_names), len(scaling.edge_names), config.hidden, config.steps)
    weights = [{name: value[s].to(device) for name, value in samples.items()}
               for s in range(len(next(iter(samples.values()))))]
    out = np.empty((len(weights), len(graphs)))
    with torch.inference_mode():
        for begin in range(0, len(graphs), block):
            batch = union(graphs[begin:begin + block], scaling, device)
            for s, one in enumerate(weights):
                out[s, begin:begin + block] = torch.func.functional_call(net, one, (batch,)).cpu().numpy()
    return out
