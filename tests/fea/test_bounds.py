"""The certified interval: it holds the exact value of the raster's own geometry, always."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssbray import rng
from ssbray.errors import InputError, SolverError
from ssbray.fea import cells, graded, problem, q1, solve, target
from ssbray.fea.refine import subdivide
from ssbray.fea.thin import Interfaces
from tests.fea.test_exact import NM, SIGMA, disc, layers, phase_map

ROUNDING = 1 + 1e-8
ALLOWED = 1 + 1e-5  #: for the imbalance of currents, by which a lower bound is widened, differently on each mesh


def plain(one, axis):
    """Bounds on the pixels of a problem, relative."""
    response = q1.respond(one, [axis], 1e-11)
    return cells.bound(one, axis).sigma, response.power({axis: 1.0}) / one.active.size


@st.composite
def maps(draw, ndim):
    """A random map with pores, contrast, interfaces, blocked faces, and either kind of boundary."""
    shape = draw(st.tuples(*[st.integers(2, 7 if ndim == 2 else 4)] * ndim))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = phase_map(random.integers(0, 3, shape), grains=random.integers(0, 3, shape))
    made.labels.flat[0] = 2 if made.labels.max() < 2 else made.labels.flat[0]
    sigma = {0: 1.0, 1: 10 ** -draw(st.floats(0, 6)), 2: draw(st.sampled_from([0.0, 1e-5, 0.3]))}
    pairs = {pair: draw(st.sampled_from([1e-12, 1e-10, 1e-9, 1e-7, math.inf]))
             for pair in ((0, 1), (0, 0), (1, 2)) if draw(st.booleans())}
    axis = draw(st.integers(0, ndim - 1))
    periodic = draw(st.booleans())
    made = phase_map(made.labels, grains=made.grains)
    sigma = {label: value for label, value in sigma.items() if label < len(made.phases)}
    pairs = {pair: value for pair, value in pairs.items() if max(pair) < len(made.phases)}
    return problem.prepare(made, sigma, Interfaces(pairs=pairs), axis, periodic), axis


@settings(max_examples=200, deadline=None, derandomize=True)
@given(case=maps(2))
def test_bounds_hold_in_the_plane(case):
    """Plain and graded intervals, and those of a finer mesh, must all overlap: each holds the same exact value."""
    one, axis = case
    if not one.open_axes[axis]:
        return
    coarse, fine = plain(one, axis), plain(subdivide(one, 3), axis)
    full = graded.bounds(one, np.ones(one.shape, dtype=bool))[:2]
    some = np.random.default_rng(one.active.size).random(one.shape) < 0.6
    part = graded.bounds(one, some)[:2]
    for low in (coarse[0], fine[0], full[0], part[0]):
        for high in (coarse[1], fine[1], full[1], part[1]):
            assert low <= high * ROUNDING
    assert coarse[0] <= fine[0] * ALLOWED  # refining only tightens
    assert fine[1] <= coarse[1] * ROUNDING


@settings(max_examples=120, deadline=None, derandomize=True)
@given(case=maps(3))
def test_bounds_hold_in_space(case):
    one, axis = case
    if not one.open_axes[axis]:
        return
    coarse, fine = plain(one, axis), plain(subdivide(one, 2), axis)
    assert coarse[0] <= fine[0] * ALLOWED
    assert fine[0] <= fine[1] * ROUNDING
    assert fine[1] <= coarse[1] * ROUNDING


@pytest.mark.parametrize("ndim", [2, 3])
def test_layers_are_certified_exactly(ndim):
    solution = solve(phase_map(layers(ndim, 0)), SIGMA, {(0, 1): 2e-6}, axis="yz"[ndim - 2], bounds=True)
    exact = 30 * NM / (10 * NM * (1 / 1.0 + 1 / 1e-3 + 1 / 7.0) + 2 * 2e-6)
    assert solution.lower == pytest.approx(exact, rel=1e-5)
    assert solution.lower <= exact * ROUNDING
    assert solution.upper >= exact / ROUNDING
    assert solution.best == pytest.approx(math.sqrt(solution.lower * solution.upper), rel=1e-12)


def test_four_phase_checkerboard_lies_inside_at_every_resolution():
    """Craster and Obnosov 2001: sigma_x = 1.547294, sigma_y = 1.406631 for [[1, 5], [2, 0.5]]."""
    sigma = {0: 1.0, 1: 5.0, 2: 2.0, 3: 0.5}
    gaps = []
    for n in (2, 8, 32):
        labels = np.kron([[0, 1], [2, 3]], np.ones((n, n)))
        for axis, exact in (("x", 1.547294), ("y", 1.406631)):
            solution = solve(phase_map(labels), sigma, axis=axis, boundary="periodic", bounds=True)
            assert solution.lower * (1 - 1e-6) < exact < solution.upper * (1 + 1e-6)
        gaps.append(solution.gap)
    assert gaps[0] > gaps[1] > gaps[2]
    one = problem.prepare(phase_map(np.array([[0, 1], [2, 3]])), sigma, Interfaces(), 1, True)
    low, high, unknowns = graded.bounds(one, np.ones((2, 2), dtype=bool))
    assert 5 * low < 1.547294 < 5 * high  # four pixels are enough for three digits
    assert high / low - 1 < 0.004
    assert unknowns < 16


@pytest.mark.parametrize("contrast", [10.0, 1e3, 1e6])
def test_a_checkerboard_of_four_pixels_is_certified(contrast):
    """sqrt(s1 s2) (Keller 1964): on the pixels alone the upper bound is off by tens to thousands of per cent."""
    one = problem.prepare(phase_map(np.array([[0, 1], [1, 0]])), {0: 1.0, 1: 1 / contrast}, Interfaces(), 0, True)
    low, high, _ = graded.bounds(one, np.ones((2, 2), dtype=bool))
    exact = contrast**-0.5
    assert low * (1 - 1e-9) <= exact <= high * (1 + 1e-9)
    assert high / low - 1 < 0.006
    assert plain(one, 0)[1] > 1.3 * exact


def blobs(side, scale):
    from scipy import ndimage

    field = ndimage.gaussian_filter(rng.stream(0, "blobs", side).normal(size=(side, side)), scale, mode="wrap")
    return np.digitize(field, np.quantile(field, [1 / 3, 2 / 3]))


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_a_target_gap_needs_a_quarter_of_the_unknowns(scale):
    made = phase_map(blobs(128, scale))
    sigma = {0: 1.0, 1: 1e-3**0.5, 2: 1e-3}
    solution = solve(made, sigma, target_gap=0.02)
    assert solution.gap <= 0.02
    assert solution.refinement["reason"] is None
    one = problem.prepare(made, sigma, Interfaces(), 0, False)
    factor = 1
    while True:
        factor *= 2
        low, high = plain(subdivide(one, factor), 0)
        if (high - low) / math.sqrt(high * low) <= 0.02:
            break
    assert low <= solution.upper * ROUNDING
    assert solution.lower <= high * ROUNDING
    assert solution.refinement["unknowns"] <= 0.25 * (128 * factor) ** 2


def test_the_indicator_adds_up_to_the_gap():
    """Prager and Synge: where the potential's current and the balanced one differ is where the gap sits."""
    one = problem.prepare(phase_map(blobs(32, 2.0)), {0: 1.0, 1: 0.1, 2: 0.001}, Interfaces(), 0, False)
    response, lower = q1.respond(one, [0], 1e-10), cells.bound(one, 0)
    gap = response.power({0: 1.0}) / one.active.size - lower.sigma
    assert target.indicator(one, response, lower).sum() / one.active.size == pytest.approx(gap, rel=1e-3)


