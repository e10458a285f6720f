"""Windows: they take in what there is, whichever way up, and what is missing is missing together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ssbray import rng
from ssbray.segmentation import views
from ssbray.segmentation.augment import Augmentation, geometry, kept
from ssbray.segmentation.example import NOTHING, Example
from ssbray.segmentation.fit import chances
from ssbray.segmentation.inputs import Planes
from ssbray.segmentation.net import STRIDE

STILL = Augmentation(rotation=0.0, zoom=(1.0, 1.0), stretch=0.0, bend=0.0, gain=(1.0, 1.0), offset=0.0,
                     gamma=(1.0, 1.0), shading=0.0, noise=(0.0, 0.0), blur=(0.0, 0.0), stripes=0.0,
                     thinning=(1.0, 1.0), alone=0.0, drop=0.0)
SHAPE = (24, 40)


def example():
    random = rng.stream(1, "example")
    cells = tuple(side // STRIDE for side in SHAPE)
    planes = Planes(images=random.uniform(-1, 1, (2, *SHAPE)).astype(np.float32),
                    elements=random.poisson(1.0, (3, *cells)).astype(np.float32),
                    has_image=np.ones(2, np.float32), has_element=np.ones(3, np.float32))
    return Example(name="e", group="e", planes=planes, labels=random.integers(0, 2, SHAPE).astype(np.uint8),
                   grains=None, dislocations=None, sha256="")


@pytest.mark.parametrize("turned", [False, True])
def test_a_still_window_shows_every_pixel_once(turned):
    window = SHAPE[::-1] if turned else SHAPE
    for seed in range(6):
        x, y = geometry(SHAPE, window, STILL, rng.stream(seed, "still"), turned=turned).coordinates(1)
        assert x.shape == window
        seen = {(round(float(a) - 0.5, 3), round(float(b) - 0.5, 3))
                for a, b in zip(x.reshape(-1), y.reshape(-1), strict=True)}
        assert seen == {(float(column), float(row)) for row in range(SHAPE[0]) for column in range(SHAPE[1])}


def test_crops_are_parts_of_their_window():
    where = geometry(SHAPE, SHAPE, replace(STILL, bend=2.0, rotation=30.0), rng.stream(3, "bent"))
    whole = where.coordinates(1)
    part = where.coordinates(1, (4, 12), 16)
    for all_of_it, some in zip(whole, part, strict=True):
        assert torch.allclose(all_of_it[4:20, 12:28], some, atol=1e-4)


def test_batches_come_in_both_shapes_and_lose_nothing():
    pool = views.pooled(example(), 2)
    shapes = set()
    for seed in range(12):
        batch = views.draw([pool, pool], SHAPE, STILL, rng.stream(seed, "batch"), crop=16, crops=1)
        shapes.add(tuple(batch.cells.shape[2:]))
        assert torch.allclose(batch.fractions.mean(dim=(2, 3)), pool.fractions.mean(dim=(1, 2))[None], atol=1e-5)
        assert batch.pixels.shape == (2, 4, 16, 16)
        (k, row, column), *_ = batch.corners  # the crop is where it says: its average is the cell's image
        mean = torch.nn.functional.avg_pool2d(batch.pixels[:1, :2], STRIDE)[0]
        assert torch.allclose(mean, batch.cells[k, :2, row : row + 4, column : column + 4], atol=1e-4)
    assert shapes == {(6, 10), (10, 6)}
    upright = replace(STILL, any_way_up=False)
    assert {tuple(views.draw([pool], SHAPE, upright, rng.stream(seed, "batch")).cells.shape[2:])
            for seed in range(8)} == {(6, 10)}


def test_specimens_come_equally_often_and_rare_classes_more_often():
    def one(group, label):
        return views.pooled(replace(example(), group=group, labels=np.full(SHAPE, label, np.uint8)), 2)

    chance = chances([one("a", 0), one("a", 0), one("a", 0), one("b", 0)])
    assert chance == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    chance = chances([one("a", 0), one("b", 0), one("c", 0), one("d", 1)])
    assert chance[3] == pytest.approx(3**0.5 * chance[0])
    assert chance.sum() == pytest.approx(1)
    chance = chances([one("a", 0), one("b", 0), one("c", 0), *(one("d", 1) for _ in range(5)), one("d", NOTHING)])
    assert chance[3:8].sum() == pytest.approx(3**0.5 * chance[0]), "of one specimen only, in however many images"
    assert chance[8] == 0


def test_inputs_are_missing_as_often_as_said():
    how, random = Augmentation(alone=0.2, drop=0.3), rng.stream(0, "kept")
    rows = []
    for _ in range(4000):
        images, elements = kept(torch.ones(2), torch.ones(3), how, random)
        assert images[0] == 1
        assert elements.unique().numel() == 1
        rows.append((float(images[1]), float(elements[0])))
    share = {case: rows.count(case) / len(rows) for case in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))}
    assert share[1.0, 1.0] == pytest.approx(0.8 * 0.49, abs=0.03)
    assert share[1.0, 0.0] == pytest.approx(0.8 * 0.21, abs=0.03)
    assert share[0.0, 1.0] == pytest.approx(0.8 * 0.21, abs=0.03)
    assert share[0.0, 0.0] == pytest.approx(0.2 + 0.8 * 0.09, abs=0.03)


def test_the_first_image_that_is_there_is_never_taken():
    images, _ = kept(torch.tensor([0.0, 1.0, 1.0]), torch.zeros(0), Augmentation(alone=1.0), rng.stream(0, "kept"))
    assert images.tolist() == [0.0, 1.0, 0.0]
