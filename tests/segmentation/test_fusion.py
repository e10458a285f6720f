"""Regions are told apart by all of their counts together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssbray import rng
from ssbray.domain import Micrograph
from ssbray.segmentation import Segmentation
from ssbray.segmentation.fusion import Composition, class_counts, fused, learn
from ssbray.segmentation.net import HEADS

ELEMENTS = ("La", "Zr", "Ni")
SHARES = np.array([[0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.02, 0.02, 0.96]])
LEARNT = Composition(elements=ELEMENTS, shares=np.maximum(SHARES, 1e-3), concentration=np.full(3, 2e4))


def scene(kind, rate, belief, size=40, grid=1, seed=0):
    """A square of class `kind` in class 2, with `rate` counts per pixel; the net believes `belief` of the square."""
    inside = np.zeros((64, 64), dtype=bool)
    inside[12 : 12 + size, 12 : 12 + size] = True
    random = rng.stream(seed, "scene")
    truth = np.where(inside, kind, 2)
    coarse = truth[grid // 2 :: grid, grid // 2 :: grid]
    eds = {name: random.poisson(rate * grid**2 * SHARES[coarse, k]).astype(np.float32)
           for k, name in enumerate(ELEMENTS)}
    share = np.where(inside, np.array(belief)[:, None, None], np.array([0.0, 0.0, 1.0])[:, None, None])
    found = Segmentation(classes=("a", "b", "c"), probability=share.astype(np.float32), nets=1, calibrated=True,
                         doubt=np.zeros((64, 64), np.float32), pixel_size_nm=1.0,
                         heads={name: np.zeros((64, 64), np.float16) for name in HEADS})
    return found, Micrograph(images={"haadf": np.zeros((64, 64), np.float32)}, eds=eds, pixel_size_nm=1.0), inside


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("grid", [1, 4])
def test_a_large_region_is_decided_by_its_counts(kind, grid):
    found, image, inside = scene(kind, 1.0, (0.5, 0.5, 0.0), grid=grid)
    after = fused(found, image, LEARNT)
    assert after.probability[kind][inside].min() > 0.94  # twenty to one, and no more
    assert np.array_equal(after.probability[2][~inside], found.probability[2][~inside])
    assert after.probability.sum(axis=0) == pytest.approx(1, abs=1e-5)


def test_few_counts_change_little():
    found, image, inside = scene(0, 0.02, (0.5, 0.5, 0.0), size=20)
    after = fused(found, image, LEARNT)
    assert np.array_equal(after.probability, found.probability)


def test_the_odds_are_those_of_bayes():
    """With a steady composition the odds are prior odds times the multinomial likelihood ratio."""
    found, image, inside = scene(1, 0.05, (0.7, 0.3, 0.0), seed=2)
    core = np.zeros_like(inside)
    core[14:50, 14:50] = True  # two pixels from the edge
    steady = Composition(elements=ELEMENTS, shares=LEARNT.shares, concentration=np.full(3, 1e9))
    after = fused(found, image, steady)
    counts = np.array([image.eds[name][core].sum() for name in ELEMENTS])
    ratio = np.exp((counts * (np.log(LEARNT.shares[0]) - np.log(LEARNT.shares[1]))).sum())
    odds = after.probability[0][inside].mean() / after.probability[1][inside].mean()
    assert 1 / 20 < ratio < 20
    assert odds == pytest.approx(0.7 / 0.3 * ratio, rel=1e-3)


def test_nothing_is_raised_from_nothing():
    found, image, inside = scene(1, 2.0, (1.0, 0.0, 0.0))
    assert np.array_equal(fused(found, image, LEARNT).probability, found.probability)


def test_boundaries_stay_as_vague_as_they_were():
    found, image, inside = scene(0, 1.0, (0.6, 0.4, 0.0))
    edge = found.probability.copy()
    edge[:, 12, 12:52] = np.array([0.5, 0.1, 0.4])[:, None]  # the first row of the square
    after = fused(replace(found, probability=edge), image, LEARNT).probability[:, 12, 20]
    assert after[2] / after[0] == pytest.approx(0.4 / 0.5, rel=1e-3)
    assert after[1] < 0.02


def test_an_unsteady_composition_convinces_less():
    found, image, inside = scene(1, 1.0, (0.5, 0.5, 0.0))
    loose = Composition(elements=ELEMENTS, shares=LEARNT.shares, concentration=np.full(3, 20.0))
    assert fused(found, image, loose).probability[1][inside].mean() < 0.95


@pytest.mark.parametrize("what", ["no counts", "not counts", "one map missing"])
def test_without_counts_nothing_changes(what):
    found, image, _ = scene(0, 1.0, (0.5, 0.5, 0.0))
    eds = {} if what == "no counts" else {k: v for k, v in image.eds.items() if what == "not counts" or k != "Ni"}
    bare = Micrograph(images=image.images, eds=eds, pixel_size_nm=1.0, eds_are_counts=what != "not counts")
    assert fused(found, bare, LEARNT) is found


@pytest.mark.parametrize("concentration", [50.0, 2000.0])
def test_shares_and_their_spread_are_learnt(concentration):
    random = rng.stream(1, "images")
    counts = []
    for _ in range(400):
        own = np.stack([random.dirichlet(concentration * np.maximum(row, 1e-3) / np.maximum(row, 1e-3).sum())
                        for row in SHARES])
        counts.append(np.stack([random.multinomial(20_000, row) for row in own]).astype(float))
    learnt = learn(counts, ELEMENTS)
    assert learnt.shares[0] == pytest.approx(SHARES[0], abs=0.01)
    assert learnt.concentration[:2] == pytest.approx([concentration] * 2, rel=0.2)


def test_a_class_without_counts_is_unknown_and_survives_the_card():
    learnt = learn([np.array([[30.0, 20.0], [0.0, 0.0]])], ("La", "Zr"))
    again = Composition.of(learnt.plain())
    assert np.isnan(again.shares[1]).all()
    assert again.shares[0] == pytest.approx(learnt.shares[0])


def test_counts_by_class_add_up():
    _, image, inside = scene(0, 1.0, (0.5, 0.5, 0.0), grid=2)
    counts = class_counts(image, np.where(inside, 0, 2).astype(np.uint8), 3, ELEMENTS)
    assert counts.sum() == pytest.approx(sum(float(each.sum()) for each in image.eds.values()))
    assert counts[0, 2] == 0  # no nickel where there is none: the grids agree
