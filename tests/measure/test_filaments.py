"""Lengths of dislocations."""

import numpy as np
import pytest

from ssbray.errors import InputError
from ssbray.measure import measure
from ssbray.measure.filaments import length
from tests.measure.maps import NMC, phase_map, radius


def stroke(degrees, width, half=70.0, shape=(181, 181), centre=(90.2, 89.7)):
    y, x = np.mgrid[:shape[0], :shape[1]]
    angle = np.deg2rad(degrees)
    along = (x - centre[1]) * np.cos(angle) + (y - centre[0]) * np.sin(angle)
    across = (y - centre[0]) * np.cos(angle) - (x - centre[1]) * np.sin(angle)
    return (np.abs(along) <= half) & (np.abs(across) <= width / 2)


def everywhere(mask):
    return length(mask, np.ones_like(mask))


@pytest.mark.parametrize("width", [1.5, 2.0, 3.0, 5.0])
def test_straight_lines_have_their_length_at_any_angle(width):
    for degrees in np.arange(0, 180, 7.5):
        assert everywhere(stroke(degrees, width)) == pytest.approx(140, rel=0.02), degrees


def test_a_staircase_of_faces_is_a_line():
    """Zhang's thinning deletes it altogether."""
    mask = np.zeros((60, 60), dtype=bool)
    k = np.arange(5, 50)
    mask[k, k] = mask[k, k + 1] = True
    assert everywhere(mask) == pytest.approx(45 * np.sqrt(2), rel=0.03)


@pytest.mark.parametrize("r", [15, 30, 60])
def test_a_circle_has_its_circumference(r):
    assert everywhere(np.abs(radius((181, 181), (90.3, 90.1)) - r) < 1.3) == pytest.approx(2 * np.pi * r, rel=0.02)


@pytest.mark.parametrize("width", [3, 6, 10])
def test_a_ragged_mask_keeps_its_length(width):
    noise = np.random.default_rng(5)
    for degrees in np.arange(0, 180, 22.5):
        rim = stroke(degrees, width + 2) & ~stroke(degrees, width - 2)
        mask = stroke(degrees, width) ^ (rim & (noise.random(rim.shape) < 0.3))
        found = measure(phase_map(np.zeros(mask.shape)), dislocations=mask).values
        assert found["dislocation_length_um"] == pytest.approx(0.140, rel=0.07), degrees


def test_cleaning_leaves_a_thin_line_its_ends():
    mask = np.zeros((30, 30), dtype=bool)
    mask[15, 5:25] = True
    rough, clean = (measure(phase_map(np.zeros((30, 30))), dislocations=mask, least_pixels=least).values
                    for least in (1, 4))
    assert clean["dislocation_length_um"] == rough["dislocation_length_um"] == pytest.approx(0.020, abs=6e-4)


def test_crossing_lines_add_up():
    assert everywhere(stroke(20, 2) | stroke(100, 2)) == pytest.approx(280, rel=0.02)


def test_density_counts_what_lies_in_the_electrolyte_and_needs_the_foil():
    labels = np.zeros((200, 200), dtype=int)
    labels[:, 100:] = NMC
    mask = np.zeros((200, 200), dtype=bool)
    mask[100, 20:180] = True
    section = phase_map(labels, pixel_size_nm=2.0)
    found = measure(section, dislocations=mask)
    per_area = 0.160 / (0.2 * 0.4)  # 80 pixels of 2 nm in 100 x 200 of them
    assert found.values["dislocation_length_um"] == pytest.approx(0.160, rel=0.02)
    assert found.values["dislocation_length_per_area_per_um"] == pytest.approx(per_area, rel=0.02)
    assert "foil_thickness_nm" in found.missing["dislocation_density_per_m2"]
    foil = measure(section, dislocations=mask, foil_thickness_nm=100.0).values
    assert foil["dislocation_density_per_um2"] == pytest.approx(4 / np.pi * per_area / 0.1, rel=0.02)
    assert foil["dislocation_density_per_m2"] == pytest.approx(1e12 * foil["dislocation_density_per_um2"])


def test_an_empty_mask_has_no_length_and_a_wrong_one_is_refused():
    section = phase_map(np.zeros((20, 30)))
    assert measure(section, dislocations=np.zeros((20, 30), dtype=bool)).values["dislocation_length_um"] == 0
    assert "no mask" in measure(section).missing["dislocation_length_um"]
    for wrong in (np.zeros((20, 31), dtype=bool), np.zeros((20, 30))):
        with pytest.raises(InputError, match="dislocations"):
            measure(section, dislocations=wrong)
    with pytest.raises(InputError, match="foil_thickness_nm"):
        measure(section, dislocations=np.zeros((20, 30), dtype=bool), foil_thickness_nm=0.0)
