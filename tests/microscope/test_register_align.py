"""Drift that was put in comes out, under noise, repeats, gaps and bad frames."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft, ndimage

from ssbray.errors import InputError
from ssbray.microscope.register import align, average
from ssbray.microscope.register_solve import solve
from ssbray.rng import stream

SIZE, WIDE = 160, 320


def scene(seed):
    """Patches of four brightnesses, softened so that moving them through their Fourier series is exact."""
    noise = ndimage.gaussian_filter(stream(seed, "scene").standard_normal((WIDE, WIDE)), 10, mode="wrap")
    levels = np.array([0.1, 0.65, 1.0, 1.27])[np.digitize(noise, np.quantile(noise, [0.15, 0.4, 0.85]))]
    return ndimage.gaussian_filter(levels, 2, mode="wrap")


def lattice(period):
    y, x = np.mgrid[:WIDE, :WIDE]
    return 2 + np.cos(2 * np.pi * y / period) + np.cos(2 * np.pi * (0.5 * y + 0.866 * x) / period)


def shoot(picture, drift, dose=np.inf, seed=0):
    """Frames of the middle of a picture, drifted by `drift`, with so many electrons per pixel where it is 1."""
    spectrum = fft.rfft2(picture)
    y, x = fft.fftfreq(WIDE)[:, None], fft.rfftfreq(WIDE)[None]
    middle = slice((WIDE - SIZE) // 2, (WIDE + SIZE) // 2)
    moved = [fft.irfft2(spectrum * np.exp(-2j * np.pi * (y * v + x * u)), s=picture.shape)[middle, middle]
             for v, u in drift]
    frames = np.maximum(np.array(moved), 0)
    return stream(seed, "shot").poisson(frames * dose).astype(np.float32) if np.isfinite(dose) else frames


def walk(n, seed=0, step=1.0):
    drift = np.cumsum(stream(seed, "walk").normal(0.4, step, (n, 2)), axis=0)
    return drift - drift[0]


@pytest.mark.parametrize(("dose", "rms", "worst"), [(np.inf, 0.02, 0.05), (100, 0.05, 0.12), (20, 0.1, 0.25)])
def test_drift_is_found_below_a_tenth_of_a_pixel(dose, rms, worst):
    drift = walk(8)
    found = align(shoot(scene(0), drift, dose))
    error = found.shifts - drift
    assert found.outliers == ()
    assert np.sqrt(np.mean(error ** 2)) < rms, error
    assert np.abs(error).max() < worst


def test_shift_is_where_things_went():
    """Down and to the right in the array is positive, and whole pixels are exact."""
    picture = scene(1)
    frames = np.array([picture[80:240, 80:240], picture[77:237, 85:245]])  # what was at 80, 80 is now at 3, -5
    assert np.allclose(align(frames).shifts, [[0, 0], [3, -5]], atol=1e-9)


def test_residual_tells_the_noise():
    drift = walk(6)
    quiet, loud = (align(shoot(scene(0), drift, dose)).residual for dose in (300, 10))
    assert (quiet < 0.1).all()
    assert (loud > quiet).all()


@pytest.mark.parametrize("bad", [0, 4])
def test_frames_that_show_something_else_are_named(bad):
    drift = walk(9)
    frames = shoot(scene(0), drift, 100)
    frames[bad] = shoot(scene(7), drift[:1], 100)[0]
    found = align(frames)
    assert found.outliers == (bad,)
    assert np.isnan(found.shifts[bad]).all()
    assert found.reference == (1 if bad == 0 else 0)
    good = np.arange(9) != bad
    assert np.abs((found.shifts - drift + drift[found.reference])[good]).max() < 0.15


def test_a_jump_is_followed_where_it_is_plausible():
    drift = walk(8, step=0.3)
    drift[4:] += (11.3, -9.6)
    assert np.abs(align(shoot(scene(0), drift, 100)).shifts - drift).max() < 0.15


def test_a_lattice_is_not_taken_for_its_neighbour():
    """Both repeats fit equally well: only the plausible one is right."""
    drift = walk(6, step=0.5)
    found = align(shoot(lattice(8.0), drift, 50), max_step_px=3.0)
    assert np.abs(found.shifts - drift).max() < 0.1


def test_missing_pixels_do_not_pull():
    drift = walk(6)
    frames = shoot(scene(0), drift, 100).astype(np.float64)
    frames[:, stream(0, "holes").random((SIZE, SIZE)) < 0.02] = np.nan  # at the same place in all: as on a detector
    assert np.abs(align(frames).shifts - drift).max() < 0.2


def test_brightness_and_offset_do_not_matter():
    drift = walk(5)
    frames = shoot(scene(0), drift, 100)
    other = frames * np.array([1, 3, 0.5, 7, 1])[:, None, None] + np.array([0, 1e3, -50, 4, 9])[:, None, None]
    assert np.abs(align(other).shifts - drift).max() < 0.15


def test_one_frame_has_no_drift():
    found = align(shoot(scene(0), [(0, 0)]))
    assert found.shifts.tolist() == [[0, 0]]
    assert found.outliers == ()


@pytest.mark.parametrize(("stack", "field"), [
    (np.zeros((3, 4)), "stack"), (np.zeros((3, 4, 4)), "stack"), (np.zeros((0, 64, 64)), "stack"),
    (np.stack([scene(0), np.full((WIDE, WIDE), 3.0)]), "stack[1]"), (np.full((2, 64, 64), np.nan), "stack[0]")])
def test_what_cannot_be_aligned_is_refused(stack, field):
    with pytest.raises(InputError) as caught:
        align(stack)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan, 1000.0])
def test_an_impossible_step_is_refused(step):
    with pytest.raises(InputError, match="max_step_px"):
        align(shoot(scene(0), walk(2)), max_step_px=step)


def test_frames_without_a_common_field_are_refused():
    picture = np.tile(scene(0), (1, 2))
    frames = np.array([picture[:128, 30 * i:30 * i + 128] for i in range(6)])
    with pytest.raises(InputError, match="share a field"):
        align(frames, max_step_px=40)


def test_positions_from_pairs_are_exact_and_robust():
    truth = stream(0, "truth").normal(0, 5, (6, 2))
    truth -= truth[0]
    first, second = np.array([(a, b) for a in range(6) for b in range(a + 1, 6)]).T
    between = truth[second] - truth[first]
    assert np.allclose(solve(first, second, between, 6)[0], truth, atol=1e-9)
    between[[2, 9]] += (40.0, -30.0)
    assert np.allclose(solve(first, second, between, 6)[0], truth, atol=0.02)


def test_average_does_not_wrap_and_counts():
    """Whole shifts of a ramp: the mean is the ramp wherever a frame has been, and NaN elsewhere."""
    ramp = np.add.outer(100.0 * np.arange(20), np.arange(30))
    shifts = np.array([[0, 0], [2, 0], [0, -3]])
    frames = np.array([np.pad(ramp, 5, constant_values=-1e6)[5 - v:25 - v, 5 - u:35 - u] for v, u in shifts])
    frames[frames == -1e6] = np.nan
    mean = average(frames, shifts)
    seen = np.isfinite(mean.image)
    assert seen.all()  # frame 0 saw all of it
    assert np.allclose(mean.image, ramp)
    count = np.full((20, 30), 3)
    count[18:] -= 1
    count[:, :3] -= 1
    assert np.array_equal(mean.count, count)
    assert mean.field == (slice(0, 18), slice(3, 30))
    assert mean.common.shape == (18, 27)
    assert (mean.count[mean.field] == 3).all()


def test_average_of_noisy_frames_is_the_scene():
    drift = walk(16)
    frames = shoot(scene(0), drift, 30)
    mean = average(frames, align(frames).shifts)
    truth = shoot(scene(0), [(0, 0)])[0] * 30
    error = (mean.image - truth)[mean.field]
    assert np.sqrt(np.mean(error ** 2)) < 1.25 * np.sqrt(truth.mean() / 16)
    blurred = frames.mean(axis=0) - truth
    assert np.mean(error ** 2) < 0.5 * np.mean(blurred[mean.field] ** 2)


def test_average_leaves_out_what_has_no_place():
    frames = np.ones((3, 20, 20)) * np.array([1.0, 100.0, 3.0])[:, None, None]
    frames[0, 4, 5] = np.nan
    mean = average(frames, np.array([[0, 0], [np.nan, np.nan], [0, 0]]))
    assert mean.image[4, 5] == 3
    assert mean.count[4, 5] == 1
    assert np.delete(mean.image.ravel(), 4 * 20 + 5) == pytest.approx(2)


@pytest.mark.parametrize("shifts", [np.zeros((2, 2)), np.zeros(3), np.full((3, 2), np.nan), np.array(
    [[0, 0], [0, 15], [0, -15]])])
def test_shifts_that_do_not_fit_are_refused(shifts):
    with pytest.raises(InputError, match="shifts"):
        average(np.ones((3, 20, 20)), shifts)
