"""Two potentials: cases in closed form, and what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq

from ssbray.domain import PhaseMap
from ssbray.errors import InputError, SolverError
from ssbray.fea import forms, kinetics, newton
from ssbray.fea import solve as single_potential
from ssbray.fea.kinetics import Contact, Surface, thermal_voltage
from ssbray.fea.thin import Interfaces
from ssbray.fea.two_potential import solve, sweep

NM = 1e-9
IONIC, ELECTRONIC = 1e-2, 1e-1
R_CT = thermal_voltage(298.15) / 5.0
LINEAR = Contact(exchange_current=5.0, kinetics="linear")
VOLMER = Contact(exchange_current=5.0)


def phase_map(labels, pixel_size_nm=50.0, grains=None):
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    names = tuple(str(label) for label in range(int(labels.max()) + 1))
    return PhaseMap(labels=labels, phases=names, pixel_size_nm=pixel_size_nm, grains=grains)


def plane(ndim=2, axis=0, electrolyte=12, electrode=8, across=5):
    profile = np.repeat([0, 1], [electrolyte, electrode])
    shape = [across] * ndim
    shape[axis] = len(profile)
    return np.broadcast_to(profile.reshape([-1 if d == axis else 1 for d in range(ndim)]), shape)


def rough(n=64, ndim=2, islands=True):
    """A rough interface, with pores, and with islands of either kind."""
    rng = np.random.default_rng(1)
    height = gaussian_filter(rng.normal(size=(n,) * ndim), n / 16, mode="reflect")
    place = (np.arange(n) / n - 0.5).reshape([-1 if d == ndim - 2 else 1 for d in range(ndim)])
    labels = (0.4 * height / height.std() + 5 * place > 0).astype(np.uint8)
    pores = gaussian_filter(rng.normal(size=labels.shape), 1)
    labels[pores / pores.std() > 1.8] = 2
    if islands:
        labels[(slice(n // 8, n // 6),) * ndim] = 1
        labels[(slice(-n // 6, -n // 8),) * ndim] = 0
    return labels


def run(labels, contact, interfaces=None, ionic=IONIC, electronic=ELECTRONIC, **more):
    return solve(phase_map(labels, more.pop("pixel_size_nm", 50.0)), {0: ionic}, {1: electronic}, contact, interfaces,
                 **more)


@pytest.mark.parametrize(("ndim", "axis", "name"), [(2, 0, "y"), (2, 1, "x"), (3, 0, "z"), (3, 1, "y"), (3, 2, "x")])
def test_a_plane_is_a_series_of_resistances(ndim, axis, name):
    solution = run(plane(ndim, axis), Contact(exchange_current=5.0, kinetics="linear", layer=2e-4), axis=name)
    electrolyte, electrode = 12 * 50 * NM / IONIC, 8 * 50 * NM / ELECTRONIC
    total = electrolyte + electrode + R_CT + 2e-4
    assert solution.resistance == pytest.approx(total, rel=1e-10)
    assert solution.current_density == pytest.approx(1e-3 / total, rel=1e-10)
    assert solution.interface_asr == pytest.approx(R_CT + 2e-4, rel=1e-10)
    assert solution.interface_asr_true_area == pytest.approx(R_CT + 2e-4, rel=1e-10)
    assert solution.loss_fraction == pytest.approx({"electrolyte": electrolyte / total, "electrode": electrode / total,
                                                    "charge_transfer": R_CT / total, "layer": 2e-4 / total}, rel=1e-9)
    assert solution.overpotential_mean == pytest.approx(1e-3 * R_CT / total, rel=1e-10)
    assert (solution.contact_area_ratio, solution.active_fraction, solution.focusing) == pytest.approx((1, 1, 1))
    assert solution.faces.current == pytest.approx(np.full(5 ** (ndim - 1), solution.current_density), rel=1e-9)
    component = solution.current[ndim - 1 - axis]
    assert component == pytest.approx(np.full(component.shape, solution.current_density), rel=1e-9)
    assert solution.potential.max() == pytest.approx(1e-3 * (1 - electrolyte / total / 24), rel=1e-9)
    assert (solution.newton, solution.warnings) == (0, ())


@pytest.mark.parametrize("volts", [1e-3, 0.05, 0.3, -0.3, 2.0])
@pytest.mark.parametrize(("alpha", "layer", "pixel_size_nm"), [(0.5, 0.0, 50), (0.3, 2e-4, 50), (0.3, 2e-3, 1e6)])
def test_a_plane_with_butler_volmer(volts, alpha, layer, pixel_size_nm):
    """The current of the series by its own implicit equation."""
    solution = run(plane(), Contact(exchange_current=5.0, alpha=alpha, layer=layer), applied=volts,
                   pixel_size_nm=pixel_size_nm)
    series = pixel_size_nm * NM * (12 / IONIC + 8 / ELECTRONIC) + layer

    def current(eta):
        scaled = eta / thermal_voltage(298.15)
        return 5.0 * (math.exp(alpha * scaled) - math.exp(-(1 - alpha) * scaled))

    eta = brentq(lambda eta: eta + series * current(eta) - volts, *sorted((0.0, volts)), xtol=1e-18, rtol=1e-15)
    assert solution.overpotential_mean == pytest.approx(eta, rel=1e-6)
    assert solution.current_density == pytest.approx(current(eta), rel=1e-6)
    assert solution.interface_asr == pytest.approx(eta / current(eta) + layer, rel=1e-6)


def test_the_law_behind_a_layer():
    rng = np.random.default_rng(0)
    jump = np.append(rng.normal(size=400) * 10 ** rng.uniform(-6, 3, 400), [0.0, 3.0])
    layer = np.append(10 ** rng.uniform(-320, 6, 401), 0.0)
    for alpha in (0.5, 0.2, 0.9):
        eta = kinetics.overpotential(jump, layer, alpha)
        assert eta + layer * kinetics.rate(eta, alpha)[0] == pytest.approx(jump, rel=1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
def test_contact_quadrature(ndim):
    """It integrates the jump as the mass matrix does, and its tangent is the derivative of its force."""
    count = 2 ** (ndim - 1)
    surface = Surface(dofs=np.arange(2 * count, dtype=np.int32).reshape(1, 2, count), weight=np.ones(1),
                      layer=np.array([0.3]), alpha=0.3, linear=False)
    shapes = surface.shapes
    assert shapes.T @ shapes / len(shapes) == pytest.approx(forms.jump_matrix(ndim), abs=1e-15)
    values = np.random.default_rng(2).normal(size=2 * count) * 5
    difference = [(surface.force(values + step) - surface.force(values - step)) / 2e-6 for step in
                  1e-6 * np.eye(2 * count)]
    assert surface.tangent(values)[0] == pytest.approx(np.array(difference), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_small_potentials_are_linear_and_large_ones_are_not(ndim):
    labels = phase_map(rough(64 if ndim == 2 else 16, ndim))
    linear = solve(labels, {0: IONIC}, {1: ELECTRONIC}, LINEAR)
    one, ten, much, most = sweep(labels, {0: IONIC}, {1: ELECTRONIC}, VOLMER, applied=[1e-3, 0.01, 0.1, 0.3])
    assert "left out" in one.warnings[0]
    assert one.resistance == pytest.approx(linear.resistance, rel=1e-3)
    assert one.interface_asr == pytest.approx(linear.interface_asr, rel=1e-3)
    assert one.interface_asr > ten.interface_asr > much.interface_asr > 1.2 * most.interface_asr > 0
    assert most.newton <= 8


@pytest.mark.parametrize("ndim", [2, 3])
def test_linear_charge_transfer_is_an_interface_resistance(ndim):
    """Where electrolyte meets one plate only, and the electrode the other, and nothing is an island."""
    labels = phase_map(rough(64 if ndim == 2 else 16, ndim, islands=False))
    conducts = {0: IONIC, 1: ELECTRONIC}
    contact = Contact(exchange_current=5.0, kinetics="linear", layer=1e-3)
    two = solve(labels, {0: IONIC}, {1: ELECTRONIC}, contact, rtol=1e-10)
    only = two.potential
    kept = PhaseMap(labels=np.where(np.isnan(only), 2, labels.labels).astype(np.uint8), phases=("0", "1", "2"),
                    pixel_size_nm=50.0)
    one = single_potential(kept, {**conducts, 2: 0.0}, {(0, 1): R_CT + 1e-3}, rtol=1e-12)
    assert two.resistance == pytest.approx(one.asr, rel=1e-9)
    assert two.interface_asr == pytest.approx(one.dissipation_fraction["interface:0:1"] * one.asr, rel=1e-6)
    assert 1e3 * two.potential == pytest.approx(one.potential, abs=1e-6, nan_ok=True)


def test_a_sweep_ends_where_single_solves_do():
    labels = phase_map(rough())
    for volts, one in zip((0.3, -0.05, 0.3), sweep(labels, {0: IONIC}, {1: ELECTRONIC}, VOLMER,
                                                   applied=(0.3, -0.05, 0.3)), strict=True):
        alone = solve(labels, {0: IONIC}, {1: ELECTRONIC}, VOLMER, applied=volts)
        assert one.applied == pytest.approx(volts)
        assert one.current_density == pytest.approx(alone.current_density, rel=1e-7)
        assert one.faces.current == pytest.approx(alone.faces.current, rel=1e-5)


def test_equal_transfer_coefficients_make_the_current_odd():
    forth, back = (run(rough(), VOLMER, applied=volts).current_density for volts in (0.2, -0.2))
    assert forth == pytest.approx(-back, rel=1e-7)
    skew = Contact(exchange_current=5.0, alpha=0.3)
    forth, back = (run(rough(), skew, applied=volts).current_density for volts in (0.2, -0.2))
    assert abs(back) > 1.05 * forth


@pytest.mark.parametrize("contact", [LINEAR, VOLMER])
@pytest.mark.parametrize("volts", [1e-3, 0.3])
def test_losses_add_up_to_applied_times_current(contact, volts):
    labels = rough()
    solution = run(labels, contact, {(0, 1): 1e-4}, applied=volts)
    faces = solution.faces
    through = float(faces.area @ faces.current) / labels.shape[1]  # by the contact alone, not by losses
    assert through == pytest.approx(solution.current_density, rel=1e-8)
    assert solution.balance < 1e-8
    assert sum(solution.loss_fraction.values()) == pytest.approx(1.0, abs=1e-12)
    in_pixels = solution.dissipation.sum() * 50 * NM / labels.shape[1]  # per plate area
    of_contact = solution.loss_fraction["charge_transfer"] + solution.loss_fraction["layer"]
    assert in_pixels == pytest.approx(volts * through * (1 - of_contact), rel=1e-8)
    assert solution.interface_asr == pytest.approx(of_contact * solution.resistance, rel=1e-12)
    assert solution.contact_area_ratio == pytest.approx(faces.area.sum() / labels.shape[1])
    # every plane between the plates carries the same current, pixels and contact together
    assert solution.current[1][0].mean() == pytest.approx(through, rel=0.05)


def comb(teeth=4, width=4, depth=12, bulk=6):
    """Electrode teeth from below in electrolyte from above, each half as wide as the period."""
    tooth = np.repeat([0, 1, 0], [width // 2, width, width // 2])
    middle = np.broadcast_to(np.tile(tooth, teeth), (depth, 2 * width * teeth))
    return np.concatenate([np.zeros((bulk, middle.shape[1])), middle, np.ones((bulk, middle.shape[1]))])


def test_a_comb_is_symmetric_and_periods_do_not_matter():
    one, four = run(comb(1), VOLMER, applied=0.1), run(comb(4), VOLMER, applied=0.1)
    assert one.resistance == pytest.approx(four.resistance, rel=1e-7)
    assert four.potential == pytest.approx(four.potential[:, ::-1], abs=1e-9)
    assert four.contact_area_ratio > 2
    # more contact lowers the resistance of charge transfer, whatever the detour
    assert four.interface_asr < 0.6 * run(plane(), VOLMER, applied=0.1).interface_asr
    # turned over, with the conductivities exchanged, the same
    turned = run(1 - comb(4)[::-1], VOLMER, applied=0.1, ionic=ELECTRONIC, electronic=IONIC)
    assert turned.resistance == pytest.approx(four.resistance, rel=1e-7)


@pytest.mark.parametrize("slope", [1.0, 0.5, 0.3])
def test_an_inclined_interface_has_its_true_area(slope):
    """A tilted plane, seen as a staircase: the contact area and, where charge transfer governs, the resistance."""
    n = 96
    y, x = np.indices((2 * n, n))
    solution = run(y - n + 0.5 > slope * (x + 0.5 - n / 2), LINEAR, ionic=100.0, electronic=100.0)
    assert solution.contact_area_ratio == pytest.approx(math.hypot(1, slope), rel=0.01)
    assert solution.interface_asr_true_area == pytest.approx(R_CT, rel=0.01)
    assert solution.interface_asr == pytest.approx(R_CT / math.hypot(1, slope), rel=0.01)


def test_a_perfect_contact_leaves_the_bulk():
    solution = run(plane(), Contact(exchange_current=1e9), applied=0.1)
    assert solution.resistance == pytest.approx(50 * NM * (12 / IONIC + 8 / ELECTRONIC), rel=1e-4)
    none = run(plane(), Contact(exchange_current=1e12), applied=0.1, electronic=1e-12)
    assert none.resistance == pytest.approx(50 * NM * 8 / 1e-12, rel=1e-6)
    assert "lost in rounding" in none.warnings[0]
    assert math.isnan(none.focusing)


def test_pixels_that_touch_both_plates():
    solution = run([[0, 1]], LINEAR)
    assert solution.percolates
    assert solution.current_density > 0


@pytest.mark.parametrize(("labels", "reason"), [
    ([[0], [2], [1]], "electrolyte on the first plane along y and the electrode on the last do not touch"),
    ([[1], [0], [1]], "no electrolyte pixel at the first plane along y"),
    ([[0], [1], [0]], "no electrode pixel at the last plane along y"),
    ([[0, 2], [2, 1], [2, 1]], "do not touch"),  # a corner alone is no contact
])
def test_what_carries_no_current_says_why(labels, reason):
    solution = run(labels, VOLMER)
    assert (solution.current_density, solution.percolates, solution.loss_fraction) == (0.0, False, {})
    assert math.isinf(solution.resistance)
    assert reason in solution.reason
    assert np.isnan(solution.potential).all()


def test_a_blocked_contact():
    solution = run(plane(), VOLMER, {(0, 1): math.inf})
    assert not solution.percolates
    assert "blocked" in solution.reason


def test_islands_are_left_out():
    labels = plane(electrolyte=30, electrode=30, across=30).copy()
    hollow = labels.copy()
    labels[5:10, 5:10] = 1  # electrode in electrolyte
    labels[45:50, 5:10] = 0
    hollow[5:10, 5:10] = hollow[45:50, 5:10] = 2  # pores in their places
    solution, expected = run(labels, VOLMER, applied=0.1), run(hollow, VOLMER, applied=0.1)
    assert solution.current_density == pytest.approx(expected.current_density, rel=1e-10)
    assert "2.78%" in solution.warnings[0]
    assert expected.warnings == ()
    assert np.isnan(solution.potential[5:10, 5:10]).all()
    assert len(solution.faces.area) == 30


def test_a_piece_of_electrode_on_the_first_plate_takes_no_current_from_it():
    labels = plane().copy()
    labels[:, 0] = 1
    labels[:, -1] = 0
    solution = run(labels, VOLMER)
    assert solution.contact_area_ratio > 2
    assert np.abs(solution.current[1][0, 0]) < solution.current_density  # in sideways only, from the electrolyte
    assert solution.balance < 1e-8


def test_the_layer_of_a_pair_overrides_that_of_all():
    labels = np.repeat([0, 1, 2], [5, 5, 5])[:, None] * np.ones((1, 4), int)  # two electrodes in series
    labels[:, 2:] = np.repeat([0, 2, 1], [5, 5, 5])[:, None]
    contact = Contact(exchange_current=5.0, kinetics="linear", layer=1e-3)
    solution = solve(phase_map(labels), {0: 1e3}, {1: 1e3, 2: 1e3}, contact, {(2, 0): 7e-3, (1, 2): 1e-12})
    by_hand = (1 / (R_CT + 1e-3) + 1 / (R_CT + 7e-3)) / 2
    assert solution.resistance == pytest.approx(1 / by_hand, rel=1e-3)
    first, second = solution.faces.current[:2].mean(), solution.faces.current[2:].mean()
    assert first / second == pytest.approx((R_CT + 7e-3) / (R_CT + 1e-3), rel=1e-3)


def test_layers_of_single_faces_and_grains():
    labels = plane(across=4)
    grains = np.ones(labels.shape, np.int32) + labels.astype(np.int32)
    grains[:, 2:] += 2
    given = np.full((19, 4), np.nan)
    given[11, 0] = math.inf
    wanted = phase_map(labels, grains=grains)
    contact = Contact(exchange_current=5.0, kinetics="linear")
    solution = solve(wanted, {0: 1e3}, {1: 1e3}, contact, Interfaces(grains={(3, 4): 5e-3}, faces={"y": given}))
    assert solution.contact_area_ratio == pytest.approx(0.75)
    expected = (1 / R_CT + 2 / (R_CT + 5e-3)) / 4
    assert solution.resistance == pytest.approx(1 / expected, rel=1e-3)


def test_grain_boundaries_within_a_side_stay_resistances():
    labels = plane()
    grains = np.broadcast_to(np.repeat([1, 2, 3, 4], [6, 6, 4, 4])[:, None], labels.shape).astype(np.int32)
    solution = solve(phase_map(labels, grains=grains), {0: IONIC}, {1: ELECTRONIC}, LINEAR,
                     {(0, 0): 3e-3, (1, 1): 4e-3})
    total = 12 * 50 * NM / IONIC + 8 * 50 * NM / ELECTRONIC + R_CT + 7e-3
    assert solution.resistance == pytest.approx(total, rel=1e-9)
    assert solution.loss_fraction["electrolyte"] == pytest.approx((12 * 50 * NM / IONIC + 3e-3) / total, rel=1e-9)
    blocked = solve(phase_map(labels, grains=grains), {0: IONIC}, {1: ELECTRONIC}, LINEAR, {(0, 0): math.inf})
    assert "do not touch" in blocked.reason


def test_temperature_is_in_the_thermal_voltage_alone():
    hot = run(plane(), LINEAR, temperature=2 * 298.15)
    assert hot.interface_asr == pytest.approx(2 * R_CT, rel=1e-9)


@pytest.mark.parametrize("volts", [5.0, -5.0])
@pytest.mark.parametrize("exchange_current", [1e-8, 1e4])
@pytest.mark.parametrize("electronic", [1e-12, 1e6])
def test_potentials_far_from_equilibrium(volts, exchange_current, electronic):
    """Two hundred times RT/F across a contact of any quality."""
    solution = run(rough(32), Contact(exchange_current=exchange_current, alpha=0.3), applied=volts,
                   electronic=electronic)
    assert solution.balance < 1e-4  # of the drop at a good contact few digits are left in the potentials
    assert sum(solution.loss_fraction.values()) == pytest.approx(1.0)
    assert solution.current_density * volts > 0


def test_newton_that_fails_goes_in_steps_and_then_says_so(monkeypatch):
    expected = run(rough(32), VOLMER, applied=0.5)
    one_step = newton.Newton._newton
    tried, reached = [], [0.0]

    def short_sighted(self, start, applied):
        tried.append(applied * thermal_voltage(298.15))
        if tried[-1] - reached[-1] > 0.2:
            raise newton._Failed("too far")
        reached.append(tried[-1])
        return one_step(self, start, applied)

    with monkeypatch.context() as patch:
        patch.setattr(newton.Newton, "_newton", short_sighted)
        in_steps = run(rough(32), VOLMER, applied=0.5)
    assert tried == pytest.approx([0.5, 0.25, 0.125, 0.25, 0.5, 0.375, 0.5])
    assert in_steps.current_density == pytest.approx(expected.current_density, rel=1e-7)
    monkeypatch.setattr(newton, "MAX_NEWTON", 0)
    with pytest.raises(SolverError, match="in steps of"):
        run(rough(32), VOLMER, applied=0.5)


@pytest.mark.parametrize(("change", "field"), [
    ({"applied": 0.0}, "applied"), ({"applied": math.nan}, "applied"), ({"temperature": 0.0}, "temperature"),
    ({"rtol": 2.0}, "rtol"), ({"axis": "z"}, "axis"), ({"ionic": {}}, "ionic"), ({"electronic": {}}, "electronic"),
    ({"electronic": {0: 1.0}}, "electronic"), ({"ionic": {0: -1.0}}, "sigma[0]"),
    ({"ionic": {7: 1.0}}, "sigma"), ({"interfaces": {(0, 1): -1.0}}, "interface[0:1]"),
    ({"interfaces": Interfaces(sheets={(0, 1): 1e-9})}, "sheet")])
def test_bad_arguments_name_themselves(change, field):
    arguments = {"ionic": {0: IONIC}, "electronic": {1: ELECTRONIC}, "contact": VOLMER, **change}
    with pytest.raises(InputError) as error:
        solve(phase_map(plane()), **arguments)
    assert error.value.field == field


@pytest.mark.parametrize(("change", "field"), [
    ({"exchange_current": 0.0}, "exchange_current"), ({"exchange_current": math.nan}, "exchange_current"),
    ({"alpha": 1.0}, "alpha"), ({"alpha": math.nan}, "alpha"), ({"layer": -1.0}, "layer"),
    ({"layer": math.nan}, "layer"), ({"kinetics": "tafel"}, "kinetics")])
def test_bad_contacts_name_themselves(change, field):
    with pytest.raises(InputError) as error:
        Contact(**{"exchange_current": 5.0, **change})
    assert error.value.field == field