def test_an_unreachable_gap_says_so_and_keeps_what_it_has():
    solution = solve(phase_map(blobs(16, 1.0)), {0: 1.0, 1: 0.03, 2: 1e-3}, target_gap=1e-6)
    assert "not 1e-06" in solution.refinement["reason"]
    assert solution.refinement["reason"] in solution.warnings
    assert 1e-6 < solution.gap < 0.02
    volume = np.random.default_rng(0).integers(0, 2, (6, 6, 6))
    solution = solve(phase_map(volume), {0: 1.0, 1: 0.01}, axis="z", target_gap=0.6)
    assert solution.gap <= 0.6
    assert solution.refinement["refined_fraction"] == 1.0


def test_diagonal_contacts_are_read_either_way_on_request():
    labels = np.ones((12, 12))
    labels[:6, :6] = labels[6:, 6:] = 0  # two good squares that meet in a corner
    sigma = {0: 1.0, 1: 1e-4}
    connected = solve(phase_map(labels), sigma, target_gap=0.02)
    separated = solve(phase_map(labels), sigma, target_gap=0.02, corners="separated")
    assert set(connected.corners) == {"connected", "separated"}
    assert connected.corners["connected"] == (connected.lower, connected.upper)
    assert separated.corners["separated"] == (separated.lower, separated.upper)
    assert separated.upper < connected.lower
    one_pore = {0: 1.0, 1: 0.0}
    labels[0, :] = labels[-1, :] = 0
    labels[:, 0] = 0
    pores = solve(phase_map(labels), one_pore, target_gap=0.02)
    assert pores.corners is None  # where the other two are pores a corner conducts nothing in either reading


