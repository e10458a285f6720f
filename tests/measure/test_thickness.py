"""Layers whose normal thickness is known, on a raster at many slopes, curvatures and offsets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from ssbray.measure import measure
from tests.measure.maps import COATING, LAYER, LLZO, NMC, PORE, banded, phase_map, radius, tilted


def close(value, truth):
    """Within 2 % or 0.2 pixels, whichever is more."""
    return value == pytest.approx(truth, rel=0.02, abs=0.2)


def layer(labels, name="La2Zr2O7", **options):
    values = measure(phase_map(labels), least_pixels=1, **options).values
    return {key.split(":")[2]: value for key, value in values.items() if key.startswith(f"thickness:{name}:")}


@pytest.mark.parametrize("thickness", [1, 3, 10, 60])
def test_a_flat_layer_is_exact(thickness):
    found = layer(banded(tilted((200, 90), 0, offset=40.5), thickness))
    assert found.pop("coverage") == 1
    assert found == pytest.approx(dict.fromkeys(found, thickness), rel=1e-12)
    assert len(found) == 5


@pytest.mark.parametrize("thickness", [3.0, 5.0, 12.0, 60.0])
@pytest.mark.parametrize("degrees", [3, 10, 22.5, 37, 60, 81])
def test_a_tilted_layer_has_its_normal_thickness(thickness, degrees):
    errors = []
    for offset in (0.0, 0.27, 0.61):
        found = layer(banded(tilted((220, 260), degrees, offset), thickness))
        assert close(found["mean_nm"], thickness)
        assert found["p5_nm"] == pytest.approx(thickness, abs=0.35)
        assert found["p95_nm"] == pytest.approx(thickness, abs=0.35)
        errors.append(found["mean_nm"] - thickness)
    assert abs(np.mean(errors)) < 0.1, errors


def test_at_45_degrees_a_layer_is_a_whole_number_of_diagonals():
    """The raster itself is off by up to 0.35 pixels there, and says so in its area."""
    found = layer(banded(tilted((256, 256), 45, 0.3), 10.0))
    assert found["mean_nm"] == pytest.approx(14 / np.sqrt(2), abs=0.02)


@pytest.mark.parametrize("thickness", [3.0, 8.0, 30.0])
@pytest.mark.parametrize("bend", [25, 70, -45, -90])
def test_a_bent_layer_has_its_normal_thickness(thickness, bend):
    """An annulus around a round cathode, and inside a cathode with a round hole."""
    r = radius((261, 261), (130.3, 129.8))
    found = layer(banded(r - bend if bend > 0 else -bend - r, thickness))
    assert close(found["mean_nm"], thickness)
    assert found["coverage"] == 1
    assert thickness - 0.5 < found["p5_nm"] <= found["p95_nm"] < thickness + 0.5


def test_a_layer_on_a_sine_has_its_normal_thickness():
    y, x = np.mgrid[:200, :300]
    curve = np.linspace(-40, 340, 8000)
    line = np.stack([110 + 14 * np.cos(2 * np.pi * curve / 150), curve], axis=1)
    distance = cKDTree(line).query(np.stack([y.ravel(), x.ravel()], axis=1))[0].reshape(y.shape)
    distance[y > 110 + 14 * np.cos(2 * np.pi * x / 150)] *= -1
    values = measure(phase_map(banded(distance, 9.0)), least_pixels=1).values
    assert close(values["thickness:La2Zr2O7:mean_nm"], 9.0)
    assert values["thickness:La2Zr2O7:p95_nm"] - values["thickness:La2Zr2O7:p5_nm"] < 0.8
    slope = 14 * 2 * np.pi / 150 * np.sin(2 * np.pi * curve / 150)
    inside = (curve >= 0) & (curve < 300)
    assert values["interface_length_um"] == pytest.approx(0.3 * np.sqrt(1 + slope[inside] ** 2).mean(), rel=0.005)
    assert values["roughness_rms_nm"] == pytest.approx(14 / np.sqrt(2), rel=0.03)
    assert values["roughness_length_over_width"] == pytest.approx(np.sqrt(1 + slope[inside] ** 2).mean(), rel=0.005)


def test_stacked_layers_are_told_apart_and_add_up():
    labels = banded(tilted((200, 240), 17, 0.4), 6.0, 9.0)
    one, other, both = (layer(labels, name) for name in ("La2Zr2O7", "Li3BO3", "layers"))
    assert close(one["mean_nm"], 6.0)
    assert close(other["mean_nm"], 9.0)
    assert both["mean_nm"] == pytest.approx(one["mean_nm"] + other["mean_nm"], rel=1e-9)


def test_a_layer_over_part_of_the_line_counts_where_it_is():
    labels = banded(tilted((100, 200), 0, 0.5), 8.0)
    labels[:, 120:][labels[:, 120:] == LAYER] = LLZO
    found = layer(labels)
    assert found["coverage"] == pytest.approx(0.6)
    assert found["mean_nm"] == pytest.approx(8.0)
    assert found["whole_mean_nm"] == pytest.approx(0.6 * 8.0)
    assert found["p5_nm"] == pytest.approx(8.0)  # the ends do not taper
    assert found["area_over_length_nm"] == pytest.approx(0.6 * 8.0)
    shown = measure(phase_map(labels), least_pixels=1).profiles
    assert np.ptp(shown["thickness:La2Zr2O7_nm"]) == 8.0
    assert set(shown["interface:state"]) == {0, 1}


def test_thickness_is_found_across_a_gap_of_the_interface():
    labels = banded(tilted((100, 200), 0, 0.5), 8.0)
    labels[51:57, 60:120] = PORE
    found = layer(labels)
    assert found["mean_nm"] == pytest.approx(8.0)
    assert found["coverage"] == 1
    assert (measure(phase_map(labels), least_pixels=1).profiles["interface:state"] == 2).sum() == 60


def test_the_profile_shows_a_wedge_where_it_is():
    y, x = np.mgrid[:120, :300]
    labels = np.where(y > 80, NMC, np.where(y > 80.5 - (5 + x / 20), COATING, LLZO))
    profile = measure(phase_map(labels), least_pixels=1).profiles
    order = np.argsort(profile["interface:x_nm"])
    truth = 5 + profile["interface:x_nm"][order] / 20
    inner = slice(15, -15)
    assert np.abs(profile["thickness:Li3BO3_nm"][order] - truth)[inner].max() < 0.8
    assert np.abs((profile["thickness:Li3BO3_nm"][order] - truth)[inner].mean()) < 0.15
    assert np.ptp(profile["interface:position_nm"]) == pytest.approx(299)
    assert profile["interface:length_nm"].sum() == pytest.approx(300)
    np.testing.assert_allclose(profile["interface:y_nm"], 81.0)


def test_an_absent_layer_covers_nothing():
    found = measure(phase_map(banded(tilted((40, 40), 0))), least_pixels=1)
    assert found.values["thickness:La2Zr2O7:coverage"] == 0
    assert found.values["thickness:layers:whole_mean_nm"] == 0
    assert "thickness:layers:mean_nm" not in found.values
    assert "covers no part" in found.missing["thickness:layers:mean_nm"]


def test_a_layer_between_two_cathode_grains_is_no_interface():
    """A coating inside the cathode has no electrolyte behind it."""
    labels = np.full((90, 60), NMC)
    labels[:20] = LLZO
    labels[50:54] = COATING
    found = layer(labels, "Li3BO3")
    assert found["coverage"] == 0
    assert measure(phase_map(labels), least_pixels=1).values["contact_length_um"] == pytest.approx(0.060)


def test_a_crack_through_the_layer_does_not_bend_the_line():
    """It opens the interface by its width, and interrupts the layer there and nowhere else."""
    labels = banded(tilted((160, 240), 0, 20.5), 60.0)
    labels[41:101, 100:105] = PORE
    found = measure(phase_map(labels), least_pixels=1).values
    assert found["gap_length_um"] == pytest.approx(0.005)
    assert found["layer_gap_length_um"] == 0  # the crack starts at the cathode
    assert found["thickness:layers:p5_nm"] == pytest.approx(60, rel=0.02)
    assert found["thickness:layers:p95_nm"] == pytest.approx(60, rel=0.02)
    assert found["thickness:layers:mean_nm"] == pytest.approx(60, rel=0.03)
    assert found["roughness_rms_nm"] < 2
    assert found["roughness_length_over_width"] < 1.1


def test_small_roughness_of_the_cathode_does_not_turn_a_thick_layer():
    y, x = np.mgrid[:200, :400]
    labels = banded(160 + 3 * np.sin(2 * np.pi * x / 40) - y, 0.0)
    labels[(labels == LLZO) & (y > 60)] = LAYER
    found = layer(labels)
    assert found["mean_nm"] == pytest.approx(100, rel=0.01)
    assert 95 < found["p5_nm"] < found["p95_nm"] < 105


@settings(max_examples=25, deadline=None, derandomize=True)
@given(degrees=st.floats(1, 89).filter(lambda a: abs(a - 45) > 1), offset=st.floats(0, 1), thickness=st.floats(3, 20))
def test_turning_mirroring_and_scaling_leave_thickness(degrees, offset, thickness):
    labels = banded(tilted((150, 150), degrees, offset), thickness)
    plain = measure(phase_map(labels), least_pixels=1).values
    for image in (labels[:, ::-1], labels[::-1], np.rot90(labels)):
        other = measure(phase_map(image.copy()), least_pixels=1).values
        assert other["thickness:layers:mean_nm"] == pytest.approx(plain["thickness:layers:mean_nm"], abs=0.1)
        for name in ("layered_contact_length_um", "interface_length_um", "thickness:layers:area_over_length_nm"):
            assert other[name] == pytest.approx(plain[name], rel=1e-9)
    scaled = measure(phase_map(labels, pixel_size_nm=2.5), least_pixels=1).values
    for name in ("thickness:layers:mean_nm", "thickness:layers:p95_nm", "layered_contact_length_um"):
        assert scaled[name] == pytest.approx(2.5 * plain[name])
    assert close(plain["thickness:layers:mean_nm"], thickness)
