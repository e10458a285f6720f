"""Scores against numerical integration and simulation; baselines against what they must recover."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ssbray.errors import InputError
from ssbray.rng import stream
from ssbray.surrogate import split
from ssbray.surrogate.baselines import baselines, gaussian_process, gradient_boosting, ridge
from ssbray.surrogate.calibration import Calibration, calibrate
from ssbray.surrogate.descriptors import ln_prior
from ssbray.surrogate.scores import (
    binomial_interval,
    calibration_error,
    coverage,
    crps,
    difference_interval,
    divergence,
    half_width,
    nll,
    rank_correlation,
    sparsification_error,
)

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
    truth = ln_prior(graphs) + np.log(1.3)
    found = baselines(graphs[:10], truth[:10], graphs[10:])
    for name, (mean, std) in found.items():
        exact = np.allclose(mean, truth[10:], atol=1e-3)
        assert exact == (name not in ("mean", "network", "subdivided network")), name
        assert (std > 0).all()
    assert found["subdivided network"][1][0] == pytest.approx(np.log(1.3))


def test_gradient_boosting_finds_a_step_and_where_it_is_noisy():
    rng = stream(3, "boosting")
    x = rng.uniform(-1, 1, (400, 3))
    y = np.sign(x[:, 0]) + rng.normal(0, np.where(x[:, 1] > 0, 0.3, 0.03))
    mean, std = gradient_boosting(x, y, np.array([[0.7, -0.5, 0.0], [-0.7, 0.5, 0.0]]))
    assert mean == pytest.approx([1, -1], abs=0.25)
    assert std[1] > 2 * std[0]


def test_calibration_error_of_true_and_false_deviations():
    value, zero = stream(4, "ece").normal(0, 1, 5000), np.zeros(5000)
    assert calibration_error(value, zero, np.ones(5000)) < 0.02
    assert calibration_error(value, zero, np.full(5000, 1e9)) == pytest.approx(np.mean(np.abs(
        np.arange(1, 20) / 20 - (np.arange(1, 20) >= 10))), abs=0.03)  # every quantile at one half


def test_sparsification():
    error = np.array([4.0, -3.0, 2.0, 1.0])
    assert sparsification_error(error, np.array([4.0, 3.0, 2.0, 1.0])) == 0
    assert sparsification_error(error, np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(
        np.mean([4 - 1, 3.5 - 1.5, 3 - 2, 0]) / 2.5)
    assert rank_correlation(error, np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(-1)
    assert rank_correlation(error, np.ones(4)) == 0


def test_interval_of_a_difference():
    rng = stream(5, "bootstrap")
    ours, theirs = rng.normal(0, 1, 400), rng.normal(0.5, 1, 400)
    low, high = difference_interval(ours, theirs, rng)
    half = 1.96 * np.std(theirs - ours) / 20
    centre = np.mean(theirs - ours)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=0.1 * half)


def test_divergence():
    assert divergence(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(np.log(2))


def members(error, out):
    """Errors of 8 members, whose mean is `error`, that differ by unit noise; each graph is unseen by `out` of them."""
    rng, n = stream(6, "members"), len(error)
    held = np.zeros((8, n), dtype=bool)
    for k in range(n):
        held[rng.choice(8, out, replace=False), k] = True
    return error + rng.normal(0, 1, (8, n)), held


def test_calibration_foresees_the_error_of_the_mixture():
    """Two members show what one and two err; eight err sqrt(2^2 + 1/8)."""
    error, held = members(stream(7, "bias").normal(0, 2, 4000), 2)
    groups = [str(k) for k in range(4000)]
    found = calibrate(error, held, np.full(4000, 0.5), groups)
    assert found.inflation == pytest.approx(2 * np.sqrt(4 + 1 / 8), rel=0.03)
    assert found.reach == pytest.approx(half_width(90), rel=0.05)
    assert (found.graphs, found.conformal) == (4000, True)
    alone = calibrate(*members(np.zeros(4000), 1), np.ones(4000), groups)
    assert alone.inflation == pytest.approx(1, rel=0.05)  # nothing to extrapolate from: one stands for all


def test_conformal_quantile():
    """Of 99 scores the 90th; Gaussian where groups are few."""
    score = np.arange(1.0, 100.0)
    held = np.ones((1, 99), dtype=bool)
    found = calibrate(score[None], held, np.ones(99), [str(k) for k in range(99)])
    assert found.reach * found.inflation == pytest.approx(90)
    assert calibrate(score[None], held, np.ones(99), ["a", "b", "c"] * 33).reach == half_width(90)
    assert calibrate(score[None], ~held, np.ones(99), ["a"] * 99).graphs == 0
    assert len(Calibration().errors) == 0
    assert found.errors == pytest.approx(score / found.inflation)  # what an inconsistency is counted against


def test_splits():
    values = stream(8, "split").random(1000)
    between, beyond = split(values, "between"), split(values, "beyond")
    assert (between.sum(), beyond.sum()) == (200, 200)
    assert values[beyond].min() > values[~beyond].max()
    assert (values[~between] < values[between].min()).sum() == 400
    for bad, kind in ((np.ones(5), "between"), (np.array([1.0, np.nan]), "beyond"), (values, "over")):
        with pytest.raises(InputError):
            split(bad, kind)