def test_the_neutral_disc_lies_near_its_bounds():
    """The bounds are those of the raster; the disc it stands for has 1 exactly."""
    labels, radius = disc(64, 0.4)
    solution = solve(phase_map(labels), {0: 1.0, 1: 10.0}, {(0, 1): radius * NM * 0.9}, target_gap=0.01)
    assert solution.gap <= 0.01
    assert solution.best == pytest.approx(1.0, abs=0.005)


def test_a_current_out_of_balance_is_allowed_for(monkeypatch):
    """The bound must hold for fluxes of a solve that was stopped far too early, at some cost in width."""
    for seed in range(8):
        made = phase_map(np.random.default_rng(seed).integers(0, 3, (30, 30)))
        one = problem.prepare(made, {0: 1.0, 1: 0.01, 2: 0.1}, Interfaces(), 0, False)
        exact = cells.bound(one, 0).sigma
        with monkeypatch.context() as patch:
            patch.setattr(cells, "BALANCE", 0.3)
            early = cells.bound(one, 0).sigma
        assert 0.5 * exact < early < exact


def test_crossing_bounds_are_never_reported(monkeypatch):
    real = cells.bound
    monkeypatch.setattr(cells, "bound", lambda *a: dataclasses.replace(real(*a), sigma=10.0))
    with pytest.raises(SolverError, match="above upper bound"):
        solve(phase_map(np.array([[0, 1], [1, 0]])), {0: 1.0, 1: 2.0}, bounds=True)


def test_what_does_not_percolate_is_certified_as_zero():
    labels = np.zeros((6, 6))
    labels[3] = 1
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.0}, target_gap=0.02)
    assert (solution.lower, solution.upper, solution.best, solution.gap) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("arguments", "field"), [
    ({"target_gap": 0.0}, "target_gap"), ({"target_gap": 1.5}, "target_gap"), ({"target_gap": math.nan}, "target_gap"),
    ({"corners": "round"}, "corners"), ({"corners": "separated"}, "corners")])
def test_bad_requests_name_the_field(arguments, field):
    with pytest.raises(InputError) as caught:
        solve(phase_map(np.array([[0, 1], [1, 0]])), {0: 1.0, 1: 2.0}, **arguments)
    assert caught.value.field == field


def test_corners_are_separated_in_a_plain_section_only():
    volume = phase_map(np.random.default_rng(0).integers(0, 2, (4, 4, 4)))
    with pytest.raises(InputError, match="section only"):
        solve(volume, {0: 1.0, 1: 0.5}, axis="z", target_gap=0.1, corners="separated")
    with pytest.raises(InputError, match="section only"):
        solve(phase_map(np.array([[0, 1], [1, 0]])), {0: 1.0, 1: 2.0}, Interfaces(sheets={(0, 1): 1.0}),
              target_gap=0.1, corners="separated")
