"""Where the answer is nothing, infinite, or a refusal."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssbray.errors import InputError
from ssbray.fea import solve
from tests.fea.test_exact import NM, phase_map


def test_what_does_not_percolate_is_exactly_zero_with_the_reason():
    labels = np.zeros((10, 10))
    labels[6] = 1
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.0})
    assert solution.sigma_eff == 0.0
    assert solution.asr == math.inf
    assert not solution.percolates
    assert "spans 6 of 10 pixels" in solution.reason
    assert np.isnan(solution.potential).all()


def test_a_corner_contact_conducts_nothing():
    labels = np.array([[1, 0], [0, 1]])
    assert solve(phase_map(labels), {0: 1.0, 1: 0.0}).sigma_eff == 0.0


def test_pixels_that_meet_in_a_corner_between_pores_do_not_share_current():
    """Two separate columns that touch diagonally: the current is that of the straight one alone."""
    labels = np.ones((4, 3))
    labels[:, 0] = 0
    labels[1, 1] = 1
    labels[0, 1] = 1
    labels[2, 1] = 1
    labels[1, 2] = 0  # an island that meets nothing by a face
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.0})
    assert solution.sigma_eff == pytest.approx(1 / 3, rel=1e-9)
    assert any("left out" in line for line in solution.warnings)


def test_an_infinite_resistance_blocks():
    grains = np.repeat([[1], [2]], 3, axis=0) * np.ones((1, 4))
    whole = phase_map(np.zeros((6, 4)), grains=np.repeat(grains, 1, axis=0))
    solution = solve(whole, {0: 1.0}, {(0, 0): math.inf})
    assert solution.sigma_eff == 0.0
    assert "spans 3 of 6" in solution.reason


def test_the_reason_counts_conducting_clusters_only():
    """Blocked faces and pores together: two clusters of LLZO, whatever the pores are."""
    labels = np.zeros((6, 4))
    labels[2, 1:3] = 1
    grains = np.repeat([[1], [2]], 3, axis=0) * np.ones((1, 4))
    solution = solve(phase_map(labels, grains=grains), {0: 1.0, 1: 0.0}, {(0, 0): math.inf})
    assert solution.reason == "no face-connected path along y: the longest of 2 conducting clusters spans 3 of 6 pixels"


def test_a_zero_resistance_is_no_interface():
    labels = np.repeat([0, 1], 4)[:, None] * np.ones((1, 5))
    with_zero = solve(phase_map(labels), {0: 1.0, 1: 2.0}, {(0, 1): 0.0}, rtol=1e-11)
    assert with_zero.sigma_eff == pytest.approx(4 / 3, rel=1e-9)
    assert "interface:0:1" not in with_zero.dissipation_fraction


def test_unknown_grain_is_no_boundary():
    grains = np.zeros((6, 4))
    grains[:3] = 1
    solution = solve(phase_map(np.zeros((6, 4)), grains=grains), {0: 1.0}, {(0, 0): 1e-9})
    assert solution.sigma_eff == pytest.approx(1.0, rel=1e-9)


def test_solving_opens_no_port():
    """Open MPI, under a Debian PETSc, would listen on every interface."""
    code = ("import numpy as np, os, psutil\nfrom ssbray.domain import PhaseMap\nfrom ssbray.fea import solve\n"
            "solve(PhaseMap(labels=np.zeros((4, 4), np.uint8), phases=('a',), pixel_size_nm=1.0), {0: 1.0})\n"
            "me = psutil.Process()\n"
            "print(sum(len(p.net_connections('inet')) for p in [me, *me.children(recursive=True)]))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (1, 1, 1)])
def test_a_single_layer_of_pixels(shape):
    solution = solve(phase_map(np.zeros(shape)), {0: 3.0}, axis="y")
    assert solution.sigma_eff == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize(("arguments", "field"), [
    ({"conductivity": {0: 1.0}}, "sigma"),
    ({"conductivity": {0: 1.0, 1: -1.0}}, "sigma[1]"),
    ({"conductivity": {0: 1.0, 1: math.nan}}, "sigma[1]"),
    ({"conductivity": {0: 1.0, 1: 1e-16}}, "sigma"),
    ({"conductivity": {0: 1.0, 1: 1.0, 7: 1.0}}, "sigma"),
    ({"interfaces": {(0, 5): 1.0}}, "interface"),
    ({"interfaces": {(0, 1): -1.0}}, "interface[0:1]"),
    ({"interfaces": {(0, 0): 1.0}}, "interface"),
    ({"axis": "z"}, "axis"),
    ({"axis": "q"}, "axis"),
    ({"boundary": "open"}, "boundary"),
    ({"rtol": 0.0}, "rtol"),
])
def test_bad_arguments_name_the_field(arguments, field):
    given_ = {"conductivity": {0: 1.0, 1: 2.0}, **arguments}
    with pytest.raises(InputError) as caught:
        solve(phase_map(np.array([[0, 1], [1, 0]])), **given_)
    assert caught.value.field == field


def wiener_bounds(labels, sigma):
    values = sigma[labels]
    lower = 0.0 if (values == 0).any() else 1 / np.mean(1 / values)
    return lower, values.mean()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=arrays(np.uint8, (7, 9), elements=st.integers(0, 1)), ratio=st.floats(1e-3, 1))
def test_conductivity_is_bounded_and_turns_with_the_map(labels, ratio):
    labels[0, 0] = 1  # so that both names exist
    sigma = {0: 1.0, 1: ratio}
    along_y = solve(phase_map(labels), sigma, axis="y", rtol=1e-11).sigma_eff
    low, high = wiener_bounds(labels, np.array([1.0, ratio]))
    assert low * (1 - 1e-9) <= along_y <= high * (1 + 1e-9)
    assert solve(phase_map(labels.T), sigma, axis="x", rtol=1e-11).sigma_eff == pytest.approx(along_y, rel=1e-9)
    assert solve(phase_map(labels[::-1]), sigma, axis="y", rtol=1e-11).sigma_eff == pytest.approx(along_y, rel=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(labels=arrays(np.uint8, (6, 7), elements=st.integers(0, 2)), resistance=st.floats(1e-12, 1e-6))
def test_resistance_only_lowers_and_pores_only_lower(labels, resistance):
    labels[0, 0] = 2
    sigma = {0: 1.0, 1: 0.1, 2: 0.0}
    free = solve(phase_map(labels), sigma).sigma_eff
    hindered = solve(phase_map(labels), sigma, {(0, 1): resistance}).sigma_eff
    filled = solve(phase_map(labels), {**sigma, 2: 0.05}).sigma_eff
    assert hindered <= free * (1 + 1e-9)
    assert free <= filled * (1 + 1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(labels=arrays(np.uint8, (4, 5, 4), elements=st.integers(0, 2)))
def test_current_is_conserved_in_volumes(labels):
    labels[0, 0, 0] = 2
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.01, 2: 0.0}, {(0, 1): 1e-10}, axis="z")
    assert solution.current_density[2].mean() * 4 * NM == pytest.approx(solution.sigma_eff, rel=1e-8, abs=1e-15)
