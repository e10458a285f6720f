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


def prior_widths(net: nn.Module, gain: float) -> dict[str, float]:
    """Prior standard deviation of each weight tensor: gain / sqrt(fan in), and gain for biases."""
    return {name: gain / math.sqrt(p.shape[1] if p.ndim > 1 else 1) for name, p in net.named_parameters()}


class BayesianNet:
    """Normal priors over whole weight tensors, an independent Normal guide, Gaussian noise.

    Weights are sampled whole, once per evaluation: nodes, edges and steps of a graph share them, so
    noise drawn anew for every row (local reparameterisation) would average out in the readout and
    understate the uncertainty. The guide samples its Normal at the site itself, so that
    TraceMeanField_ELBO takes every Kullback-Leibler divergence in closed form.

    With noise s_n, N graphs and prior width s_p about c, -ELBO is N MSE / (2 s_n^2) + KL + const; at a
    fixed guide width its gradient is that of MSE + lambda |w - c|^2, lambda = s_n^2 / (N s_p^2)
    (weight decay as a Gaussian prior: MacKay, Neural Comput. 4, 448 (1992)).

    Parameters
    ----------
    net : maps a batch to (B,) standardised values; its current weights are where the guide starts.
    prior_gain : prior width times sqrt(fan in).
    guide_width : first width of the guide over that of the prior.
    noise : first standard deviation of the noise.
    centre : means of the priors; zero where None.
    """

    def __init__(self, net: nn.Module, *, prior_gain: float, guide_width: float, noise: float,
                 centre: Mapping[str, Tensor] | None = None) -> None:
        self.net = net
        self.start = {name: p.detach().clone() for name, p in net.named_parameters()}
        self.centre = centre or {name: torch.zeros_like(p) for name, p in self.start.items()}
        self.prior = prior_widths(net, prior_gain)
        self.guide_width = guide_width
        self.noise = noise

    def model(self, batch: GraphBatch, target: Tensor, rows: Tensor, total: int, kl_weight: float = 1.0) -> None:
        """Draw weights from the prior, then targets.

        Parameters
        ----------
        batch : B graphs.
        target : (B,) standardised values.
        rows : (B,) which of the `total` training graphs these are; each then counts total / B times.
        total : N.
        kl_weight : weight of the divergence from the prior; 1 gives the evidence lower bound.
        """
        with poutine.scale(scale=kl_weight):
            weights = {name: pyro.sample(name, Normal(centre, self.prior[name]).to_event(centre.ndim))
                       for name, centre in self.centre.items()}
        noise = pyro.param("noise", lambda: torch.tensor(self.noise, device=target.device),
                           constraint=constraints.positive)
        mean = torch.func.functional_call(self.net, weights, (batch,))
        with pyro.plate("graphs", total, subsample=rows):
            pyro.sample("value", Normal(mean, noise), obs=target)

    def guide(self, batch: GraphBatch, target: Tensor, rows: Tensor, total: int, kl_weight: float = 1.0) -> None:
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
