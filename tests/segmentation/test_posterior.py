"""Maps drawn from the posterior: every pixel has its own probabilities, neighbours agree."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray import rng
from ssbray.segmentation import Segmentation
from ssbray.segmentation.net import HEADS
from ssbray.segmentation.posterior import gumbel, samples


def segmentation(share):
    shape = share.shape[1:]
    return Segmentation(classes=tuple("abc"[: len(share)]), probability=share.astype(np.float32),
                        doubt=np.zeros(shape, np.float32), heads={name: np.zeros(shape, np.float16) for name in HEADS},
                        pixel_size_nm=1.0, calibrated=True, nets=1)


@pytest.mark.parametrize("correlation", [0.0, 1.0, 3.0, 10.0, 25.0])
def test_the_field_is_gumbel_at_every_pixel(correlation):
    rows, columns = np.mgrid[5:60:7, 3:70:7].reshape(2, -1)
    values = np.concatenate([gumbel((70, 80), rows, columns, correlation, rng.stream(k, "field")) for k in range(600)])
    # mean: Euler's constant; variance: pi^2 / 6
    slack = 6 * np.pi / np.sqrt(6 * len(values) / max(1.0, len(rows) if correlation > 5 else correlation**2))
    assert values.mean() == pytest.approx(0.5772, abs=slack)
    assert values.var() == pytest.approx(np.pi**2 / 6, rel=0.15)


def test_interpolated_noise_keeps_its_variance_between_nodes():
    from scipy.ndimage import gaussian_filter

    from ssbray.segmentation.posterior import _between, _kernel

    random = rng.stream(0, "nodes")
    nodes = gaussian_filter(random.standard_normal((1500, 1500)), 3.0, mode="wrap") / _kernel(3.0)[0]
    for part in (0.0, 0.25, 0.5):
        y, x = (np.arange(1, 1400) + part for _ in range(2))
        grid = np.meshgrid(y, x, indexing="ij")
        value = _between(nodes.astype(np.float32), grid[0].ravel(), grid[1].ravel(), _kernel(3.0)[1])
        assert value.std() == pytest.approx(1.0, abs=0.03)


def test_each_pixel_has_its_own_probabilities():
    share = np.array([0.15, 0.6, 0.25])[:, None, None] * np.ones((3, 24, 24))
    count = np.zeros(3)
    for labels in samples(segmentation(share), 400, correlation_px=4.0, seed=1):
        count += np.bincount(labels.ravel(), minlength=3)
    assert count / count.sum() == pytest.approx([0.15, 0.6, 0.25], abs=0.03)


def test_what_is_sure_stays():
    share = np.zeros((2, 10, 10))
    share[0, :, :5], share[1, :, 5:] = 1.0, 1.0
    share[0, :, 6], share[1, :, 6] = 0.001, 0.999  # below what a calibration set can vouch for
    found = segmentation(share)
    assert all(np.array_equal(labels, found.labels) for labels in samples(found, 5, correlation_px=3.0, seed=0))


def test_neighbours_agree_over_the_correlation_length():
    share = np.full((2, 128, 128), 0.5)

    def agreement(correlation, lag):
        found = list(samples(segmentation(share), 6, correlation_px=correlation, seed=3))
        return np.mean([(labels[:, lag:] == labels[:, :-lag]).mean() for labels in found])

    assert agreement(10.0, 3) > 0.85
    assert agreement(1.0, 6) == pytest.approx(0.5, abs=0.04)


def test_the_same_seed_gives_the_same_maps_and_more_of_them_begin_alike():
    share = np.full((2, 32, 32), 0.5)
    first = list(samples(segmentation(share), 2, correlation_px=4.0, seed=7))
    again = list(samples(segmentation(share), 4, correlation_px=4.0, seed=7))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=False))
    assert not np.array_equal(again[0], again[1])
