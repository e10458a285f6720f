"""The whole picture: what must be exact with the noise off, and what must repeat with it on."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray import materials
from ssbray.errors import InputError
from ssbray.microscope.knobs import load_knobs
from ssbray.microscope.rendering import composition, dislocations, optics, render
from tests.microscope.quiet import quiet, section, settings, signals

HALVES = np.repeat([[0, 1]], 60, axis=1).repeat(80, axis=0)  #: LLZO left, NMC right, (80, 120)
GRAINS = np.repeat([[1, 2, 7, 9]], 30, axis=1).repeat(80, axis=0)


def test_a_uniform_foil_has_the_exact_signals():
    found = signals(section(np.zeros((20, 30)), phases=("t-LLZO",)))
    assert found.haadf == pytest.approx(1 - 0.9**0.8, rel=1e-5)  # a tenth at 100 nm, seen at 80
    assert found.bf == pytest.approx(np.exp(-0.8), rel=1e-5)
    assert found.layers[0].thickness == pytest.approx(80)


def test_two_phases_have_the_ratio_of_their_weights():
    found = signals(section(HALVES), haadf_exponent=1.7)
    depth = -np.log1p(-found.haadf)
    assert depth[:, 60:].mean() / depth[:, :60].mean() == pytest.approx(0.65, rel=0.02)
    assert (found.bf[:, 60:] > found.bf[:, :60].max()).all()


def test_a_shallow_pore_is_grey_and_a_deep_one_empty():
    y, x = np.indices((120, 120)) - 60
    def middle(radius_px):
        pore = (x**2 + y**2 <= radius_px**2) * 2
        found = signals(section(pore, pixel_size_nm=2.0))
        return float(-np.log1p(-found.haadf[60, 60]) / -np.log1p(-found.haadf[0, 0])), float(found.bf[60, 60])

    assert middle(25) == pytest.approx((0.0, 1.0))  # 100 nm across in a foil of 80 nm
    grey, bright = middle(8)
    assert grey == pytest.approx(1 - 32 / 80, abs=0.06)
    assert np.exp(-0.8) < bright < 1


def test_the_image_of_a_uniform_foil_is_its_exposure():
    made = render(section(np.zeros((200, 200))), quiet(), seed=1)
    assert made.micrograph.haadf.mean() == pytest.approx(0.8 * (2**16 - 1), rel=2e-3)
    assert set(made.micrograph.images) == {"haadf", "bf"}


def test_mirrored_input_gives_mirrored_signals():
    labels = HALVES.copy()
    labels[30:50, 10:25] = 2
    loud = {"channelling_std": 0.05, "bf_grain_std": 0.2, "boundary_haadf": -0.1, "boundary_bf": -0.4, "groove_nm": 5}
    there = signals(section(labels, grains=GRAINS), **loud)
    back = signals(section(labels[:, ::-1], grains=GRAINS[:, ::-1]), **loud)
    for name in ("haadf", "bf"):
        assert np.ptp(getattr(there, name)) > 0.02
        assert getattr(back, name)[:, ::-1] == pytest.approx(getattr(there, name), rel=1e-5), name


def test_grains_differ_and_are_flat_inside():
    found = signals(section(np.zeros((80, 120)), grains=GRAINS), channelling_std=0.05, bf_grain_std=0.2)
    for image in (found.haadf, found.bf):
        means = [image[:, k : k + 30].mean() for k in (0, 30, 60, 90)]
        assert max(image[:, k : k + 30].std() for k in (0, 30, 60, 90)) < 1e-5
        assert len({round(float(mean), 4) for mean in means}) == 4


def test_a_boundary_shows_in_both_images_and_more_in_bright_field():
    found = signals(section(np.zeros((80, 120)), grains=GRAINS, pixel_size_nm=0.5), boundary_haadf=-0.1,
                    boundary_bf=-0.4, boundary_variation=0, boundary_width_nm=3)
    haadf, bf = (image[40] / image[40, 10] for image in (found.haadf, found.bf))
    assert haadf[29:31].mean() == pytest.approx(0.9, abs=0.01)
    assert bf[29:31].mean() == pytest.approx(0.6, abs=0.04)
    assert haadf[15] == pytest.approx(1, abs=1e-4)


def test_a_groove_thins_the_foil_at_a_boundary():
    phase_map = section(np.zeros((80, 120)), grains=GRAINS, pixel_size_nm=0.5)
    found = signals(phase_map, groove_nm=8, boundary_width_nm=2, boundary_variation=0)
    thickness = found.layers[0].thickness[40]
    assert thickness[29:31].mean() == pytest.approx(72, abs=0.2)
    assert thickness[15] == pytest.approx(80, abs=0.3)
    assert (thickness < 76).sum() / 3 == pytest.approx(2 * 3 / 0.5, rel=0.15)  # three widths of the boundary


def test_diffraction_contrast_fades_with_the_crystal_that_a_pore_leaves():
    """In the middle of a pore as deep as the foil the beam is whole, whatever grain was there."""
    labels = np.zeros((80, 120))
    y, x = np.indices(labels.shape) - np.array([40, 60])[:, None, None]
    labels[x**2 + y**2 <= 25**2] = 2
    found = signals(section(labels, grains=np.where(labels == 2, 0, 3)), bf_grain_std=0.5)
    assert found.bf[40, 60] == pytest.approx(1)
    assert abs(found.bf[5, 5] / np.exp(-0.8) - 1) > 0.02


def test_no_crystal_is_brighter_than_vacuum():
    grains = np.arange(9600).reshape(80, 120) // 40 + 1
    found = signals(section(np.ones((80, 120)), grains=grains), bf_grain_std=1.0)
    assert found.bf.max() == 1.0
    assert found.bf.min() > 0


def test_carbon_from_an_earlier_scan_adds_to_the_dark_field():
    found = signals(section(np.zeros((60, 60))), seed=3, contamination_probability=1, contamination_nm=50)
    share = (found.haadf > found.haadf.min() * 1.01).mean()
    assert 0.02 < share < 0.6
    assert found.layers[-1].thickness.max() == 50


def test_a_cap_of_platinum_fakes_zirconium_in_the_cathode():
    cathode = section(np.ones((150, 150)))
    clean, capped = (render(cathode, quiet(platinum_nm=nm, elements=["Zr", "Pt"]), seed=1).micrograph.eds
                     for nm in (0.0, 3.0))
    assert not clean["Zr"].any()
    assert capped["Zr"].mean() > 0.02
    assert capped["Zr"].mean() / capped["Pt"].mean() == pytest.approx(1.7 * 1.64 / 1.7, rel=0.1)


def test_the_same_seed_gives_the_same_bits_and_another_others():
    phase_map = section(HALVES, grains=GRAINS)
    a, b, c = (render(phase_map, load_knobs(), seed=seed) for seed in (4, 4, 5))
    for images in ("images", "eds"):
        for name, image in getattr(a.micrograph, images).items():
            assert (image == getattr(b.micrograph, images)[name]).all()
            assert name in getattr(c.micrograph, images)
    assert (a.micrograph.haadf != c.micrograph.haadf).any()
    assert a.micrograph.source_sha256 == b.micrograph.source_sha256 != c.micrograph.source_sha256
    assert (a.seen.labels == b.seen.labels).all()
    assert a.settings == b.settings != c.settings


def test_what_is_seen_is_moved_and_the_truth_is_not():
    labels = HALVES.copy().astype(np.uint8)
    phase_map = section(labels, grains=GRAINS)
    made = render(phase_map, quiet(drift_nm_per_s=300), seed=2)
    assert (phase_map.labels == HALVES).all()
    assert (made.seen.labels != HALVES).any()
    edge = made.seen.labels.argmax(axis=1)
    steps = np.diff(edge)
    assert len(np.unique(edge)) > 3
    assert (steps >= 0).all() or (steps <= 0).all()  # sheared, not torn
    assert ((made.seen.grains > 2) == (made.seen.labels == 1)).all()


def test_an_edge_is_as_wide_as_probe_and_spread_together():
    """From 11.9 % to 88.1 % of an edge there is one full width at half maximum of the Gaussian."""
    found = render(section(HALVES, pixel_size_nm=0.5), quiet(
        probe_fwhm_nm=3, thickness_nm=150, image_current_pA=1e7), seed=1)
    row = found.micrograph.haadf[20:60].mean(axis=0)
    share = (row[0] - row) / (row[0] - row[-1])
    low, high = np.interp([0.11945, 0.88055], share, 0.5 * np.arange(120))
    phases = composition.of_phases(("Al-LLZO", "NMC811"), materials.load(), {})
    spread = optics.spread_fwhm_nm(phases, np.array([0.5, 0.5]), 150, 200)
    assert spread > 3
    assert high - low == pytest.approx(np.hypot(3, spread), rel=0.05)


def test_dislocations_are_seen_where_the_scan_puts_them():
    phase_map = section(np.zeros((80, 120)), grains=np.ones((80, 120)))
    loud = {"dislocations_per_m2": 3.0e14, "dislocation_length_nm": 100}
    rest, moved = (render(phase_map, quiet(drift_nm_per_s=speed, **loud), seed=2) for speed in (0, 400))
    assert rest.dislocations.any()
    assert (moved.dislocations != rest.dislocations).any()
    assert (moved.dislocations[40] == rest.dislocations[40]).all()  # but for the middle row


def test_the_mask_lies_on_the_image():
    """A pore's mask, with every scan fault on, is where the dark-field image is dark."""
    y, x = np.indices((120, 120)) - 60
    phase_map = section(((x**2 + y**2) <= 30**2) * 2)
    made = render(phase_map, load_knobs({"drift_nm_per_s": 80, "jitter_px": 1, "hum_px": 1, "flyback_px": 2,
                                         "thickness_nm": 60}), seed=3)
    dark = made.micrograph.haadf < (made.micrograph.haadf[5:20].mean() + made.micrograph.haadf[55:65, 55:65].mean()) / 2
    seen = made.seen.labels == 2
    assert (dark & seen).sum() / (dark | seen).sum() > 0.85


