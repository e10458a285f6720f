"""Cases whose conductivity is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssbray.domain import PhaseMap
from ssbray.fea import solve

NM = 1e-9


def phase_map(labels, grains=None, pixel_size_nm=1.0):
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    names = tuple(str(label) for label in range(int(labels.max()) + 1))
    grains = None if grains is None else np.ascontiguousarray(grains, dtype=np.int32)
    return PhaseMap(labels=labels, phases=names, pixel_size_nm=pixel_size_nm, grains=grains)


def layers(ndim, axis):
    """Six layers of five pixels along the array axis, seven pixels across."""
    shape = [7] * ndim
    shape[axis] = 30
    profile = np.repeat([0, 1, 1, 0, 2, 2], 5)
    return np.broadcast_to(profile.reshape([-1 if d == axis % ndim else 1 for d in range(ndim)]), shape)


SIGMA = {0: 1.0, 1: 1e-3, 2: 7.0}


@pytest.mark.parametrize(("ndim", "axis", "name"), [(2, 0, "y"), (2, 1, "x"), (3, 0, "z"), (3, 1, "y"), (3, 2, "x")])
def test_layers_in_series_with_interface_resistance(ndim, axis, name):
    resistance = {(0, 1): 2e-6, (2, 0): 3e-6}  # ohm m2; two faces of the first kind, one of the second
    solution = solve(phase_map(layers(ndim, axis)), SIGMA, resistance, axis=name, rtol=1e-13)
    total = 10 * NM * (1 / 1.0 + 1 / 1e-3 + 1 / 7.0) + 2 * 2e-6 + 3e-6
    assert solution.sigma_eff == pytest.approx(30 * NM / total, rel=1e-8)
    assert solution.asr == pytest.approx(total, rel=1e-8)
    assert solution.dissipation_fraction["interface:0:1"] == pytest.approx(4e-6 / total, rel=1e-6)
    assert solution.dissipation_fraction["phase:1"] == pytest.approx(10 * NM / 1e-3 / total, rel=1e-6)


@pytest.mark.parametrize("contrast", [1e-6, 1e-9, 1e-12, 1e-14])
@pytest.mark.parametrize("resistance", [0.0, 1.0, 100.0])
def test_layers_of_extreme_contrast(contrast, resistance):
    """Where the drop in the good conductor is lost in the digits of the potential, the power must not be."""
    solution = solve(phase_map(layers(2, 0)), {0: 1.0, 1: contrast, 2: 7.0}, {(0, 2): resistance}, rtol=1e-9)
    total = 10 * NM * (1 / 1.0 + 1 / contrast + 1 / 7.0) + resistance
    assert solution.asr == pytest.approx(total, rel=1e-8)


@pytest.mark.parametrize(("ndim", "axis", "name"), [(2, 0, "x"), (2, 1, "y"), (3, 0, "y"), (3, 2, "z")])
def test_layers_in_parallel_do_not_feel_the_interfaces(ndim, axis, name):
    solution = solve(phase_map(layers(ndim, axis)), SIGMA, {(0, 1): 2e-6}, axis=name)
    assert solution.sigma_eff == pytest.approx((1.0 + 1e-3 + 7.0) / 3, rel=1e-8)


@pytest.mark.parametrize("ndim", [2, 3])
def test_brick_layer(ndim):
    """Equal square or cubic grains: 1/sigma_eff = 1/sigma + R/d for boundaries between every two grains."""
    n, d = (4, 5) if ndim == 2 else (3, 4)
    grains = np.kron(np.arange(1, n**ndim + 1).reshape((n,) * ndim), np.ones((d,) * ndim, dtype=int))
    resistance = 3e-9
    solution = solve(phase_map(np.zeros((n * d,) * ndim), grains), {0: 2.0}, {(0, 0): resistance}, axis="x")
    expected = 1 / (1 / 2.0 + (n - 1) * resistance / (n * d * NM))
    assert solution.sigma_eff == pytest.approx(expected, rel=1e-8)


def disc(n, fraction, ndim=2):
    radius = n * (math.sqrt(fraction / math.pi) if ndim == 2 else (3 * fraction / (4 * math.pi)) ** (1 / 3))
    centres = np.indices((n,) * ndim) + 0.5
    return ((centres - n / 2) ** 2).sum(axis=0) < radius**2, radius


@pytest.mark.parametrize("fraction", [0.2, 0.5])
@pytest.mark.parametrize("sigma", [10.0, 1e4])
def test_neutral_inclusion(fraction, sigma):
    """R = a (1 - 1/s) hides a disc exactly; without the staircase correction the result is 1.06 to 1.11."""
    labels, radius = disc(256, fraction)
    solution = solve(phase_map(labels), {0: 1.0, 1: sigma}, {(0, 1): radius * NM * (1 - 1 / sigma)})
    assert solution.sigma_eff == pytest.approx(1.0, abs=0.005)


def test_neutral_sphere():
    labels, radius = disc(32, 0.2, ndim=3)
    solution = solve(phase_map(labels), {0: 1.0, 1: 10.0}, {(0, 1): radius * NM * 0.9}, axis="z")
    assert solution.sigma_eff == pytest.approx(1.0, abs=0.005)


# Square array of cylinders (Perrins, McKenzie and McPhedran 1979, 10.1098/rspa.1979.0160); values by multipoles.
@pytest.mark.parametrize(("fraction", "sigma", "expected", "tolerance"), [
    (0.3, 10.0, 1.652036, 0.01), (0.5, 10.0, 2.415467, 0.01), (0.3, 0.0, 0.537580, 0.01)])
def test_square_array_of_cylinders(fraction, sigma, expected, tolerance):
    labels, _ = disc(256, fraction)
    solution = solve(phase_map(labels), {0: 1.0, 1: sigma})
    assert solution.sigma_eff == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("resistance", "expected"), [(0.1, 2.008270), (1.0, 0.953467), (10.0, 0.412370)])
def test_cylinders_with_imperfect_interfaces(resistance, expected):
    """Resistance in units of radius over matrix conductivity, f = 0.5, s = 10."""
    labels, radius = disc(256, 0.5)
    solution = solve(phase_map(labels), {0: 1.0, 1: 10.0}, {(0, 1): resistance * radius * NM})
    assert solution.sigma_eff == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_slit_constriction(ratio):
    """Contact through a slit of half-width a in a strip of half-width b: R = 2 ln(1 / sin(pi a / 2 b)) / (pi sigma)."""
    n = 256
    labels = np.zeros((2 * n + 2, n), dtype=np.uint8)
    labels[n : n + 2] = 1
    open_ = int(n * ratio)
    labels[n : n + 2, (n - open_) // 2 : (n - open_) // 2 + open_] = 0
    solution = solve(phase_map(labels), {0: 1.0, 1: 0.0})
    resistance = (2 * n + 2) / (solution.sigma_eff * n)  # ohm per metre of depth at 1 S/m
    bulk, neck = 2 * n / n, 2 / open_
    expected = bulk + neck + 2 * math.log(1 / math.sin(math.pi * ratio / 2)) / math.pi
    assert resistance == pytest.approx(expected, rel=0.01)


def test_voltage_times_current_is_the_dissipated_power():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (24, 31))
    # holds for every approximation, so a loose tolerance must not hurt it
    solution = solve(phase_map(labels), {0: 1.0, 1: 1e-4, 2: 0.0}, {(0, 1): 1e-9}, rtol=1e-3)
    mean_current = solution.current_density[1].mean()  # A/m2 along y, for 1 V over 24 nm
    assert mean_current * 24 * NM == pytest.approx(solution.sigma_eff, rel=1e-8)
    assert sum(solution.dissipation_fraction.values()) == pytest.approx(1.0, abs=1e-12)


def test_refinement_lowers_the_upper_bound():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, (8, 8))
    values = [solve(phase_map(np.kron(labels, np.ones((k, k)))), {0: 1.0, 1: 1e-3}).sigma_eff for k in (1, 2, 4)]
    assert values[0] > values[1] > values[2] > 0.45 * values[0]
