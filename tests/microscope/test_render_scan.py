"""Scan faults, each alone and in pixels that are known."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray.microscope.rendering import scan
from tests.microscope.quiet import settings


def marker(shape, at):
    image = np.zeros(shape, dtype=np.float32)
    image[at] = 1
    return image


def test_no_fault_changes_nothing():
    image = np.random.default_rng(1).random((20, 30)).astype(np.float32)
    path = scan.draw_scan(image.shape, 2.0, settings(), seed=1)
    assert path.record(image) is image
    assert (path.nearest() == np.arange(600).reshape(20, 30)).all()


def test_drift_moves_a_marker_by_velocity_times_time():
    """40 rows below the middle, at 1.2 ms a row and 100 nm/s: 4.8 nm, or 2.4 pixels of 2 nm."""
    shape = (161, 100)
    made = settings(drift_nm_per_s=100, image_dwell_us=10, flyback_us=200)
    assert scan.line_time_s(100, made) == pytest.approx(1.2e-3)
    path = scan.draw_scan(shape, 2.0, made, seed=3)
    row = 80 + 40
    shift = np.array([path.row_y[row], path.row_x[row]])
    assert np.hypot(*shift) == pytest.approx(2.4)
    assert (path.row_y[80], path.row_x[80]) == (0, 0)
    seen = path.record(marker(shape, (row, 50)))
    y, x = np.indices(shape)
    mass = seen.sum()
    # a point at rest in the specimen appears where position + displacement equals its own place
    assert (seen * y).sum() / mass == pytest.approx(row - shift[0], abs=0.6)
    assert (seen * x).sum() / mass == pytest.approx(50 - shift[1], abs=0.1)


def test_drift_with_acceleration_is_a_parabola():
    time = np.array([-2.0, 0.0, 1.0, 2.0])
    y, x = scan.drift(time, settings(drift_nm_per_s2=3.0), seed=1)
    assert np.hypot(y, x) == pytest.approx([6, 0, 1.5, 6])


def test_jitter_has_its_rms_and_its_memory():
    found = scan.jitter(40_000, settings(jitter_px=0.5, jitter_correlation=0.7), seed=2)
    assert found.std() == pytest.approx(0.5, rel=0.03)
    assert np.corrcoef(found[1:], found[:-1])[0, 1] == pytest.approx(0.7, abs=0.02)
    assert np.corrcoef(found[3:], found[:-3])[0, 1] == pytest.approx(0.7**3, abs=0.03)


def test_hum_has_the_mains_frequency():
    """At 1 ms a row, 50 Hz repeats every 20 rows."""
    time = np.arange(400) * 1e-3
    found = scan.hum(time, settings(hum_px=0.3, mains_Hz=50), seed=2)
    assert np.argmax(np.abs(np.fft.rfft(found))) == 20
    assert found.max() == pytest.approx(0.3, rel=0.02)
    assert found[20:] == pytest.approx(found[:-20], abs=1e-9)


def test_flyback_stretches_the_start_of_the_rows():
    found = scan.flyback(100, settings(flyback_px=2.0, flyback_length_px=10))
    assert found[0] == 2.0
    assert found[10] == pytest.approx(2 / np.e)
    assert found[60] < 0.01


def test_labels_and_image_are_moved_alike():
    """A step in the image and its label, under every fault at once, stay together within half a pixel."""
    shape = (200, 160)
    loud = settings(drift_nm_per_s=60, drift_nm_per_s2=50, jitter_px=0.6, hum_px=1, flyback_px=2)
    path = scan.draw_scan(shape, 2.0, loud, seed=8)
    label = (np.arange(160) >= 70)[None, :].repeat(200, axis=0)
    image = path.record(label.astype(np.float32))
    seen = label.ravel()[path.nearest()]
    assert not (seen == label).all()
    assert (np.abs(image - seen) <= 0.5 + 1e-6).all()
