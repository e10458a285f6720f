"""Grains, pores and what the border does to their sizes."""

import numpy as np
import pytest

from ssbray.measure import measure
from ssbray.measure.sizes import find_sizes
from ssbray.rng import stream
from tests.measure.maps import LLZO, NMC, PORE, phase_map, radius


def exact(labels, grains=None, **options):
    return measure(phase_map(labels, grains, **options), least_pixels=1)


@pytest.mark.parametrize("angle", [0, 20, 35, 45, 80])
def test_a_straight_grain_boundary_has_its_length(angle):
    y, x = np.mgrid[:200, :200]
    side = (x - 99.7) * np.sin(np.deg2rad(angle)) - (y - 99.6) * np.cos(np.deg2rad(angle))
    found = exact(np.zeros((200, 200)), np.where(side < 0, 1, 2)).values
    length = 0.2 / max(abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle))))
    assert found["grain_boundary_length_um"] == pytest.approx(length, rel=0.006)
    assert found["grain_boundary_density_per_um"] == pytest.approx(length / 0.04, rel=0.006)
    assert found["grain_intercept_nm"] == pytest.approx(np.pi / 2 * 40 / length, rel=0.006)


def test_only_boundaries_within_the_electrolyte_count():
    labels, grains = np.full((40, 60), LLZO), np.ones((40, 60))
    grains[:, 30:] = 2
    labels[20:] = NMC
    grains[20:] += 2
    grains[0:4, 0:4] = 0  # an unindexed patch
    found = exact(labels, grains).values
    assert found["grain_boundary_length_um"] == pytest.approx(0.020)
    assert found["grain_boundary_density_per_um"] == pytest.approx(20 / 1200 * 1000)


def test_brick_grains_have_their_size_and_the_cut_ones_are_left_out():
    y, x = np.mgrid[:100, :140]
    grains = 1 + (y + 10) // 20 * 8 + (x + 10) // 20
    found = exact(np.zeros((100, 140)), grains)
    assert found.values["grain_size_mean_nm"] == pytest.approx(np.sqrt(4 * 400 / np.pi))
    assert found.values["grain_size_median_nm"] == pytest.approx(np.sqrt(4 * 400 / np.pi))
    assert found.values["grain_count"] == 6 * 8
    assert found.values["grain_cut_count"] == 6 * 8 - 4 * 6
    assert found.profiles["grain:cut"].sum() == 24


def test_weights_make_up_for_the_large_ones_that_the_border_cuts():
    """Squares of two sizes, as many of either, dropped at random: whole ones alone would say 'mostly small'."""
    place = stream(1, "squares")
    sides = np.zeros(2)
    plain = np.zeros(2)
    for _ in range(400):
        image = np.zeros((60, 60), dtype=np.int32)
        for number, side in enumerate((6, 30), start=1):
            top, left = place.integers(-29, 60, 2)
            image[max(top, 0):max(top + side, 0), max(left, 0):max(left + side, 0)] = number
        sizes = find_sizes(image)
        whole = ~sizes.cut
        big = sizes.number == 2
        overlap = (sizes.pixels != 36) & ~big | (sizes.pixels != 900) & big
        for k in range(len(sizes.number)):
            if whole[k] and not overlap[k]:
                sides[int(big[k])] += sizes.weight[k]
                plain[int(big[k])] += 1
    assert plain[1] < 0.5 * plain[0]
    assert sides[1] == pytest.approx(sides[0], rel=0.25)


def test_without_grains_there_is_a_reason():
    found = exact(np.zeros((10, 10)))
    assert found.missing["grain_boundary_length_um"] == "the map has no grains"
    assert "grain_size_mean_nm" not in found.values
    found = exact(np.zeros((10, 10)), np.ones((10, 10)))
    assert found.values["grain_boundary_length_um"] == 0
    assert found.missing["grain_size_mean_nm"] == "the border of the map cuts every one"
    assert found.missing["grain_intercept_nm"] == "there is no boundary between grains"


def test_discs_have_their_diameters():
    labels = np.zeros((300, 300), dtype=int)
    discs = {(50.2, 60.4): 12.0, (150.7, 150.1): 20.0, (240.0, 70.5): 30.0, (230.3, 299.0): 15.0}
    for centre, r in discs.items():
        labels[radius((300, 300), centre) < r] = PORE
    found = exact(labels, pixel_size_nm=2.0)
    order = np.argsort(found.profiles["pore:diameter_nm"])
    assert found.values["pore_count"] == 4
    assert found.values["pore_cut_count"] == 1
    np.testing.assert_allclose(found.profiles["pore:diameter_nm"][order][[1, 2, 3]], [48, 80, 120], rtol=0.01)
    assert found.profiles["pore:cut"][order].tolist() == [True, False, False, False]
    assert found.values["pore_size_median_nm"] == pytest.approx(80, rel=0.1)
    assert found.values["pore_size_p5_nm"] == pytest.approx(48, rel=0.01)
    assert found.values["pore_size_p95_nm"] == pytest.approx(120, rel=0.01)
    assert found.profiles["pore:share"].sum() == pytest.approx(1)
    assert found.values["pore_fraction_of_electrolyte"] == np.mean(labels == PORE)


def test_pores_of_the_cathode_and_of_the_interface_are_not_the_electrolytes():
    labels = np.zeros((150, 100), dtype=int)
    labels[75:] = NMC
    labels[radius((150, 100), (75, 30)) < 6] = PORE
    labels[radius((150, 100), (120, 60)) < 8] = PORE
    own = radius((150, 100), (30, 60)) < 7
    labels[own] = PORE
    found = exact(labels).values
    assert found["pore_count"] == 1
    garnet = (labels == LLZO).sum()
    assert found["pore_fraction_of_electrolyte"] == pytest.approx(own.sum() / (own.sum() + garnet))
    assert found["fraction:pore"] == np.mean(labels == PORE)
