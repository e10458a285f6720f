from dataclasses import replace

import numpy as np
import pytest

from ssbray.specimen.interface import Modes, draw_interface


def drawn(seed=1, **changes):
    given = {"size_nm": (1200.0, 800.0), "position": 0.57, "rms_nm": 20.0, "length_nm": 150.0, "contact_fraction": 0.6,
             "gap_length_nm": 80.0, "gap_thickness_nm": 20.0}
    return draw_interface(seed, **{**given, **changes})


def test_roughness_has_the_rms_and_the_correlation_length_asked_for():
    x = np.linspace(0, 6000, 600, endpoint=False)
    heights = np.array([drawn(seed, size_nm=(6000.0, 800.0)).height(x) for seed in range(300)])
    assert np.sqrt((heights**2).mean()) == pytest.approx(20, rel=0.05)
    lag = 15  # samples of 10 nm: one correlation length
    correlation = (heights * np.roll(heights, lag, axis=1)).mean() / (heights**2).mean()
    of_no_mean = np.sqrt(np.pi) * 150 / 6000  # the share of the mean over the width, which is taken out
    assert correlation == pytest.approx((np.exp(-1) - of_no_mean) / (1 - of_no_mean), abs=0.03)


def test_a_narrow_specimen_is_no_steeper_than_a_wide_one():
    x = np.linspace(0, 100, 50)
    slope = [np.abs(drawn(seed, size_nm=(100.0, 800.0)).height.slope(x)).mean() for seed in range(50)]
    wide = [np.abs(drawn(seed).height.slope(x)).mean() for seed in range(50)]
    assert np.mean(slope) == pytest.approx(np.mean(wide), rel=0.25)


def test_distance_to_a_sine_is_that_of_a_fine_search():
    line = replace(drawn(), height=Modes(period_nm=400.0, cosine=np.array([0.0]), sine=np.array([30.0])), mean_nm=0.0)
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 400, 60), rng.uniform(-60, 60, 60)
    fine = np.linspace(-200, 600, 400_001)
    curve = 30 * np.sin(2 * np.pi * fine / 400)
    distance, foot = line.distance(x, y)
    for k in range(60):
        exact = np.hypot(fine - x[k], curve - y[k])
        sign = 1 if y[k] < 30 * np.sin(2 * np.pi * x[k] / 400) else -1
        assert distance[k] == pytest.approx(sign * exact.min(), abs=0.05)
        assert np.hypot(foot[k] - x[k], line.y(foot[k:k + 1])[0] - y[k]) == pytest.approx(exact.min(), abs=0.05)


def test_arc_length_of_a_tilted_wave():
    line = replace(drawn(), height=Modes(period_nm=400.0, cosine=np.array([0.0]), sine=np.array([30.0])))
    x = np.linspace(0, 400, 100_001)
    chords = np.hypot(np.diff(x), np.diff(30 * np.sin(x * np.pi / 200)))
    assert line.arc_length_nm() == pytest.approx(chords.sum(), rel=1e-6)


@pytest.mark.parametrize("contact", [0.05, 0.3, 0.64, 0.98])
def test_the_share_of_contact_is_that_of_the_arc(contact):
    line = drawn(contact_fraction=contact)
    x = np.linspace(0, 1200, 50_000, endpoint=False)
    closed = line.opening(x, 0.0) == 0
    assert np.average(closed, weights=np.sqrt(1 + line.height.slope(x) ** 2)) == pytest.approx(contact, abs=1e-3)


def test_full_contact_has_no_gap():
    assert (drawn(contact_fraction=1.0).opening(np.linspace(0, 1200, 999), 8.0) == 0).all()


def test_gaps_only_widen_as_contact_falls():
    x = np.linspace(0, 1200, 5000)
    more, less = drawn(contact_fraction=0.7).opening(x, 4.0), drawn(contact_fraction=0.5).opening(x, 4.0)
    assert (less[more > 0] > 0).all()
    assert (less >= more).all()
