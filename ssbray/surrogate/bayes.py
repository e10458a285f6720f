"""The network with a distribution over every weight: Pyro model and guide."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pyro
import torch
from pyro import poutine
from pyro.distributions import Normal, constraints
from torch import Tensor, nn

from ssbray.surrogate.batch import GraphBatch
from ssbray.surrogate.labels import Labels
from ssbray.surrogate.net import Output


def prior_widths(net: nn.Module, gain: float) -> dict[str, float]:
    """Prior standard deviation of each weight tensor: gain / sqrt(fan in), and gain for biases."""
    return {name: gain / math.sqrt(p.shape[1] if p.ndim > 1 else 1) for name, p in net.named_parameters()}


class BayesianNet:
    """Normal priors over whole weight tensors, an independent Normal guide, Gaussian noise.

    The noise of a graph is a common one times what the network reads from the graph. Where the
    dissipation of nodes and edges is known, it enters as `share_counts` draws from the predicted shares.

    Weights are sampled whole, once per evaluation: nodes, edges and steps of a graph share them, so
    noise drawn anew for every row (local reparameterisation) would average out in the readout and
    understate the uncertainty. The guide samples its Normal at the site itself, so that
    TraceMeanField_ELBO takes every Kullback-Leibler divergence in closed form.

    With constant noise s_n, N graphs and prior width s_p about c, -ELBO is N MSE / (2 s_n^2) + KL + const; at a
    fixed guide width its gradient is that of MSE + lambda |w - c|^2, lambda = s_n^2 / (N s_p^2)
    (weight decay as a Gaussian prior: MacKay, Neural Comput. 4, 448 (1992)).

    Parameters
    ----------
    net : maps a batch to `Output`; its current weights are where the guide starts.
    prior_gain : prior width times sqrt(fan in).
    guide_width : first width of the guide over that of the prior.
    noise : first standard deviation of the noise.
    centre : means of the priors; zero where None.
    learned_noise : whether the noise differs from graph to graph.
    share_counts : weight of the shares, in draws.
    """

    def __init__(self, net: nn.Module, *, prior_gain: float, guide_width: float, noise: float,
                 centre: Mapping[str, Tensor] | None = None, learned_noise: bool = False,
                 share_counts: float = 0.0) -> None:
        self.net = net
        self.start = {name: p.detach().clone() for name, p in net.named_parameters()}
        self.centre = centre or {name: torch.zeros_like(p) for name, p in self.start.items()}
        self.prior = prior_widths(net, prior_gain)
        self.guide_width = guide_width
        self.noise = noise
        self.learned_noise = learned_noise
        self.share_counts = share_counts

    def model(self, batch: GraphBatch, labels: Labels, rows: Tensor, total: int, kl_weight: float = 1.0) -> None:
        """Draw weights from the prior, then targets.

        Parameters
        ----------
        batch : B graphs.
        labels : theirs.
        rows : (B,) which of the `total` training graphs these are; each then counts total / B times.
        total : N.
        kl_weight : weight of the divergence from the prior; 1 gives the evidence lower bound.
        """
        with poutine.scale(scale=kl_weight):
            weights = {name: pyro.sample(name, Normal(centre, self.prior[name]).to_event(centre.ndim))
                       for name, centre in self.centre.items()}
        noise = pyro.param("noise", lambda: torch.tensor(self.noise, device=labels.value.device),
                           constraint=constraints.positive)
        out: Output = torch.func.functional_call(self.net, weights, (batch,))
        own = torch.exp(out.ln_noise) if self.learned_noise else torch.ones_like(out.mean)
        with pyro.plate("graphs", total, subsample=rows):
            pyro.sample("value", Normal(out.mean, noise * own), obs=labels.value)
            if self.share_counts and labels.nodes is not None:
                pyro.factor("shares", -self.share_counts * labels.misplaced(out, batch))

    def guide(self, batch: GraphBatch, labels: Labels, rows: Tensor, total: int, kl_weight: float = 1.0) -> None:
        """Draw each weight from its own Normal. Parameters as for `model`."""
        with poutine.scale(scale=kl_weight):
            for name, start in self.start.items():
                mean = pyro.param(f"mean.{name}", start.clone())
                width = pyro.param(f"width.{name}", torch.full_like(start, self.guide_width * self.prior[name]),
                                   constraint=constraints.positive)
                pyro.sample(name, Normal(mean, width).to_event(start.ndim))

    def draw(self, count: int) -> dict[str, Tensor]:
        """Posterior samples of every weight tensor, (count, ...)."""
        with torch.no_grad():
            return {name: Normal(pyro.param(f"mean.{name}"), pyro.param(f"width.{name}")).sample((count,))
                    for name in self.start}
