"""Maps that were taken a little off are found and brought back, or left alone where nobody can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.microscope.register import eds_shift, synchronise
from ssbray.rng import stream

SIZE, WIDE, PIXEL_NM = 192, 320, 2.0
BRIGHTNESS = np.array([0.05, 1.0, 0.65, 1.27])  #: pore, LLZO, NMC811, La2Zr2O7
LINES = {"La": (0, 0.42, 0, 0.55), "Zr": (0, 0.27, 0, 0.36), "O": (0, 0.51, 0.3, 0.45), "Ni": (0, 0, 0.48, 0)}


def phases(seed):
    noise = ndimage.gaussian_filter(stream(seed, "phases").standard_normal((WIDE, WIDE)), 8)
    return np.digitize(noise, np.quantile(noise, [0.1, 0.6, 0.9]))


def micrograph(shift, counts, k=1, seed=0, labels=None, size=SIZE):
    """`shift` in pixels of the image; `counts` per pixel of the image, all elements together."""
    labels = phases(seed) if labels is None else labels
    rng, begin = stream(seed, "shot", str(shift), str(counts), k), (WIDE - size) // 2
    middle = np.s_[begin:begin + size, begin:begin + size]
    haadf = ndimage.gaussian_filter(BRIGHTNESS[labels], 1.0)[middle]
    clean = {element: np.maximum(ndimage.shift(ndimage.gaussian_filter(np.array(line)[labels], 1.5), shift), 0)[middle]
             for element, line in LINES.items()}
    scale = counts / sum(each.mean() for each in clean.values())
    h = size // k
    eds = {element: rng.poisson(each[:h * k, :h * k].reshape(h, k, h, k).sum(axis=(1, 3)) * scale).astype(np.float32)
           for element, each in clean.items()}
    return Micrograph(images={"haadf": rng.poisson(haadf * 300).astype(np.float32)}, pixel_size_nm=PIXEL_NM, eds=eds,
                      metadata={"sample": "A"})


@pytest.mark.parametrize(("counts", "k", "tolerance"), [
    (100, 1, 0.15), (2, 1, 0.5), (0.1, 1, 1.5), (100, 2, 0.2), (2, 4, 0.6), (0.5, 3, 1.0)])
def test_the_shift_is_found_with_its_error(counts, k, tolerance):
    """To `tolerance` pixels of the image, on maps as fine as it or binned k by k."""
    shift = np.array([4.3, -2.7])
    found = eds_shift(micrograph(tuple(shift), counts, k))
    assert found.significant, found.reason
    assert found.reason is None
    error = found.shift_nm / PIXEL_NM - shift
    assert np.abs(error).max() < tolerance
    assert (np.abs(error) < 4 * found.standard_error_nm / PIXEL_NM + 0.05).all()
    assert (found.standard_error_nm / PIXEL_NM < tolerance).all()
    assert found.counts_per_pixel == pytest.approx(counts * k ** 2, rel=0.05)


def test_standard_errors_are_honest():
    """Errors over standard errors scatter by about one, over scenes and noise."""
    pulls = []
    for seed in range(12):
        shift = stream(seed, "truth").uniform(-5, 5, 2)
        found = eds_shift(micrograph(tuple(shift), 1.0, seed=seed))
        pulls.append((found.shift_nm / PIXEL_NM - shift) / (found.standard_error_nm / PIXEL_NM))
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.5


def test_more_counts_less_error():
    errors = [eds_shift(micrograph((3, 3), counts)).standard_error_nm.max() for counts in (0.05, 0.5, 5)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


@pytest.mark.parametrize(("k", "shift"), [(1, (5, -3)), (2, (5, -3)), (4, (-7, 6)), (1, (-4.5, 0.3)), (4, (0, 9))])
def test_synchronised_maps_lie_on_the_image(k, shift):
    """Cut, never interpolated: the counts are a rectangle of those that were there, and nothing is left to find."""
    before = micrograph(shift, 100, k)
    after = synchronise(before)
    note = after.metadata["eds_registration"]
    assert note["applied"]
    assert after.metadata["sample"] == "A"
    (y, x), (h, w) = note["maps_from_px"], note["maps_size_px"]
    assert np.array_equal(after.eds["La"], before.eds["La"][y:y + h, x:x + w])
    (v, u), (height, width) = note["images_from_px"], note["images_size_px"]
    assert np.array_equal(after.haadf, before.haadf[v:v + height, u:u + width])
    assert after.shape == (k * h, k * w)
    assert height >= SIZE - abs(shift[0]) - 2 * k
    assert width >= SIZE - abs(shift[1]) - 2 * k
    assert (np.abs(note["remainder_nm"]) <= PIXEL_NM / 2 + 1e-9).all()
    left = eds_shift(after)
    assert np.abs(left.shift_nm - note["remainder_nm"]).max() < 0.25 * PIXEL_NM
    assert np.abs(left.shift_nm).max() < 0.75 * PIXEL_NM
    assert synchronise(after).metadata["eds_registration"]["before"] == note


def test_a_whole_shift_is_undone_exactly():
    """The maps are those of the same field that was not shifted, but for their noise."""
    after = synchronise(micrograph((6, -4), 400))
    (v, u) = after.metadata["eds_registration"]["images_from_px"]
    assert (v, u) == (0, 4)
    truth = micrograph((0, 0), 400).eds["La"][:SIZE - 6, 4:]
    error = after.eds["La"] - truth
    assert error.std() < 1.1 * np.sqrt(2 * truth.mean())


def test_grids_that_are_no_multiple():
    """192 pixels of image over 75 of maps: 2.56 to one."""
    whole = micrograph((4.0, -3.0), 50, size=SIZE)
    coarse = {}
    for element, counts in whole.eds.items():
        fine = np.repeat(np.repeat(counts, 25, axis=0), 25, axis=1)[:4800, :4800] / 625
        coarse[element] = fine.reshape(75, 64, 75, 64).sum(axis=(1, 3)).astype(np.float32)
    found = eds_shift(replace(whole, eds=coarse))
    assert np.abs(found.shift_nm / PIXEL_NM - [4, -3]).max() < 0.3
    after = synchronise(replace(whole, eds=coarse))
    assert np.abs(eds_shift(after).shift_nm).max() < 0.8 * PIXEL_NM
    ratio = np.array(after.shape) / np.array(after.eds["La"].shape)
    assert ratio == pytest.approx([2.56, 2.56], rel=0.01)


def test_maps_in_place_are_left_there():
    before = micrograph((0, 0), 1.0)
    after = synchronise(before)
    note = after.metadata["eds_registration"]
    assert not note["applied"]
    assert note["reason"] == "not more than its standard error allows"
    assert after.haadf is before.haadf
    assert after.eds is before.eds


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_taken_for_a_shift(seed):
    flat = {"La": stream(seed, "flat").poisson(1.0, (SIZE, SIZE)).astype(np.float32)}
    found = eds_shift(replace(micrograph((5, 5), 1.0), eds=flat))
    assert not found.significant
    assert "nothing in common" in found.reason
    assert np.isnan(found.shift_nm).all()


def test_a_strange_picture_is_not_matched():
    """Maps of another place have structure, and correlate somewhere; patches of the field do not agree how."""
    strange = [eds_shift(replace(micrograph((0, 0), 5.0), eds=micrograph((0, 0), 5.0, seed=seed).eds)).significant
               for seed in range(1, 9)]
    assert sum(strange) <= 1


def test_along_a_straight_interface_nothing_is_moved():
    """Across it the shift is plain, along it nobody can tell, and noise must not decide."""
    labels = np.where(np.arange(WIDE)[:, None] < WIDE // 2, 1, 2) * np.ones(WIDE, int)
    for seed in range(3):
        after = synchronise(micrograph((5, 0), 20, labels=labels, seed=seed))
        note = after.metadata["eds_registration"]
        if note["applied"]:
            assert note["images_size_px"][1] >= SIZE - 1
            assert abs(note["images_size_px"][0] - (SIZE - 5)) <= 1


def test_filtered_maps_are_no_counts_and_still_align():
    counts = micrograph((3, -4), 2.0)
    net = replace(counts, eds={element: ndimage.gaussian_filter(each, 1.0) for element, each in counts.eds.items()},
                  eds_are_counts=False)
    assert np.abs(eds_shift(net).shift_nm / PIXEL_NM - [3, -4]).max() < 0.5


def test_a_shift_out_of_reach_is_said_to_be():
    found = eds_shift(micrograph((14, 0), 100), reach_nm=4 * PIXEL_NM)
    assert not found.significant
    assert found.reason == "no best shift within reach"


@pytest.mark.parametrize(("change", "field"), [
    ({"images": {"bf": np.ones((SIZE, SIZE), np.float32)}}, "images"), ({"eds": {}}, "micrograph"),
    ({"eds": {"La": np.zeros((SIZE, SIZE), np.float32)}}, "micrograph"),
    ({"images": {"haadf": np.ones((SIZE, SIZE), np.float32)}}, "micrograph"),
    ({"eds": {"La": np.arange(36.0, dtype=np.float32).reshape(6, 6)}}, "reach_nm")])
def test_what_cannot_be_compared_is_refused(change, field):
    with pytest.raises(InputError) as caught:
        eds_shift(replace(micrograph((0, 0), 1.0), **change))
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_an_element_twice_changes_nothing():
    once = micrograph((3, 2), 5.0)
    twice = replace(once, eds={**once.eds, "La again": once.eds["La"]})
    assert eds_shift(twice).shift_nm == pytest.approx(eds_shift(once).shift_nm, abs=1e-6)
