"""The periodic cell problem and its tensor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssbray.fea import forms, problem, q1, solve
from ssbray.fea.thin import Interfaces
from tests.fea.test_exact import NM, SIGMA, layers, phase_map


@pytest.mark.parametrize("ndim", [2, 3])
def test_layers(ndim):
    """Series along one axis, parallel along the others, and one interface goes round the cell's edge."""
    made = phase_map(layers(ndim, 0))
    resistance = {(0, 1): 2e-6, (2, 0): 3e-6}
    solution = solve(made, SIGMA, resistance, axis="yz"[ndim - 2], boundary="periodic", tensor=True, rtol=1e-12)
    series = 30 * NM / (10 * NM * (1 / 1.0 + 1 / 1e-3 + 1 / 7.0) + 2 * 2e-6 + 2 * 3e-6)
    expected = np.full(ndim, (1.0 + 1e-3 + 7.0) / 3)
    expected[-1] = series  # x, y[, z]: the layers lie along the last
    assert solution.tensor == pytest.approx(np.diag(expected), rel=1e-8, abs=1e-10)
    assert solution.sigma_eff == pytest.approx(series, rel=1e-9)


def test_a_slanted_laminate_has_off_diagonal_terms():
    """Stripes of slope one: sigma = R diag(parallel, series) R^T in the limit of many pixels."""
    n = 128
    i, j = np.indices((n, n))
    labels = ((i + j) // (n // 4)) % 2
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.2}, boundary="periodic", tensor=True, bounds=True)
    parallel, series = 0.6, 1 / (0.5 / 1.0 + 0.5 / 0.2)
    # current prefers to run along the stripes: x up, y down in image axes
    expected = np.array([[parallel + series, series - parallel], [series - parallel, parallel + series]]) / 2
    assert solution.tensor == pytest.approx(expected, rel=0.02)
    assert solution.tensor[0, 1] == pytest.approx(solution.tensor[1, 0], rel=1e-12)
    assert solution.lower < expected[1, 1] * 1.01


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), contrast=st.floats(1, 1e4))
def test_keller_duality(seed, contrast):
    """sigma_x(s1, s2) sigma_y(s2, s1) = s1 s2 for the exact values: so the bounds must hold it between them."""
    labels = np.random.default_rng(seed).integers(0, 2, (6, 5))
    labels[0, 0] = 1
    one = solve(phase_map(labels), {0: 1.0, 1: contrast}, axis="x", boundary="periodic", bounds=True)
    other = solve(phase_map(labels), {0: contrast, 1: 1.0}, axis="y", boundary="periodic", bounds=True)
    assert one.lower * other.lower <= contrast * (1 + 1e-7)
    assert one.upper * other.upper >= contrast * (1 - 1e-7)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), ndim=st.sampled_from([2, 3]))
def test_the_tensor_of_currents_is_that_of_energies(seed, ndim):
    """Reciprocity: mean currents under unit fields give the same, symmetric, tensor as the energies."""
    random = np.random.default_rng(seed)
    made = phase_map(random.integers(0, 3, (7, 6, 4)[:ndim]))
    interfaces = {(0, 1): 1e-10} if len(made.phases) > 1 else {}
    sigma = {label: [1.0, 0.01, 0.3][label] for label in range(len(made.phases))}
    one = problem.prepare(made, sigma, Interfaces(pairs=interfaces), 0, True)
    response = q1.respond(one, list(range(ndim)), 1e-15)
    d = response.discrete
    bits = forms.corners(ndim)
    currents = np.empty((ndim, ndim))
    for a in range(ndim):  # the power of each field against each unit ramp, which is the mean current
        at_corners = response.corrections[a][d.mesh.dofs] + bits @ d.slope(a)
        force = d.sigma @ (at_corners - at_corners[:, :1])
        currents[a] = bits.T @ forms.conduction_matrix(ndim) @ force * one.reference / one.active.size
    tensor = response.tensor()[::-1, ::-1]
    assert currents == pytest.approx(currents.T, rel=1e-8, abs=1e-8 * np.trace(tensor))
    assert currents == pytest.approx(tensor, rel=1e-7, abs=1e-8 * np.trace(tensor))
    assert np.linalg.eigvalsh(tensor)[0] > 0


def test_shifting_a_periodic_map_changes_nothing():
    random = np.random.default_rng(3)
    labels, grains = random.integers(0, 3, (9, 8)), random.integers(1, 4, (9, 8))
    tensors = [solve(phase_map(np.roll(labels, shift, (0, 1)), np.roll(grains, shift, (0, 1))),
                     {0: 1.0, 1: 0.05, 2: 0.0}, {(0, 1): 1e-10, (0, 0): 1e-9}, boundary="periodic", tensor=True,
                     rtol=1e-12).tensor for shift in ((0, 0), (4, 3))]
    assert tensors[0] == pytest.approx(tensors[1], rel=1e-8)


def test_the_mirrored_map_in_a_periodic_cell_is_the_map_between_plates():
    labels = np.random.default_rng(8).integers(0, 3, (6, 5))
    mirrored = np.block([[labels, labels[:, ::-1]], [labels[::-1], labels[::-1, ::-1]]])
    sigma = {0: 1.0, 1: 0.02, 2: 0.3}
    plates = solve(phase_map(labels), sigma, tensor=True, bounds=True, rtol=1e-12)
    cell = solve(phase_map(mirrored), sigma, boundary="periodic", tensor=True, bounds=True, rtol=1e-12)
    assert cell.tensor == pytest.approx(plates.tensor, rel=1e-8, abs=1e-10)
    assert cell.lower == pytest.approx(plates.lower, rel=1e-6)
    assert plates.tensor[0, 1] == 0.0


def test_only_what_goes_round_the_cell_conducts():
    labels = np.ones((8, 8))
    labels[3] = 0  # a bar along x
    labels[6, 1:3] = 0  # an island
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.0}, axis="x", boundary="periodic", tensor=True, bounds=True)
    assert solution.sigma_eff == pytest.approx(1 / 8, rel=1e-9)
    assert solution.tensor[1, 1] == 0.0
    blocked = solve(phase_map(labels), {0: 1.0, 1: 0.0}, axis="y", boundary="periodic", tensor=True)
    assert blocked.sigma_eff == 0.0
    assert "round the periodic cell along y" in blocked.reason
    assert blocked.tensor[0, 0] == pytest.approx(1 / 8, rel=1e-9)


def test_a_staircase_that_closes_only_round_the_cell():
    """Diagonal stairs that leave on the right one row lower and close after all rows: they wind round both axes."""
    n = 6
    labels = np.ones((n, n))
    for k in range(n):
        labels[k, k] = labels[k, (k + 1) % n] = 0
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.0}, boundary="periodic", tensor=True, target_gap=0.02)
    tensor = solution.tensor
    assert tensor[0, 0] == pytest.approx(tensor[0, 1], rel=1e-6)  # rank one: current along (1, 1) only
    assert np.linalg.eigvalsh(tensor)[0] == pytest.approx(0, abs=1e-9)
    assert solution.lower <= solution.upper * (1 + 1e-9)
    assert solution.gap < 0.02
