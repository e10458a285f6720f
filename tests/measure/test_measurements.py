"""Roles, what is missing, cleaning, and statistics over many maps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.measure import Measurements, Roles, distribution, interval, measure
from ssbray.measure.burrs import without_burrs
from ssbray.measure.specks import without_specks
from tests.measure.maps import LAYER, LLZO, NMC, PHASES, PORE, banded, phase_map, tilted


def test_roles_are_read_from_the_names():
    roles = Roles.guess(["LLZO", "Al-LLZO", "LLZTO", "t-LLZO", "a-LLZO", "NMC622", "LCO", "LiNbO3-amorphous", "void",
                         "crack", "background"])
    assert roles.electrolyte == ("LLZO", "Al-LLZO", "LLZTO")
    assert roles.cathode == ("NMC622", "LCO")
    assert roles.layers == ("t-LLZO", "a-LLZO", "LiNbO3-amorphous")
    assert roles.pore == ("void", "crack")


def test_wrong_roles_are_refused():
    with pytest.raises(InputError, match="already under electrolyte"):
        Roles(electrolyte=("LLZO",), layers=("LLZO",))
    with pytest.raises(InputError, match="did you mean 'NMC811'"):
        measure(phase_map(np.zeros((4, 4))), Roles(cathode=("NMC81",)))
    for volume in (np.zeros((3, 4, 5)), np.zeros((1, 9))):
        with pytest.raises(InputError, match="section"):
            measure(phase_map(volume))
    with pytest.raises(InputError, match="least_pixels"):
        measure(phase_map(np.zeros((4, 4))), least_pixels=0)


@pytest.mark.parametrize(("only", "reason"), [(LLZO, "no cathode"), (NMC, "no electrolyte"),
                                              (PORE, "no electrolyte and no cathode")])
def test_what_cannot_be_measured_is_missing_with_a_reason(only, reason):
    found = measure(phase_map(np.full((12, 15), only)))
    for name in ("contact_length_um", "contact_fraction", "roughness_rms_nm", "thickness:layers:mean_nm",
                 "thickness:La2Zr2O7:coverage"):
        assert name not in found.values
        assert reason in found.missing[name]
    assert found.values[f"fraction:{PHASES[only]}"] == 1
    assert not set(found.values) & set(found.missing)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=arrays(np.uint8, st.tuples(st.integers(2, 12), st.integers(2, 12)), elements=st.integers(0, 4)),
       least=st.sampled_from([1, 4]))
def test_any_map_gives_finite_numbers_and_plain_json(labels, least):
    grains = (labels + 1).astype(np.int32)
    found = measure(phase_map(labels, grains), dislocations=labels == LAYER, least_pixels=least)
    assert all(np.isfinite(value) and value >= 0 for value in found.values.values()), found.values
    assert not set(found.values) & set(found.missing)
    assert sum(v for k, v in found.values.items() if k.startswith("fraction:")) == pytest.approx(1)
    if "contact_fraction" in found.values:
        assert 0 <= found.values["contact_fraction"] <= 1
    json.dumps(found.to_dict(profiles=True), allow_nan=False)


def test_every_map_answers_the_same_questions():
    """Each name is a value or is missing; which of the two depends on the map."""
    maps = (np.zeros((20, 20)), banded(tilted((20, 20), 0), 4.0), np.full((20, 20), PORE))
    names = [set(found.values) | set(found.missing) for found in
             (measure(phase_map(labels, np.ones(labels.shape))) for labels in maps)]
    assert names[0] == names[1] == names[2]


def test_specks_go_and_thin_lines_stay():
    labels = np.zeros((40, 40), dtype=np.uint8)
    labels[20:] = 1
    truth = labels.copy()
    truth[np.arange(3, 15), np.arange(3, 15)] = 3  # a crack on the diagonal, one pixel wide
    labels = truth.copy()
    labels[5, 30] = labels[30, 10] = labels[30, 11] = 2
    labels[19, 5] = 2  # between both: the side with more votes
    cleaned, grains = without_specks(labels, np.where(labels == 2, 9, labels).astype(np.int32), 4)
    np.testing.assert_array_equal(cleaned, truth)
    assert 9 not in grains
    np.testing.assert_array_equal(without_specks(labels, None, 1)[0], labels)


def test_a_map_of_specks_is_left_alone():
    labels = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    np.testing.assert_array_equal(without_specks(labels, None, 4)[0], labels)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(degrees=st.floats(0, 180), offset=st.floats(0, 1), thickness=st.floats(1.0, 6))
def test_burrs_leave_straight_edges_alone(degrees, offset, thickness):
    labels = banded(tilted((40, 40), degrees, offset), thickness).astype(np.uint8)
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_array_equal(without_burrs(labels, None, 2)[0][inner], labels[inner])


def test_burrs_are_trimmed_and_pits_filled():
    labels = banded(tilted((40, 60), 0, 0.5)).astype(np.uint8)
    truth = labels.copy()
    labels[20, [10, 12, 31]] = NMC
    labels[21, 45] = LLZO
    grains = np.where(labels == NMC, 2, 1).astype(np.int32)
    trimmed, moved = without_burrs(labels, grains, 3)
    np.testing.assert_array_equal(trimmed, truth)
    np.testing.assert_array_equal(moved, np.where(truth == NMC, 2, 1))
    kept, _ = without_burrs(labels, None, 3, keep=np.array([False, True, False, False]))
    np.testing.assert_array_equal(kept, labels)


def test_burrs_keep_thin_lines():
    labels = np.zeros((30, 30), dtype=np.uint8)
    labels[12, 4:26] = labels[np.arange(15, 28), np.arange(15, 28)] = 3
    for passes, ends in ((1, 1), (3, 3)):
        left = without_burrs(labels, None, passes)[0]
        assert (left[12] == 3).sum() == 22 - 2 * ends
        np.testing.assert_array_equal(without_burrs(labels, None, passes, least_own=2)[0], labels)


def test_cleaning_trims_what_specks_leave():
    noise = np.random.default_rng(0).standard_normal((200, 300))
    labels = phase_map(banded(tilted((200, 300), 12, 0.3) + noise, 8.0))
    length = 0.3 / np.cos(np.deg2rad(12))
    assert measure(labels).values["interface_length_um"] == pytest.approx(length, rel=0.012)
    assert measure(labels).values["cleaned_fraction"] > 0.005


def sample(**values):
    return Measurements(values=values, profiles={}, missing={})


def test_interval_over_samples():
    table = interval([sample(a=1.0, b=5.0), sample(a=2.0), sample(a=4.0, b=float("nan"))], levels=(0.0, 1.0),
                     centre=sample(a=1.5, c=7.0))
    assert table["a"] == {"mean": pytest.approx(7 / 3), "std": pytest.approx(np.std([1, 2, 4], ddof=1)), "low": 1.0,
                          "high": 4.0, "n": 3, "defined": 1.0, "centre": 1.5}
    assert table["b"]["n"] == 1
    assert table["b"]["std"] is None
    assert table["b"]["defined"] == pytest.approx(1 / 3)
    assert table["b"]["centre"] is None
    assert table["c"] == {"mean": None, "std": None, "low": None, "high": None, "n": 0, "defined": 0.0, "centre": 7.0}
    json.dumps(table, allow_nan=False)


def test_interval_refuses_what_makes_no_sense():
    with pytest.raises(InputError, match="samples"):
        interval([])
    with pytest.raises(InputError, match="levels"):
        interval([sample(a=1.0)], levels=(0.9, 0.1))


def test_interval_of_shifted_copies_covers_the_truth():
    maps = [measure(phase_map(banded(tilted((60, 60), 10, shift), 8.0))) for shift in np.linspace(0, 1, 9)]
    row = interval(maps)["thickness:layers:mean_nm"]
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["mean"] == pytest.approx(8.0, abs=0.15)


def test_distribution_is_plain():
    table = distribution({"a": np.array([1.0, 2.0, np.inf, 3.0]), "none": [], "one": [2.0]})
    assert table["a"] == {"n": 3, "missing": 1, "mean": 2.0, "std": 1.0, "min": 1.0, "p5": pytest.approx(1.1),
                          "median": 2.0, "p95": pytest.approx(2.9), "max": 3.0}
    assert table["none"]["mean"] is None
    assert table["none"]["n"] == 0
    assert table["one"]["std"] is None
    json.dumps(table, allow_nan=False)


def test_phases_of_the_users_names_can_be_given_roles():
    section = PhaseMap(labels=np.repeat(np.array([0, 1], dtype=np.uint8), [10, 10])[:, None].repeat(30, axis=1),
                       phases=("grey", "white"), pixel_size_nm=1.0)
    assert "no cathode" in measure(section).missing["contact_length_um"]
    found = measure(section, Roles(electrolyte=("grey",), cathode=("white",)))
    assert found.values["contact_length_um"] == pytest.approx(0.030)
