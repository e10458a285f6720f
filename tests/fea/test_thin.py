"""Thin interfaces: per pair of grains, per face, and along themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssbray.errors import InputError
from ssbray.fea import solve
from ssbray.fea.thin import Interfaces
from tests.fea.test_exact import NM, phase_map

BARS = np.repeat([1, 2, 3], 4)[:, None] * np.ones((1, 5), dtype=int)


def test_a_pair_of_grains_overrides_the_pair_of_labels():
    made = phase_map(np.zeros(BARS.shape), grains=BARS)
    solution = solve(made, {0: 1.0}, Interfaces(pairs={(0, 0): 3e-9}, grains={(2, 1): 7e-9}), rtol=1e-12)
    assert solution.asr == pytest.approx(12 * NM + 3e-9 + 7e-9, rel=1e-9)
    only = solve(made, {0: 1.0}, Interfaces(grains={(2, 3): 7e-9}), rtol=1e-12)
    assert only.asr == pytest.approx(12 * NM + 7e-9, rel=1e-9)


def test_a_map_of_faces_overrides_everything():
    made = phase_map(np.zeros(BARS.shape), grains=BARS)
    along_y = np.full((11, 5), np.nan)
    along_y[3] = 0.0  # healed
    along_y[5] = 2e-9  # inside a grain
    solution = solve(made, {0: 1.0}, Interfaces(pairs={(0, 0): 3e-9}, faces={"y": along_y}), rtol=1e-12)
    assert solution.asr == pytest.approx(12 * NM + 3e-9 + 2e-9, rel=1e-9)
    assert solution.faces.across.sum() == pytest.approx(5e-9 / solution.asr, rel=1e-6)


def test_a_map_with_a_hole_lets_the_current_through_it():
    """All faces of a row blocked but one: the neck carries everything."""
    faces = np.full((7, 6), np.nan)
    faces[3] = math.inf
    faces[3, 2] = 0.0
    solution = solve(phase_map(np.zeros((8, 6))), {0: 1.0}, Interfaces(faces={"y": faces}))
    assert 0.1 < solution.sigma_eff < 0.7
    assert np.abs(solution.current_density[1][3]).argmax() == 2


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_conducting_layer_along_the_current_adds_to_it(ndim):
    """Two halves side by side with a sheet of conductance G between: sigma = sigma_0 + G / width."""
    labels = np.zeros((6, 8) if ndim == 2 else (6, 8, 3))
    labels[:, 4:] = 1
    sheet = 5e-9  # S
    solution = solve(phase_map(labels), {0: 1.0, 1: 1.0}, Interfaces(sheets={(0, 1): sheet}), axis="yz"[ndim - 2],
                     rtol=1e-12)
    assert solution.sigma_eff == pytest.approx(1.0 + sheet / (8 * NM), rel=1e-9)
    share = sheet / (8 * NM) / solution.sigma_eff
    assert solution.dissipation_fraction["sheet:0:1"] == pytest.approx(share, rel=1e-6)


def test_a_layer_that_is_fast_along_and_slow_across():
    labels = np.zeros((6, 8))
    labels[:, 4:] = 1
    both = Interfaces(pairs={(0, 1): 4e-9}, sheets={(0, 1): 5e-9})
    along = solve(phase_map(labels), {0: 1.0, 1: 1.0}, both, axis="y", rtol=1e-12)
    across = solve(phase_map(labels), {0: 1.0, 1: 1.0}, both, axis="x", rtol=1e-12)
    assert along.sigma_eff == pytest.approx(1.0 + 5e-9 / (8 * NM), rel=1e-9)
    assert across.asr == pytest.approx(8 * NM + 4e-9, rel=1e-9)


def test_a_conducting_layer_on_a_slope_has_the_length_of_the_line_not_of_its_steps():
    """Periodic stripes of slope one: the sheet, in parallel, adds G per true distance between lines."""
    n = 96
    i, j = np.indices((n, n))
    labels = ((i - j) // (n // 2)) % 2
    sheet = 40e-9
    solution = solve(phase_map(labels), {0: 1.0, 1: 1.0}, Interfaces(sheets={(0, 1): sheet}), boundary="periodic",
                     tensor=True)
    direction = np.array([1.0, 1.0]) / math.sqrt(2)  # x and y grow together along the stripes
    spacing = n / 2 * NM / math.sqrt(2)
    assert direction @ solution.tensor @ direction == pytest.approx(1.0 + sheet / spacing, rel=0.01)


def test_shares_are_the_exact_sensitivities():
    random = np.random.default_rng(1)
    made = phase_map(random.integers(0, 3, (12, 11)))
    sigma = {0: 1.0, 1: 0.05, 2: 0.4}
    interfaces = Interfaces(pairs={(0, 1): 2e-9}, sheets={(1, 2): 3e-10})
    solution = solve(made, sigma, interfaces, rtol=1e-14)
    step = 1e-4

    def slope(change_sigma=None, change_pair=None, change_sheet=None):
        values = []
        for sign in (1, -1):
            factor = math.exp(sign * step)
            values.append(math.log(solve(
                made, {k: v * (factor if k == change_sigma else 1) for k, v in sigma.items()},
                Interfaces(pairs={k: v * (factor if k == change_pair else 1) for k, v in interfaces.pairs.items()},
                           sheets={k: v * (factor if k == change_sheet else 1) for k, v in interfaces.sheets.items()}),
                rtol=1e-14).sigma_eff))
        return (values[0] - values[1]) / (2 * step)

    shares = solution.dissipation_fraction
    for label in sigma:
        assert slope(change_sigma=label) == pytest.approx(shares[f"phase:{label}"], abs=1e-6)
    assert slope(change_pair=(0, 1)) == pytest.approx(-shares["interface:0:1"], abs=1e-6)
    assert slope(change_sheet=(1, 2)) == pytest.approx(shares["sheet:1:2"], abs=1e-6)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("sigma", [{0: 1.0, 1: 0.03, 2: 1e-3}, {0: 1.0, 1: 0.1, 2: 0.0}, {0: 1.0, 1: 1e-4, 2: 1e-8}])
@pytest.mark.parametrize("boundary", ["dirichlet", "periodic"])
def test_a_resistance_that_vanishes_leaves_no_trace(sigma, boundary):
    """Stiff joints must not hold up the solver: never above the value without them, and there in the limit."""
    made = phase_map(np.random.default_rng(2).integers(0, 3, (40, 40)).repeat(2, 0).repeat(2, 1))
    free = solve(made, sigma, boundary=boundary, rtol=1e-12)
    before = 0.0
    for exponent in range(16):
        asr = 10.0**-exponent * NM
        found = solve(made, sigma, {(0, 1): asr, (1, 2): asr}, boundary=boundary)
        assert before * (1 - 1e-6) <= found.sigma_eff <= free.sigma_eff * (1 + 1e-6)
        assert found.iterations < 40
        before = found.sigma_eff
    assert before == pytest.approx(free.sigma_eff, rel=1e-6)


@pytest.mark.parametrize("conductance", [1e-8, 1e-4, 1.0])
def test_sheets_across_the_current_change_nothing(conductance):
    """Equipotential anyway: layers of different conductivity with a sheet between."""
    labels = np.repeat([0, 1, 0], 4)[:, None] * np.ones((1, 9), dtype=int)
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.1}, Interfaces(sheets={(0, 1): conductance}))
    assert solution.sigma_eff == pytest.approx(12 / (8 + 40), rel=1e-6)


@pytest.mark.parametrize("asr", [0.0, math.inf])
@pytest.mark.parametrize("beyond", [0.0, 1e-9])
def test_a_sheet_on_a_pore_or_on_a_face_that_blocks_still_conducts(asr, beyond):
    labels = np.zeros((6, 8))
    labels[:, 4:] = 1
    interfaces = Interfaces(pairs={(0, 1): asr} if asr else {}, sheets={(0, 1): 5e-9})
    solution = solve(phase_map(labels), {0: 1.0, 1: beyond}, interfaces, rtol=1e-12)
    assert solution.sigma_eff == pytest.approx(0.5 + 5e-9 / (8 * NM), rel=1e-6)
    assert solution.dissipation_fraction["sheet:0:1"] > 0.5


def test_no_mean_of_bounds_where_the_lower_one_lacks_the_sheets():
    labels = np.zeros((6, 8))
    labels[:, 4:] = 1
    sheets = Interfaces(sheets={(0, 1): 5e-8})
    solution = solve(phase_map(labels), {0: 1.0, 1: 1.0}, sheets, target_gap=0.02)
    assert solution.lower == pytest.approx(1.0, rel=1e-6)
    assert solution.upper == pytest.approx(1.0 + 5e-8 / (8 * NM), rel=1e-6)
    assert solution.best is None
    assert "leaves out the current along conducting sheets" in solution.refinement["reason"]


def test_a_map_of_faces_is_per_true_area_like_a_pair_of_labels():
    """A slanted boundary between two grains, its resistance given either way."""
    i, j = np.indices((40, 40))
    grains = 1 + (i > j)
    made = phase_map(np.zeros((40, 40)), grains=grains)
    faces = {}
    for name, axis in (("y", 0), ("x", 1)):
        differ = np.diff(grains, axis=axis) != 0
        faces[name] = np.where(differ, 30e-9, np.nan)
    by_pair = solve(made, {0: 1.0}, {(0, 0): 30e-9}, rtol=1e-12).sigma_eff
    assert solve(made, {0: 1.0}, Interfaces(faces=faces), rtol=1e-12).sigma_eff == pytest.approx(by_pair, rel=1e-9)


@pytest.mark.parametrize(("interfaces", "field"), [
    (Interfaces(sheets={(0, 1): math.inf}), "sheet[0:1]"),
    (Interfaces(sheets={(0, 4): 1.0}), "sheet"),
    (Interfaces(grains={(1, 2): 1.0}), "grain interface"),
    (Interfaces(faces={"q": np.zeros((3, 3))}), "interface map"),
    (Interfaces(faces={"y": np.zeros((9, 3))}), "interface map[y]"),
    (Interfaces(faces={"y": np.full((1, 2), -1.0)}), "interface map[y]"),
])
def test_bad_interfaces_name_the_field(interfaces, field):
    with pytest.raises(InputError) as caught:
        solve(phase_map(np.array([[0, 1], [1, 0]])), {0: 1.0, 1: 2.0}, interfaces)
    assert caught.value.field == field