def test_elements_of_the_phases_and_those_always_wanted_have_maps():
    made = render(section(HALVES), load_knobs({"elements": ["O", "Nb"], "eds_binning": 2}), seed=1)
    assert set(made.micrograph.eds) == {"O", "Al", "Zr", "Nb", "La", "Mn", "Co", "Ni"}
    assert made.micrograph.eds["La"].shape == (40, 60)


def test_what_cannot_be_rendered_is_said():
    with pytest.raises(InputError, match="choose a slice"):
        render(section(np.zeros((3, 8, 8))), quiet(), seed=1)


def test_nothing_but_pore_is_black():
    made = render(section(np.full((30, 30), 2)), quiet(), seed=1)
    assert made.micrograph.haadf.max() <= 0.1 * (2**16 - 1) + 1
    assert not any(counts.any() for counts in made.micrograph.eds.values())


def lines(density=3e14, seed=1, shape=(200, 300), pixel=1.0, grains=None, **loud):
    made = settings(dislocations_per_m2=density, dislocation_length_nm=100, dislocation_bf_depth=0.4, **loud)
    whole = np.ones(shape, dtype=np.int32) if grains is None else grains
    return dislocations.draw(whole, whole > 0, pixel, made, seed)


def test_dislocations_have_their_density():
    """Length in projection = density x area x thickness, over many draws, but for what the edges cut off."""
    pixel, shape = 1.0, (400, 600)
    lengths = [lines(seed=k, shape=shape).mask.sum() / 3.0 for k in range(12)]  # a mask is 3 pixels of 1 nm wide
    expected = 3e14 * np.prod(shape) * (pixel * 1e-9) ** 2 * 80e-9 / 1e-9
    assert np.mean(lengths) == pytest.approx(expected, rel=0.3)


