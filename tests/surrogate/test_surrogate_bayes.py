"""The Bayesian part: one site per weight, divergences in closed form, and MAP as the limit."""

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from pyro.optim import Adam

from ssbray.surrogate.batch import Scaling, union
from ssbray.surrogate.bayes import BayesianNet, prior_widths
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.fit import misfit
from ssbray.surrogate.labels import Labels
from ssbray.surrogate.net import RecurrentGraphNet

from .voronoi_maps import random_case


@pytest.fixture(scope="module")
def graphs():
    return [random_case(seed, (30, 40)).graph() for seed in range(6)]


@pytest.fixture(autouse=True)
def clean():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    yield
    pyro.clear_param_store()


def make(graphs, **options):
    scaling = Scaling.fit(graphs)
    net = RecurrentGraphNet(scaling.sizes, hidden=6, steps=2)
    options = {"prior_gain": 1.0, "guide_width": 0.5, "noise": 0.3} | options
    labels = Labels(value=torch.linspace(-1, 1, len(graphs)))
    data = union(graphs, scaling), labels, torch.arange(len(graphs)), len(graphs)
    return net, BayesianNet(net, **options), data


def test_every_weight_is_a_site(graphs):
    net, bayes, data = make(graphs)
    names = {name for name, _ in net.named_parameters()}
    for trace in (poutine.trace(bayes.model).get_trace(*data), poutine.trace(bayes.guide).get_trace(*data)):
        sites = [n for n, s in trace.nodes.items() if s["type"] == "sample" and not s["is_observed"] and n != "graphs"]
        assert sorted(sites) == sorted(names)


def kl_loss(bayes, data, loss, draws=30):
    svi = SVI(poutine.block(bayes.model, hide=["value"]), bayes.guide, Adam({"lr": 0.0}), loss)
    return np.array([svi.evaluate_loss(*data) for _ in range(draws)])


def test_divergence_is_analytic(graphs):
    _, bayes, data = make(graphs)
    values = kl_loss(bayes, data, TraceMeanField_ELBO())
    by_hand = 0.0
    for name, start in bayes.start.items():
        p, q = bayes.prior[name], 0.5 * bayes.prior[name]
        by_hand += float((np.log(p / q) + (q**2 + start.double() ** 2) / (2 * p**2) - 0.5).sum())
    assert values.std() < 1e-3
    assert values.mean() == pytest.approx(by_hand, rel=1e-5)
    pyro.clear_param_store()
    assert kl_loss(bayes, data, Trace_ELBO()).std() > 1  # what the closed form saves


@pytest.mark.parametrize("centred", [False, True])
def test_map_is_the_limit(graphs, centred):
    """-ELBO times 2 s_n^2 / N has the gradient of MSE + lambda |w - c|^2, whatever the minibatch."""
    net, _, _ = make(graphs)
    centre = {name: p.detach() + 0.1 for name, p in net.named_parameters()} if centred else None
    noise, total = 0.3, 600
    bayes = BayesianNet(net, prior_gain=0.7, guide_width=1e-5, noise=noise, centre=centre)
    batch, rows = union(graphs, Scaling.fit(graphs)), torch.arange(6)
    labels = Labels(value=torch.linspace(-1, 1, len(graphs)))
    loss = TraceMeanField_ELBO().differentiable_loss(bayes.model, bayes.guide, batch, labels, rows, total)
    (2 * noise**2 / total * loss).backward()
    ((net(batch).mean - labels.value) ** 2).mean().backward()
    widths = prior_widths(net, 0.7)
    for name, p in net.named_parameters():
        decay = noise**2 / (total * widths[name] ** 2)
        away = p.detach() - (centre[name] if centred else 0)
        expected = (0 if p.grad is None else p.grad) + 2 * decay * away
        got = pyro.get_param_store()._params[f"mean.{name}"].grad
        assert torch.allclose(got, expected, atol=2e-4, rtol=2e-3), name


def test_the_start_minimises_mse_plus_lambda_squared_weights(graphs):
    """With constant noise and no shares, what the first stage minimises is literally the sum of the two."""
    net, _, (batch, labels, _, _) = make(graphs)
    config = TrainingConfig(noise="constant", share_counts=0, map_noise=0.3, prior_gain=0.7)
    weight = sum(float(((p.detach() / prior_widths(net, 1.0)[n]) ** 2).sum()) for n, p in net.named_parameters())
    mse = float(((net(batch).mean - labels.value) ** 2).mean().detach())
    assert float(misfit(net, batch, labels, 500, config).detach()) == pytest.approx(
        mse + 0.3**2 / (500 * 0.7**2) * weight, rel=1e-5)


def test_learned_noise_and_shares_enter_the_likelihood(graphs):
    """-ELBO less its divergence is the negative log likelihood, by hand."""
    net, bayes, (batch, labels, rows, _) = make(graphs, guide_width=1e-6, learned_noise=True, share_counts=3.0)
    with torch.no_grad():
        net.noise_skip.weight.normal_(0, 0.1)
    bayes = BayesianNet(net, prior_gain=1.0, guide_width=1e-6, noise=0.3, learned_noise=True, share_counts=3.0)
    nodes, edges = batch.node_loss.squeeze(1), batch.edge_loss.squeeze(1)
    labels = Labels(value=labels.value, nodes=nodes.flip(0), edges=edges)
    with torch.no_grad():
        out = net(batch)
        std = 0.3 * torch.exp(out.ln_noise)
        expected = (0.5 * ((labels.value - out.mean) / std) ** 2 + torch.log(std) + 0.5 * np.log(2 * np.pi)).sum()
        expected += 3 * labels.misplaced(out, batch).sum()
        found = TraceMeanField_ELBO().loss(bayes.model, bayes.guide, batch, labels, rows, len(rows), 1e-12)
    assert out.ln_noise.std() > 0.01
    assert found == pytest.approx(float(expected), rel=1e-3)


def test_warm_up_scales_the_divergence_alone(graphs):
    _, bayes, data = make(graphs)
    half = TraceMeanField_ELBO().loss(poutine.block(bayes.model, hide=["value"]), bayes.guide, *data, 0.5)
    full = TraceMeanField_ELBO().loss(poutine.block(bayes.model, hide=["value"]), bayes.guide, *data, 1.0)
    assert half == pytest.approx(full / 2, rel=1e-5)


def test_drawn_weights_have_the_moments_of_the_guide(graphs):
    _, bayes, data = make(graphs)
    bayes.guide(*data)
    drawn = bayes.draw(4000)["cell_input.weight"]
    assert torch.allclose(drawn.std(dim=0).mean(), torch.tensor(0.5 * bayes.prior["cell_input.weight"]), rtol=0.02)
    assert torch.allclose(drawn.mean(dim=0), bayes.start["cell_input.weight"], atol=0.05)
