"""The foil: chords of pores, thickness, and boundaries that lean."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray.microscope.rendering import crystal, fields, foil
from ssbray.rng import stream
from tests.microscope.quiet import settings

FLAT = settings()


def disc(radius, side=81):
    y, x = np.indices((side, side)) - side // 2
    return x**2 + y**2 <= radius**2, np.hypot(x, y)


def test_the_chord_of_a_sphere():
    """2 sqrt(r^2 - d^2)."""
    pore, distance = disc(30.0)
    chord = foil.chords(pore, 2.0)
    for d in (0, 10, 20, 28):
        at = pore & (np.abs(distance - d) < 0.5)
        assert chord[at].mean() == pytest.approx(2 * 2.0 * np.sqrt(30**2 - d**2), rel=0.05), d
    assert (chord[~pore] == 0).all()


def test_an_elongated_pore_is_as_deep_as_it_is_long():
    """An ellipse of semi-axes 30 and 10: the chord in its middle is that of 30."""
    y, x = np.indices((61, 101)) - np.array([30, 50])[:, None, None]
    chord = foil.chords((x / 30) ** 2 + (y / 10) ** 2 <= 1, 1.0)
    assert chord[30, 50] == pytest.approx(60, rel=0.08)


def test_nothing_but_pore_leaves_nothing():
    assert np.isinf(foil.chords(np.ones((4, 5), bool), 1.0)).all()
    assert (foil.chords(np.zeros((4, 5), bool), 1.0) == 0).all()


def test_a_wedge_has_its_gradient_and_the_mean_stays():
    tilted = settings(wedge_nm_per_um=30)
    t = foil.thickness((60, 80), 5.0, tilted, seed=2)
    gradient = np.hypot(t[1, 0] - t[0, 0], t[0, 1] - t[0, 0]) / 5.0 * 1000
    assert gradient == pytest.approx(30, rel=1e-3)
    assert t.mean() == pytest.approx(80, rel=1e-5)
    assert (foil.thickness((6, 8), 5.0, FLAT, seed=2) == 80).all()


def test_curtains_run_down_the_image():
    t = foil.curtains((200, 300), 2.0, settings(curtain_rms_nm=3, curtain_length_nm=20), seed=4)
    assert t.std() == pytest.approx(3, rel=0.35)
    assert np.diff(t, axis=0).std() < 0.2 * np.diff(t, axis=1).std()
    whole = foil.thickness((200, 300), 2.0, settings(curtain_rms_nm=3, curtain_length_nm=20), seed=4)
    assert whole == pytest.approx(80 + t, abs=1e-4)


def test_smooth_fields_have_unit_variance_and_their_length():
    field = fields.smooth((400, 400), 20.0, stream(1, "test"))
    assert field.std() == pytest.approx(1, abs=0.1)
    near = np.mean(field[:, 4:] * field[:, :-4])
    far = np.mean(field[:, 60:] * field[:, :-60])
    assert near > 0.8 > 0.15 > abs(far)
    fine = fields.smooth((800, 800), 40.0, stream(1, "test"))
    assert np.abs(fine[1::2, 1::2] - field)[5:-5, 5:-5].mean() < 0.1  # the same function on finer pixels


def test_a_leaning_boundary_is_seen_as_wide_as_its_projection():
    """With every lean equal to reach, a step becomes a ramp as wide as reach."""
    region = (np.arange(120) >= 60).astype(np.int32)[None, :].repeat(3, axis=0)
    own = np.arange(region.size).reshape(region.shape)
    slices = [np.clip(own % 120 + shift, 0, 119) + own // 120 * 120 for shift in range(-10, 11)]
    seen = foil.columns(region, np.array([0.0, 1.0], dtype=np.float32), slices)
    assert seen[1, 60 - 11] == 0
    assert seen[1, 60 + 10] == 1
    assert seen[1, 60] == pytest.approx(0.5, abs=0.03)
    assert np.diff(seen[1]).max() == pytest.approx(1 / 21)


def test_inclination_is_on_the_scale_of_thickness_times_tangent():
    shape = (300, 300)
    slices = foil.inclined(shape, 1.0, settings(inclination_deg=10, inclination_length_nm=30), seed=1)
    column = np.stack([index % 300 for index in slices])[:, 100:200, 100:200]
    width = (column.max(axis=0) - column.min(axis=0)) * len(slices) / (len(slices) - 1)
    assert np.sqrt((width.astype(float) ** 2).mean()) == pytest.approx(80 * np.tan(np.radians(10)), rel=0.2)
    assert len(foil.inclined(shape, 1.0, FLAT, seed=1)) == 1


def test_pores_are_filled_by_their_nearest_solid():
    labels = np.array([[0, 0, 2, 2, 1, 1]], dtype=np.uint8)
    grains = np.array([[7, 7, 0, 0, 9, 9]], dtype=np.int32)
    made = foil.regions(labels, grains, labels == 2)
    assert made.label[made.region].tolist() == [[0, 0, 0, 1, 1, 1]]
    assert made.grain[made.region].tolist() == [[7, 7, 7, 9, 9, 9]]


def test_boundaries_lie_between_grains_of_one_phase_only():
    labels = np.zeros((4, 9), dtype=np.uint8)
    labels[:, 6:] = 1
    grains = np.repeat([[1, 1, 1, 2, 2, 2, 5, 5, 5]], 4, axis=0).astype(np.int32)
    hidden = np.zeros_like(labels, dtype=bool)
    edges = crystal.boundaries(foil.regions(labels, grains, hidden), hidden, settings(boundary_variation=0), 1)
    assert edges[1].tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]
    hidden[:, 3] = True
    edges = crystal.boundaries(foil.regions(labels, grains, hidden), hidden, settings(boundary_variation=0), 1)
    assert not edges.any()


def test_a_line_keeps_its_width_or_its_integral():
    mask = np.zeros((9, 101), dtype=np.float32)
    mask[:, 49:51] = 0.5
    wide = crystal.line(mask, 10.0)[4]
    assert wide.max() == pytest.approx(1, rel=0.05)
    assert (wide > 0.5 * wide.max()).sum() == pytest.approx(10, abs=1)
    for width in (0.2, 0.6, 3.0):
        assert crystal.line(mask, width)[4].sum() == pytest.approx(width / fields.FWHM * np.sqrt(2 * np.pi), rel=1e-3)


def test_transformed_garnet_keeps_the_grain_it_grew_from():
    grains = np.array([[3, 3, 0, 0, 0, 8]], dtype=np.int32)
    heirs = np.array([[False, False, True, True, True, False]])
    assert crystal.inherited(grains, heirs, grains > 0).tolist() == [[3, 3, 3, 3, 8, 8]]


def test_domains_have_their_size():
    where = np.ones((200, 200), dtype=bool)
    found = crystal.domains(where, 10.0, seed=1)
    assert found.max() < 0
    assert len(np.unique(found)) == pytest.approx(400, rel=0.2)
    assert not crystal.domains(~where, 10.0, seed=1).any()


def test_twins_are_lamellae_of_half_a_period_each():
    grains = np.full((120, 160), 4, dtype=np.int32)
    where = np.zeros(grains.shape, dtype=bool)
    where[:, 20:] = True
    found = crystal.twins(grains, where, 20.0, seed=3)
    second = found != 4
    assert not second[:, :20].any()
    assert second[where].mean() == pytest.approx(0.5, abs=0.15)
    assert len(np.unique(found)) == 2
    assert found.min() < -1000
    turns = [np.abs(np.diff(second[:, 20:].astype(int), axis=axis)).mean() for axis in (0, 1)]
    assert np.hypot(*turns) == pytest.approx(2 / 20, rel=0.35)


def test_a_boundary_on_edge_has_no_fringes_and_a_leaning_one_beats():
    made = settings(extinction_nm=40, fringe_depth=0.8)
    weights = foil.fringes(16, made, seed=1)
    assert np.mean(weights) == pytest.approx(1)
    assert np.ptp(weights) == pytest.approx(1.6, rel=0.05)
    assert weights[:8] == pytest.approx(weights[8:], abs=1e-9)  # 80 nm are two extinction distances
    mask = np.zeros((1, 40), dtype=np.float32)
    mask[0, 20] = 1
    slices = [np.clip(np.arange(40) + shift, 0, 39)[None, :] for shift in range(-8, 8)]
    assert foil.projected(mask, slices, weights).sum() == pytest.approx(foil.projected(mask, slices).sum(), rel=1e-5)
    assert foil.projected(mask, [np.arange(40)[None, :]] * 16, weights)[0, 20] == pytest.approx(1)


def test_bend_contours_recur_with_their_period_and_leave_what_is_no_crystal():
    made = settings(bend_depth=0.5, bend_length_nm=100, bend_width=0.05)
    strength = np.ones((300, 300), dtype=np.float32)
    strength[:, 200:] = 0
    found = crystal.bending(np.zeros((300, 300), np.float32), strength, 1.0, made, seed=5)
    assert found.min() == pytest.approx(0.5, abs=0.01)
    assert found[:, :200].mean() == pytest.approx(1 - 0.5 * 0.05 * np.sqrt(2 * np.pi), abs=0.03)
    assert (found[:, 200:] == 1).all()