def test_dislocations_keep_to_their_grain_and_out_of_what_has_none():
    grains = np.repeat([[1, 2]], 150, axis=1).repeat(200, axis=0).astype(np.int32)
    grains[:, 120:180] = 0
    found = lines(density=2e15, grains=grains)
    assert found.mask.any()
    assert not found.mask[:, 120:180].any()
    assert (found.bf[:, 120:180] == 1).all()


def test_dislocations_show_in_bright_field_and_hardly_in_dark_field():
    found = lines(density=5e13, dislocation_haadf_depth=0.02)
    assert np.abs(found.bf - 1)[found.mask].mean() > 0.1
    assert np.abs(found.haadf - 1).max() <= 0.02 * 3 + 1e-6
    assert np.abs(found.bf[~found.mask] - 1).mean() < 0.03
    assert not lines(density=0.0).mask.any()


def test_a_dislocation_is_smooth():
    """No turn sharper than a radius of a few nanometres."""
    grains = np.ones((400, 400), dtype=np.int32)
    for k in range(10):
        points = dislocations.curve(np.random.Generator(np.random.Philox(k)), (200, 200), grains, 150.0)
        tangent = np.diff(points, axis=0) / dislocations.STEP
        assert np.hypot(*tangent.T) == pytest.approx(1, abs=1e-6)
        turn = np.hypot(*np.diff(tangent, axis=0).T) / dislocations.STEP
        assert turn.max() < 1 / 4


def test_rendering_uses_the_tables_it_is_given():
    tables = materials.load({"phases": {"NMC811": {"formula": "LiNiO2"}}})
    made = render(section(HALVES), load_knobs({"elements": []}), seed=1, materials=tables)
    assert "Mn" not in made.micrograph.eds
    assert "Ni" in made.micrograph.eds


def test_tetragonal_garnet_may_keep_the_dopant_of_its_parent():
    labels = np.repeat([[0, 1]], 60, axis=1).repeat(120, axis=0)
    phase_map = section(labels, phases=("Ta-LLZO", "t-LLZO"))
    tantalum = [render(phase_map, quiet(tetragonal_dopant_share=share, elements=["Ta"], eds_frames=400), seed=1
                       ).micrograph.eds["Ta"] for share in (0.0, 0.5, 1.0)]
    right = [counts[:, 65:].mean() / counts[:, :55].mean() for counts in tantalum]
    assert right == pytest.approx([0, 0.5, 1], abs=0.03)


def test_twins_show_in_tetragonal_garnet_alone():
    labels = np.repeat([[0, 1]], 60, axis=1).repeat(120, axis=0)
    grains = np.where(labels == 0, 3, 0)
    found = signals(section(labels, phases=("Al-LLZO", "t-LLZO"), grains=grains), bf_grain_std=0.3, twin_period_nm=24)
    assert found.bf[:, :60].std() < 1e-5
    assert found.bf[:, 60:].std() > 0.02
