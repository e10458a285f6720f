"""Scores and calibration on cases that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ssbray import rng
from ssbray.segmentation.calibrate import averaged, scaling
from ssbray.segmentation.example import NOTHING, beside, targets
from ssbray.segmentation.instances import grains
from ssbray.segmentation.scores import Tally, contour


def test_iou_of_two_overlapping_rectangles():
    truth, found = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    truth[:, :5], found[:, 2:7] = 1, 1
    tally = Tally(("a", "b"))
    tally.add(found, truth)
    scores = tally.scores()
    assert scores["iou"] == {"a": 30 / 70, "b": 30 / 70}
    assert scores["mean_iou"] == pytest.approx(3 / 7)


def test_tallies_of_parts_add_up_to_that_of_the_whole():
    random = rng.stream(0, "tallies")
    parts, whole = [], Tally(("a", "b"))
    for _ in range(3):
        found, truth = random.integers(0, 2, (2, 12, 12)).astype(np.uint8)
        share = random.dirichlet((1, 1), (12, 12)).transpose(2, 0, 1)
        parts.append(Tally(("a", "b")))
        for tally in (parts[-1], whole):
            tally.add(found, truth, share)
    both, all_of_them = (parts[0] + parts[1] + parts[2]).scores(), whole.scores()
    for name, value in all_of_them.items():
        assert both[name] == pytest.approx(value), name


def test_a_class_that_never_occurs_has_no_score():
    tally = Tally(("a", "b", "c"))
    tally.add(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))
    assert tally.scores()["iou"] == {"a": 1.0, "b": None, "c": None}
    assert tally.scores()["mean_iou"] == 1.0


@pytest.mark.parametrize(("shift", "f1"), [(0, 1.0), (2, 1.0), (3, 0.0)])
def test_boundary_f1_of_a_straight_edge(shift, f1):
    truth, found = np.zeros((20, 40), np.uint8), np.zeros((20, 40), np.uint8)
    truth[:, 20:], found[:, 20 + shift :] = 1, 1
    tally = Tally(("a", "b"), tolerance=2.0)
    tally.add(found, truth)
    assert tally.scores()["boundary_f1"] == {"a": f1, "b": f1}


def test_the_border_of_the_image_is_no_contour():
    assert not contour(np.ones((5, 7), dtype=bool)).any()


def test_unknown_pixels_do_not_count():
    truth = np.array([[0, NOTHING], [1, NOTHING]], dtype=np.uint8)
    tally = Tally(("a", "b"))
    tally.add(np.array([[0, 1], [1, 0]], dtype=np.uint8), truth, np.full((2, 2, 2), 0.5))
    assert tally.scores()["mean_iou"] == 1.0
    assert tally.confidence[:, 0].sum() == 2


def test_ece_of_a_known_gap():
    """Nine tenths sure, seven in ten right: the gap is two tenths."""
    share = np.stack([np.full((10, 10), 0.9), np.full((10, 10), 0.1)])
    truth = np.zeros((10, 10), np.uint8)
    truth[:3] = 1
    tally = Tally(("a", "b"))
    tally.add(np.zeros((10, 10), np.uint8), truth, share)
    assert tally.scores()["ece"] == pytest.approx(0.2)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_and_the_biases_that_made_the_labels_are_found(true):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4, 60_000, generator=generator)
    shift = torch.tensor([0.5, -0.5, 0.25, -0.25])
    labels = torch.multinomial((logits / true + shift[:, None]).softmax(dim=0).T, 1, generator=generator)[:, 0]
    labels[:100] = NOTHING
    heat, bias = scaling([logits], labels)
    assert heat == pytest.approx(true, rel=0.04)
    assert bias == pytest.approx(shift.tolist(), abs=0.05)


def test_a_class_that_is_not_there_keeps_finite_odds():
    logits = torch.randn(3, 500, generator=torch.Generator().manual_seed(1))
    _, bias = scaling([logits], torch.zeros(500, dtype=torch.long))
    assert all(abs(value) <= 4.0 for value in bias)


def test_averaged_probabilities_are_the_mean():
    logits = [torch.tensor([[0.0], [0.0]]), torch.tensor([[math.log(3.0)], [0.0]])]
    assert averaged(logits, 1.0)[:, 0].tolist() == pytest.approx([(0.5 + 0.75) / 2, (0.5 + 0.25) / 2])


def test_targets_of_two_grains_beside_a_pore():
    labels, numbers = np.zeros((9, 12), np.uint8), np.ones((9, 12), np.int32)
    numbers[:, 6:] = 2
    labels[:, 10:], numbers[:, 10:] = 1, 0
    grain, phase, pore, dislocation, distance = targets(labels, numbers, None, pore=1)
    assert grain.sum(axis=0).tolist() == [0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0, 0]
    assert phase.sum(axis=0).tolist() == [0] * 9 + [9, 9, 0]
    assert pore[:, 10:].all()
    assert not pore[:, :10].any()
    assert np.isnan(dislocation).all()
    assert distance[0, :6].tolist() == pytest.approx([5 / 16, 4 / 16, 3 / 16, 2 / 16, 1 / 16, 0])


def test_beside_marks_both_sides():
    assert beside(np.array([[1, 1, 2]])).tolist() == [[False, True, True]]


@pytest.mark.parametrize("cells", [1, 4, 9])
def test_grains_of_a_drawn_net_of_lines(cells):
    """Squares parted by lines three pixels wide come back, whatever is beside them."""
    side = int(math.isqrt(cells))
    line = np.zeros((90, 90), dtype=np.float32)
    for k in range(1, side):
        at = 90 * k // side
        line[at - 1 : at + 2], line[:, at - 1 : at + 2] = 0.9, 0.9
    labels = np.zeros((90, 100), np.uint8)
    labels[:, 90:] = 1
    found = grains(np.pad(line, ((0, 0), (0, 10))), labels, phases=[0])
    assert not found[:, 90:].any()
    assert found.max() == cells
    centres = [90 * (2 * k + 1) // (2 * side) for k in range(side)]
    assert len({int(found[y, x]) for y in centres for x in centres}) == cells


def test_a_faint_line_parts_nothing():
    line = np.zeros((40, 60), dtype=np.float32)
    line[:, 29:31] = 0.3
    assert grains(line, np.zeros((40, 60), np.uint8), [0]).max() == 1


def test_noise_does_not_break_a_grain():
    line = (0.4 * rng.stream(0, "noise").random((64, 64))).astype(np.float32)
    line[20:22, 30:33] = 0.8  # a speck
    assert grains(line, np.zeros((64, 64), np.uint8), [0]).max() == 1
