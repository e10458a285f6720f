"""Counting, gain and what a detector adds."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray.microscope.rendering import detector
from ssbray.microscope.rendering.fields import blurred
from ssbray.rng import stream
from tests.microscope.quiet import settings

FLAT = np.full((400, 500), 0.05, dtype=np.float32)
FULL = 2**16 - 1
DOSE = 6.241509e18 * 100e-12 * 10e-6  #: electrons per pixel of `settings`


def test_electrons_of_a_beam():
    assert detector.electrons(200, 400) == pytest.approx(4.993e5, rel=1e-3)
    assert detector.electrons(100, 10) == pytest.approx(DOSE)


def test_poisson_variance_equals_the_mean():
    found = detector.counted(np.full((400, 500), 7.3, dtype=np.float32), stream(1, "test"))
    assert found.mean() == pytest.approx(7.3, rel=0.01)
    assert found.var() == pytest.approx(7.3, rel=0.02)


def test_a_flat_image_has_the_exposure_and_the_noise_of_its_dose():
    found = detector.digitised(FLAT, settings(), 1, "haadf")
    gain = 0.7 * FULL / (0.05 * DOSE)
    assert found.mean() == pytest.approx(0.8 * FULL, rel=2e-3)
    assert found.var() == pytest.approx(gain**2 * 0.05 * DOSE, rel=0.02)
    assert (found == np.rint(found)).all()


@pytest.mark.parametrize(("more", "factor"), [({"image_current_pA": 400}, 4), ({"image_dwell_us": 40}, 4),
                                              ({"detector_efficiency": 0.25}, 0.25)])
def test_signal_to_noise_grows_with_the_root_of_what_is_counted(more, factor):
    def ratio(made):
        found = detector.digitised(FLAT, made, 1, "haadf") - 0.1 * FULL
        return found.mean() / found.std()

    assert ratio(settings(**more)) / ratio(settings()) == pytest.approx(np.sqrt(factor), rel=0.02)


def test_afterglow_is_an_exponential_along_the_row_that_keeps_the_mean():
    impulse = np.zeros((3, 60), dtype=np.float32)
    impulse[1, 20] = 1
    found = detector.afterglow(impulse, settings(image_dwell_us=10, afterglow_us=10))
    assert found[1, 20:24] == pytest.approx((1 - np.exp(-1)) * np.exp(-np.arange(4)), rel=1e-5)
    assert found.sum() == pytest.approx(1, rel=1e-5)
    assert (found[1, :20] == 0).all()
    flat = np.full((3, 60), 5, dtype=np.float32)
    assert detector.afterglow(flat, settings(afterglow_us=30)) == pytest.approx(flat)


def test_lines_flicker_as_a_whole():
    found = detector.digitised(FLAT, settings(line_gain_std=0.02, image_current_pA=1e7), 1, "haadf") - 0.1 * FULL
    rows = found.mean(axis=1)
    assert rows.std() / rows.mean() == pytest.approx(0.02, rel=0.15)
    assert found[7].std() / rows[7] < 0.005


def test_too_much_gain_saturates_and_few_bits_are_coarse():
    half = np.hstack([FLAT, FLAT / 4])
    assert (detector.digitised(half, settings(exposure=2.0), 1, "haadf")[:, :500] == FULL).mean() > 0.99
    found = detector.digitised(half, settings(bits=3), 1, "haadf")
    assert set(np.unique(found)) <= set(range(8))
    assert found[:, :500].mean() > 4 > found[:, 500:].mean()


def test_detectors_and_seeds_have_noise_of_their_own():
    a = detector.digitised(FLAT, settings(), 1, "haadf")
    assert (a == detector.digitised(FLAT, settings(), 1, "haadf")).all()
    for other in (detector.digitised(FLAT, settings(), 2, "haadf"), detector.digitised(FLAT, settings(), 1, "bf")):
        assert abs(np.corrcoef(a.ravel(), other.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("fwhm_px", [5.0, 12.0])
def test_a_step_is_blurred_to_the_stated_width(fwhm_px):
    """From 11.9 % to 88.1 % of an edge there is one full width at half maximum of the Gaussian: erf(sqrt(ln 2))."""
    step = (np.arange(200) >= 100).astype(np.float32)[None, :].repeat(3, axis=0)
    row = blurred(step, fwhm_px)[1]
    low, high = np.interp([0.11945, 0.88055], row, np.arange(200))
    assert high - low == pytest.approx(fwhm_px, rel=0.03)
    assert blurred(step, 0.0) is step
