"""One variational fit, from random weights to posterior samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyro
import torch
from numpy.typing import NDArray
from pyro.infer import SVI, TraceMeanField_ELBO
from pyro.optim import ClippedAdam
from pyro.util import get_rng_state, set_rng_state
from torch import Tensor, nn

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.rng import stream, subseed
from ssbray.surrogate.batch import GraphBatch, Scaling, union
from ssbray.surrogate.bayes import BayesianNet, prior_widths
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.labels import Labels
from ssbray.surrogate.net import Output, RecurrentGraphNet

Batches = Callable[[], tuple[GraphBatch, Labels, Tensor]]
BLOCK = 128  #: graphs that are predicted at a time


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


def minibatches(data: GraphBatch, labels: Labels, seen: NDArray[np.integer], size: int, seed: int) -> Batches:
    """Draw graphs epoch by epoch: each once, in a new order."""
    order = stream(seed, "batches")
    size = min(size, len(seen))
    waiting = np.zeros(0, dtype=np.int64)
    device = data.nodes.device

    def draw() -> tuple[GraphBatch, Labels, Tensor]:
        nonlocal waiting
        if len(waiting) < size:
            waiting = order.permutation(len(seen))
        rows, waiting = waiting[:size], waiting[size:]
        chosen = torch.as_tensor(seen[rows], device=device)
        return data.take(chosen), labels.take(data, chosen), torch.as_tensor(rows, device=device)

    return draw


def fit(data: GraphBatch, labels: Labels, seen: NDArray[np.integer], sizes: tuple[int, int, int],
        config: TrainingConfig, *, count: int, seed: int, tick: Callable[[], None]) -> tuple[dict[str, Tensor], float]:
    """Fit the weights: maximum a posteriori first, then the variational posterior.

    Parameters
    ----------
    data, labels : all graphs, on the device where the fit runs.
    seen : (N,) rows of those to learn from.
    sizes : numbers of features.
    config : options.
    count : posterior samples wanted.
    seed : decides every draw.
    tick : called after each step.

    Returns
    -------
    samples : weight tensors (count, ...), on the CPU.
    noise : standard deviation of the common noise, standardised.
    """
    batch = minibatches(data, labels, seen, config.batch_size, seed)
    map_steps, vi_steps = config.duration(len(seen))
    with reproducible(subseed(seed, "weights")):
        net = RecurrentGraphNet(sizes, config.hidden, config.steps).to(data.nodes.device)
        maximise(net, batch, len(seen), map_steps, config, tick)
        start = {name: p.detach().clone() for name, p in net.named_parameters()}
        centred = config.prior_centre == "map"
        bayes = BayesianNet(net, prior_gain=config.centred_gain if centred else config.prior_gain,
                            guide_width=config.guide_width, noise=config.map_noise, centre=start if centred else None,
                            learned_noise=config.noise == "learned", share_counts=config.share_counts)
        svi = SVI(bayes.model, bayes.guide,
                  ClippedAdam({"lr": config.vi_rate, "lrd": 0.1 ** (1 / vi_steps)}), TraceMeanField_ELBO())
        warm = config.kl_warm_up * vi_steps
        for step in range(vi_steps):
            svi.step(*batch(), len(seen), min(1.0, (step + 1) / max(warm, 1.0)))
            tick()
        samples = {name: value.cpu() for name, value in bayes.draw(count).items()}
        return samples, float(pyro.param("noise").detach())


def misfit(net: nn.Module, batch: GraphBatch, labels: Labels, total: int, config: TrainingConfig) -> Tensor:
    """What the maximum a posteriori minimises: the negative log posterior times 2 s^2 / N, s the common noise.

    With constant noise and no shares that is MSE + lambda |w|^2 sqrt(fan in), lambda = s^2 / (N gain^2).
    A learned noise weighs each graph by its deviation, so that graphs said to be noisy still teach
    (Seitzer et al., arXiv 2203.09168, beta = 1/2).
    """
    widths = prior_widths(net, config.prior_gain)
    out: Output = net(batch)
    squared = (out.mean - labels.value) ** 2
    penalty = torch.stack([((p / widths[name]) ** 2).sum() for name, p in net.named_parameters()]).sum()
    fixed = 2 * config.map_noise**2
    loss = squared
    if config.noise == "learned":
        own = torch.exp(out.ln_noise)
        weight = own.detach() / own.detach().mean()
        loss = weight * (squared / own**2 + fixed * out.ln_noise)
    if config.share_counts:
        loss = loss + fixed * config.share_counts * labels.misplaced(out, batch)
    return loss.mean() + fixed / (2 * total) * penalty


def maximise(net: nn.Module, batch: Batches, total: int, steps: int, config: TrainingConfig,
             tick: Callable[[], None]) -> None:
    """Move the weights to the maximum of the posterior under zero-centred priors and a fixed common noise."""
    adam = torch.optim.Adam(net.parameters(), config.map_rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, config.map_rate, total_steps=steps)
    for _ in range(steps):
        graphs, labels, _ = batch()
        loss = misfit(net, graphs, labels, total, config)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        adam.step()
        rate.step()
        tick()


@dataclass(frozen=True, eq=False, kw_only=True)
class Pass:
    """What all weight samples say of n graphs, from one pass."""

    mean: FloatArray  #: (samples, n) standardised
    ln_noise: FloatArray  #: (samples, n) relative to the common noise
    shares: list[FloatArray]  #: for each graph (nodes + edges,), averaged over the samples
    states: FloatArray  #: (samples, n, hidden) of the readout


def outputs(samples: dict[str, Tensor], graphs: Sequence[FeatureGraph], scaling: Scaling, config: TrainingConfig,
            device: str = "cpu", block: int = BLOCK) -> Pass:
    """Run every weight sample over every graph, in blocks of graphs whose tensors stay in the cache."""
    with torch.device("meta"):  # a shape without numbers: drawing first weights would disturb the caller's generator
        net = RecurrentGraphNet(scaling.sizes, config.hidden, config.steps)
    weights = [{name: value[s].to(device) for name, value in samples.items()}
               for s in range(len(next(iter(samples.values()))))]
    mean, ln_noise = np.zeros((2, len(weights), len(graphs)))
    states = np.empty((len(weights), len(graphs), config.hidden))
    shares: list[FloatArray] = []
    with torch.inference_mode():
        for begin in range(0, len(graphs), block):
            batch = union(graphs[begin:begin + block], scaling, device)
            nodes, edges = torch.zeros_like(batch.nodes[:, 0]), torch.zeros_like(batch.edges[:, 0])
            here = slice(begin, begin + block)
            for s, one in enumerate(weights):
                out: Output = torch.func.functional_call(net, one, (batch,))
                mean[s, here], states[s, here] = out.mean.cpu().numpy(), out.state.cpu().numpy()
                if config.noise == "learned":
                    ln_noise[s, here] = out.ln_noise.cpu().numpy()
                nodes += torch.exp(out.ln_node) / len(weights)
                edges += torch.exp(out.ln_edge) / len(weights)
            cut = [torch.cumsum(count, 0)[:-1].cpu().numpy() for count in (batch.node_count, batch.edge_count)]
            shares += [np.concatenate(pair).astype(np.float64) for pair in zip(
                np.split(nodes.cpu().numpy(), cut[0]), np.split(edges.cpu().numpy(), cut[1]), strict=True)]
    return Pass(mean=mean, ln_noise=ln_noise, shares=shares, states=states)
