"""Scores against numerical integration and simulation; baselines against what they must recover."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ssbray.rng import stream
from ssbray.surrogate.baselines import baselines, gaussian_process, ridge
from ssbray.surrogate.scores import binomial_interval, coverage, crps, half_width, nll

from .voronoi_maps import random_case


@pytest.mark.parametrize(("value", "mean", "std"), [(0.3, 0.0, 1.0), (-2.0, 1.0, 0.5), (5.0, 5.1, 2.0)])
def test_crps_is_the_integral_of_squared_distance(value, mean, std):
    def below(x):
        return norm.cdf(x, mean, std) ** 2

    def above(x):
        return norm.sf(x, mean, std) ** 2

    integral = quad(below, -40, value, epsabs=1e-11)[0] + quad(above, value, 40, epsabs=1e-11)[0]
    assert crps(np.array([value]), np.array([mean]), np.array([std])) == pytest.approx(integral, abs=1e-9)


def test_nll_is_that_of_scipy():
    value, mean, std = np.array([0.1, 2.0]), np.array([0.0, 1.0]), np.array([1.0, 0.3])
    assert nll(value, mean, std) == pytest.approx(-norm.logpdf(value, mean, std).mean())


def test_coverage_of_true_gaussians():
    value = stream(0, "coverage").normal(2.0, 3.0, 20000)
    for level in (50, 80, 90, 95):
        seen = coverage(value, np.full(20000, 2.0), np.full(20000, 3.0), level)
        low, high = binomial_interval(seen, 20000, 99.9)
        assert low < level / 100 < high
    assert half_width(95) == pytest.approx(1.959964, abs=1e-6)


def test_ridge_recovers_a_line_and_its_error():
    rng = stream(1, "ridge")
    x, x_test, w = rng.normal(size=(300, 4)), rng.normal(size=(50, 4)), np.array([1.0, -2.0, 0.5, 0.0])
    mean, std = ridge(x, x @ w + rng.normal(0, 0.1, 300), x_test)
    assert mean == pytest.approx(x_test @ w, abs=0.1)
    assert std[0] == pytest.approx(0.1, rel=0.15)


def test_gaussian_process_interpolates_and_widens_outside():
    rng = stream(2, "gp")
    x = rng.uniform(-3, 3, (80, 1))
    mean, std = gaussian_process(x, np.sin(2 * x[:, 0]) + rng.normal(0, 0.05, 80), np.array([[0.5], [2.0], [30.0]]))
    assert mean[:2] == pytest.approx(np.sin([1.0, 4.0]), abs=0.08)
    assert std[0] == pytest.approx(0.05, rel=0.5)
    assert std[2] > 5 * std[0]


def test_baselines_on_a_constant_bias():
    """If every truth is the network times 1.3, only the bare network and the mean are wrong."""
    graphs = [random_case(seed, (30, 40)).graph() for seed in range(14)]
    truth = np.log([1.3 * g.sigma_network for g in graphs])
    found = baselines(graphs[:10], truth[:10], graphs[10:])
    for name, (mean, std) in found.items():
        exact = np.allclose(mean, truth[10:], atol=1e-3)
        assert exact == (name not in ("mean", "network")), name
        assert (std > 0).all()
    assert found["network"][1][0] == pytest.approx(np.log(1.3))
