"""Contact, gaps and roughness where they are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssbray import raster
from ssbray.measure import Roles, measure
from ssbray.measure.line import trace
from tests.measure.maps import LAYER, LLZO, NMC, PORE, banded, phase_map, radius, tilted


@settings(max_examples=40, deadline=None, derandomize=True)
@given(degrees=st.floats(0, 180), offset=st.floats(0, 1))
def test_lengths_are_those_of_the_house(degrees, offset):
    """The outline's signed faces and `ssbray.raster`'s unsigned ones agree where nothing is ragged."""
    body = tilted((90, 110), degrees, offset) < 0
    faces = raster.facets(body.view(np.uint8))
    assert trace(body).length.sum() == pytest.approx(raster.measure(faces, body.view(np.uint8)).sum(), rel=1e-3)


def test_a_rectangle_keeps_its_corners():
    body = np.zeros((60, 80), dtype=bool)
    body[15:35, 20:60] = True
    assert trace(body).length.sum() == pytest.approx(120, rel=1e-12)


def test_faces_that_lead_back_are_taken_off():
    """White noise of one pixel on an edge: counted without signs it is 80 % too long."""
    noise = np.random.default_rng(0).standard_normal((200, 300))
    length = trace(tilted((200, 300), 12, 0.3) + noise < 0).length
    assert length.sum() < 0.9 * np.abs(length).sum()


def test_positions_start_anew_on_every_curve():
    body = np.zeros((60, 80), dtype=bool)
    body[20:25] = True
    line = trace(body)
    for span in line.spans():
        np.testing.assert_allclose(line.position()[span], np.arange(80) + 0.5)


def values(labels, **options):
    return measure(phase_map(labels), **{"least_pixels": 1, **options}).values


@pytest.mark.parametrize("degrees", [0, 4, 18, 33, 45])
def test_direct_contact_is_the_length_of_the_line(degrees):
    found = values(banded(tilted((240, 200), degrees, 0.3)))
    assert found["contact_length_um"] == pytest.approx(0.2 / np.cos(np.deg2rad(degrees)), rel=0.006)
    assert found["contact_fraction"] == 1
    assert found["gap_length_um"] == found["layered_contact_length_um"] == found["layer_gap_length_um"] == 0
    assert found["roughness_length_over_width"] == pytest.approx(1, abs=0.004)
    assert found["roughness_rms_nm"] < 0.35  # the staircase itself


@pytest.mark.parametrize(("top", "bottom"), [(51, 60), (42, 51), (45, 56)])
def test_a_gap_has_the_length_of_its_opening(top, bottom):
    """Cut into the cathode, into the electrolyte, or into both: the depth of the walls is not in it."""
    labels = banded(tilted((100, 200), 0, 0.5))
    labels[top:bottom, 70:120] = PORE
    found = values(labels)
    tolerance = 1e-9 if top >= 51 or bottom <= 51 else 0.012  # walls on both sides are part of both faces
    assert found["gap_length_um"] == pytest.approx(0.050, abs=tolerance)
    assert found["contact_length_um"] == pytest.approx(0.150, rel=1e-9)
    assert found["interface_length_um"] == pytest.approx(found["contact_length_um"] + found["gap_length_um"])


@pytest.mark.parametrize("degrees", [7, 20, 38])
def test_contact_fraction_of_a_tilted_line_with_gaps(degrees):
    distance = tilted((260, 260), degrees, 0.2)
    labels = banded(distance, 6.0)
    y, x = np.mgrid[:260, :260]
    angle = np.deg2rad(degrees)
    along = (x - 130) * np.cos(angle) + (y - 130.2) * np.sin(angle)
    labels[(np.abs(along - 10) < 30) & (distance < 0) & (distance > -7)] = PORE
    found = values(labels)
    assert found["gap_length_um"] == pytest.approx(0.060, rel=0.03)
    assert found["contact_fraction"] == pytest.approx(1 - 60 / (260 / np.cos(angle)), abs=0.008)
    assert found["contact_length_um"] == 0
    assert found["roughness_length_over_width"] == pytest.approx(1, abs=0.01)  # a gap is part of the line


def test_closed_pores_are_no_gap():
    labels = banded(tilted((120, 120), 0, 0.5))
    labels[radius((120, 120), (90, 60)) < 10] = PORE  # in the cathode
    labels[radius((120, 120), (25, 60)) < 10] = PORE  # in the electrolyte
    found = values(labels)
    assert found["gap_length_um"] == 0
    assert found["contact_fraction"] == 1
    assert found["interface_length_um"] == pytest.approx(0.120)
    assert found["roughness_rms_nm"] == pytest.approx(0, abs=1e-9)


def test_a_pore_behind_a_layer_parts_it_from_the_electrolyte():
    labels = banded(tilted((100, 100), 0, 0.5), 10.0)
    labels[36:41, 20:50] = PORE
    found = values(labels)
    assert found["layer_gap_length_um"] == pytest.approx(0.030, abs=0.001)
    assert found["gap_length_um"] == 0
    assert found["contact_fraction"] == 1


def test_a_layer_on_a_free_surface_covers_no_interface():
    """Right half: electrolyte beyond the layer; left half: nothing that has a role."""
    labels = banded(tilted((80, 100), 0, 0.5), 10.0)
    labels[:31, :50] = PORE
    roles = Roles(electrolyte=("LLZO",), cathode=("NMC811",), layers=("La2Zr2O7",))
    profile = measure(phase_map(labels), roles, least_pixels=1).profiles
    assert profile["interface:x_nm"].min() > 50
    np.testing.assert_allclose(profile["thickness:La2Zr2O7_nm"], 10)


def test_an_open_crack_leaves_no_contact():
    labels = banded(tilted((60, 80), 0, 0.5))
    labels[30:33] = PORE
    found = values(labels)
    assert found["contact_fraction"] == 0
    assert found["gap_length_um"] == pytest.approx(0.080)


def test_round_particles_have_their_circumference_and_no_roughness():
    labels = np.zeros((200, 200), dtype=int)
    labels[radius((200, 200), (60.2, 60.7)) < 35] = NMC
    labels[radius((200, 200), (140.4, 130.1)) < 47] = LAYER
    labels[radius((200, 200), (140.4, 130.1)) < 40] = NMC
    measured = measure(phase_map(labels), least_pixels=1)
    found = measured.values
    assert found["contact_length_um"] == pytest.approx(2 * np.pi * 0.035, rel=0.005)
    assert found["layered_contact_length_um"] == pytest.approx(2 * np.pi * 0.040, rel=0.005)
    assert found["thickness:La2Zr2O7:coverage"] == pytest.approx(40 / 75, rel=0.01)
    assert found["thickness:La2Zr2O7:mean_nm"] == pytest.approx(7, rel=0.03)
    assert "crosses the map" in measured.missing["roughness_rms_nm"]


def test_what_has_no_role_is_outside():
    """The free surface of a specimen is neither contact nor gap."""
    labels = np.full((90, 60), NMC)
    labels[:30], labels[70:] = LLZO, PORE
    roles = Roles(electrolyte=("LLZO",), cathode=("NMC811",))
    found = values(labels, roles=roles)
    assert found["interface_length_um"] == found["contact_length_um"] == pytest.approx(0.060)
    assert measure(phase_map(labels), roles).values["pore_count"] == 0


@pytest.mark.parametrize("rms", [0.5, 1.0])
@pytest.mark.parametrize("thickness", [5.0, 15.0])
def test_a_ragged_segmentation_keeps_lengths_and_thickness(rms, thickness):
    """White noise of up to a pixel on both sides of a layer, and wrong pixels everywhere."""
    noise = np.random.default_rng(3)
    distance = tilted((200, 300), 12, 0.3)
    labels = banded(distance + rms * noise.standard_normal(distance.shape), thickness)
    wrong = noise.random(labels.shape) < 0.003
    labels[wrong] = noise.integers(0, 4, labels.shape)[wrong]
    length = 0.3 / np.cos(np.deg2rad(12))
    rough, clean = values(labels), values(labels, least_pixels=4)
    assert rough["interface_length_um"] > 1.1 * length  # the trouble is there,
    assert clean["interface_length_um"] == pytest.approx(length, rel=0.03)  # and is gone
    assert clean["contact_length_um"] < 0.005 * length
    assert clean["contact_fraction"] > 0.99
    assert clean["thickness:layers:mean_nm"] == pytest.approx(thickness, abs=0.3)
    assert clean["thickness:layers:coverage"] > 0.99


@pytest.mark.parametrize("degrees", [0, 13, 30, 45, 71])
def test_cleaning_does_not_touch_what_is_clean(degrees):
    labels = phase_map(banded(tilted((150, 150), degrees, 0.4), 2.0, 5.0))
    untouched, cleaned = measure(labels, least_pixels=1), measure(labels, least_pixels=4)
    assert cleaned.values == untouched.values
