from __future__ import annotations

import numpy as np
import pytest

from ssbray.domain import PhaseMap
from ssbray.fea.cautions import cautions, corner_contacts


def say(labels, conductivity, axis="y"):
    labels = np.asarray(labels, np.uint8)
    before = labels.copy()
    found = cautions(PhaseMap(labels=labels, phases=tuple(map(str, range(256))), pixel_size_nm=1.0), conductivity, axis)
    assert (labels == before).all()
    assert all("\n" not in line for line in found)
    return found


def about(found, word):
    return [line for line in found if word in line]


LAYERS = np.repeat([0, 1, 0, 1], 6)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize(("labels", "conductivity"), [
    (np.zeros((16, 16)), {0: 1.0}), (np.zeros((1, 1)), {0: 1.0}), (np.zeros((1, 9)), {0: 1.0}),
    (LAYERS[:, None] * np.ones((1, 9)), {0: 1.0, 1: 1e-4}), (np.ones((9, 1)) * LAYERS, {0: 1.0, 1: 0.0}),
])
def test_clean_maps_are_told_of_the_section_only(labels, conductivity, axis):
    found = say(labels, conductivity, axis)
    assert len(found) == 1
    assert found[0].startswith("a section is not the volume")
    assert say(np.stack([labels] * 4), conductivity, axis) == ()


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_path_through_a_hole_of_one_pixel(axis):
    labels = np.zeros((21, 21))
    labels[8:13] = 1
    labels[8:13, 10] = 0
    labels = labels if axis == "y" else labels.T
    found = about(say(labels, {0: 1.0, 1: 0.0}, axis), "one pixel wide")
    assert len(found) == 1
    assert "label 0 " in found[0]
    assert not about(say(labels, {0: 1.0, 1: 0.5}, axis), "one pixel wide")  # there are other ways
    wider = labels.copy()
    wider[(slice(8, 13), 11) if axis == "y" else (11, slice(8, 13))] = 0
    assert not about(say(wider, {0: 1.0, 1: 0.0}, axis), "one pixel wide")


def test_blocks_that_share_one_face_hang_on_it():
    """Each part survives an opening, but no square of two pixels gets from one to the other."""
    labels = np.ones((12, 12))
    labels[:6, :6] = 0
    labels[6:, 5:] = 0
    assert about(say(labels, {0: 1.0, 1: 0.0}), "one pixel wide")


def test_a_path_along_the_side_of_the_image_can_be_too_narrow():
    """A frame left at the border by stitching or cropping can be the only path."""
    labels = np.ones((12, 12))
    labels[-1] = 0
    assert about(say(labels, {0: 1.0, 1: 0.0}, "x"), "one pixel wide")
    labels[-2] = 0
    assert not about(say(labels, {0: 1.0, 1: 0.0}, "x"), "one pixel wide")
    assert not about(say(np.uint8([[0], [0], [1]]), {0: 1.0, 1: 0.5}), "one pixel wide")


def test_two_labels_can_make_one_path():
    labels = np.full((20, 20), 2)
    labels[:10, 5:10] = 0
    labels[10:, 9:14] = 1
    found = about(say(labels, {0: 1.0, 1: 0.9, 2: 1e-6}), "one pixel wide")
    assert "labels 0, 1 " in found[0]


def test_in_a_volume_the_contact_is_judged_in_space():
    labels = np.zeros((9, 9, 9))
    labels[4] = 1
    labels[4, 4, 4:6] = 0
    assert about(say(labels, {0: 1.0, 1: 0.0}, "z"), "one pixel wide")
    labels[4, 3:5, 4:6] = 0
    assert not about(say(labels, {0: 1.0, 1: 0.0}, "z"), "one pixel wide")


@pytest.mark.parametrize(("width", "told"), [(1, True), (2, True), (3, False)])
def test_layers_thinner_than_three_pixels(width, told):
    labels = np.zeros((30, 20))
    labels[12 : 12 + width] = 1
    found = about(say(labels, {0: 1.0, 1: 0.1}), "thinner than 3")
    assert len(found) == told
    if told:
        assert "100% of label 1" in found[0]
        assert "--interface" in found[0]


def test_a_few_thin_places_are_not_worth_a_word():
    labels = np.zeros((30, 30))
    labels[5:20, 5:20] = 1
    labels[20, 8:18] = 1  # 10 of 235 pixels
    assert not about(say(labels, {0: 1.0, 1: 0.1}), "thinner than 3")


@pytest.mark.parametrize(("other", "count"), [(0.0, 1), (0.009, 1), (0.02, 0)])
def test_corner_contacts_of_good_conductors(other, count):
    labels = np.zeros((12, 12))
    labels[:6, 6:] = labels[6:, :6] = 1
    found = about(say(labels, {0: 1.0, 1: other}), "corner contact")
    assert len(found) == count
    if count:
        assert found[0].startswith("1 corner contact ")
        assert ("between pores carries nothing" if other == 0 else "--target-gap") in found[0]


def test_corner_contacts_in_space_are_edges():
    sigma = np.zeros((2, 2, 2))
    sigma[0, 0] = sigma[1, 1] = 1.0  # two bars along x that touch along an edge of two voxels
    assert corner_contacts(sigma, over_pores=True) == 2
    assert corner_contacts(sigma + 1e-4, over_pores=False) == 2
    assert corner_contacts(np.ones((3, 3, 3)), over_pores=False) == 0
