from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from ssbray.domain import boundary_parts
from ssbray.errors import InputError
from ssbray.specimen import ProcessParameters, assemble, make


def test_the_default_section_is_electrolyte_over_cathode():
    cut = make(ProcessParameters(), seed=1).section(4.0)
    assert cut.labels.shape == (200, 300)
    assert cut.phases == ("Ta-LLZO", "NMC811", "La2Zr2O7", "pore")
    assert set(np.unique(cut.labels[0])) <= {0, 3}
    assert (cut.labels[-1] == 1).all()
    assert cut.fraction("NMC811") == pytest.approx(0.43, abs=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pores_fill_the_electrolyte_as_the_laws_say(seed, plain):
    specimen = assemble(plain(relative_density=0.9), seed=seed)
    for pixel in (4.0, 7.0):
        cut = specimen.section(pixel)
        pore, electrolyte = cut.fraction("pore"), cut.fraction("Ta-LLZO")
        assert pore / (pore + electrolyte) == pytest.approx(0.1, abs=0.0015)


@pytest.mark.parametrize("contact", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("pixel", [2.0, 4.0])
def test_the_map_has_the_contact_asked_for(contact, pixel, plain):
    for seed in (1, 2, 3):
        cut = assemble(plain(contact_fraction=contact), seed=seed).section(pixel)
        top = (cut.labels == 1).argmax(axis=0)
        above = cut.labels[top - 1, np.arange(cut.labels.shape[1])]
        assert np.mean(above == 0) == pytest.approx(contact, abs=0.03)


def test_a_gap_never_lets_pixels_touch_across_it_by_their_corners(plain):
    """Diagonal neighbours share a node of the finite elements, through which current would leak."""
    specimen = assemble(plain(contact_fraction=0.3, roughness_rms_nm=40.0), seed=2)
    for pixel in (4.0, 12.0, 20.0):
        cut = specimen.section(pixel)
        for labels in (cut.labels, cut.labels[:, ::-1]):
            electrolyte, cathode, pore = (labels == cut.phases.index(p) for p in ("Ta-LLZO", "NMC811", "pore"))
            across = electrolyte[:-1, :-1] & cathode[1:, 1:]
            assert not (across & pore[:-1, 1:] & pore[1:, :-1]).any()


@pytest.mark.parametrize("thickness_nm", [30.0, 60.0, 120.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_layers_keep_their_thickness_on_slopes(thickness_nm, seed, plain):
    """Area over arc length, on a rough line whose arc is several per cent longer than its width."""
    specimen = assemble(plain("La2Zr2O7", thickness_nm, roughness_rms_nm=30.0), seed=seed)
    cut = specimen.section(2.0)
    assert specimen.interface.arc_length_nm() > 1.015 * 1200
    area = cut.fraction("La2Zr2O7") * 1200 * 800
    assert area / specimen.interface.arc_length_nm() == pytest.approx(thickness_nm, rel=0.02)


def test_fractions_do_not_depend_on_the_pixels():
    specimen = make(ProcessParameters(atmosphere="O2"), seed=5)
    fine, coarse = specimen.section(2.0), specimen.section(8.0)
    for phase in fine.phases:
        assert coarse.fraction(phase) == pytest.approx(fine.fraction(phase), abs=0.006)


def test_same_seed_same_bits():
    first, second = (make(ProcessParameters(), seed=7).section(5.0) for _ in range(2))
    assert (first.labels == second.labels).all()
    assert (first.grains == second.grains).all()
    assert first.boundaries == second.boundaries
    assert (make(ProcessParameters(), seed=8).section(5.0).labels != first.labels).any()


@pytest.mark.parametrize("change", [
    {"cosintering_temperature_C": 702.0}, {"sintering_temperature_C": 1003.0}, {"milling_time_h": 23.5},
    {"stack_pressure_MPa": 6.0}, {"sintering_time_h": 2.05},
])
def test_a_nearby_route_gives_a_similar_map(change):
    """Under another seed a fifth of the pixels differ."""
    base, near, other = (make(ProcessParameters(**c), seed=s).section(4.0) for c, s in (({}, 3), (change, 3), ({}, 4)))
    assert 0 < np.mean(base.labels != near.labels) < 0.02
    assert np.mean(base.labels != other.labels) > 0.1


def test_a_window_is_a_piece_of_the_whole():
    specimen = make(ProcessParameters(), seed=1)
    whole, piece = specimen.section(4.0), specimen.section(4.0, size_nm=(400, 300), offset_nm=(200, 300))
    assert piece.labels.shape == (75, 100)
    assert (piece.labels == whole.labels[75:150, 50:150]).all()
    assert (piece.grains == whole.grains[75:150, 50:150]).all()


def test_grains_are_numbered_over_both_phases_and_nothing_else():
    cut = make(ProcessParameters(), seed=1).section(4.0)
    solid = cut.labels <= 1
    assert ((cut.grains > 0) == solid).all()
    assert not set(np.unique(cut.grains[cut.labels == 0])) & set(np.unique(cut.grains[cut.labels == 1]))
    assert len(np.unique(cut.grains[cut.labels == 1])) > 3


def test_the_cathode_stays_connected(plain):
    for seed in range(4):
        cut = assemble(plain(contact_fraction=0.3), seed=seed).section(4.0)
        pieces, _ = ndimage.label(cut.labels == 1)
        assert np.bincount(pieces[pieces > 0]).max() > 0.98 * (cut.labels == 1).sum()


def test_thin_and_thick_layers_are_told_apart_and_keep_their_order():
    specimen = make(ProcessParameters(coating="LCBO", coating_thickness_nm=20, atmosphere="O2"), seed=1)
    layers = {layer.phase: layer for layer in specimen.structure.layers}
    assert layers["La2Zr2O7"].thickness_nm < 3 < 12 < layers["t-LLZO"].thickness_nm < layers["LCBO"].thickness_nm
    fine, mixed, coarse = specimen.section(4.0), specimen.section(5.0), specimen.section(10.0)
    assert fine.phases == ("Ta-LLZO", "NMC811", "t-LLZO", "LCBO", "pore")
    assert mixed.phases == ("Ta-LLZO", "NMC811", "LCBO", "pore")
    assert coarse.phases == ("Ta-LLZO", "NMC811", "pore")
    ours = {"Ta-LLZO:Ta-LLZO:grain boundary"}
    assert set(fine.boundaries) == ours | {"t-LLZO:LCBO:La2Zr2O7", "LCBO:NMC811:charge transfer"}
    assert set(mixed.boundaries) == ours | {"Ta-LLZO:LCBO:t-LLZO", "Ta-LLZO:LCBO:La2Zr2O7",
                                            "LCBO:NMC811:charge transfer"}
    assert set(coarse.boundaries) == ours | {f"Ta-LLZO:NMC811:{what}" for what in
                                             ("t-LLZO", "La2Zr2O7", "LCBO", "charge transfer")}
    for cut in (fine, mixed, coarse):
        for name, asr in cut.boundaries.items():
            what = boundary_parts(name)[2]
            assert asr == (layers[what].asr_ohm_cm2 if what in layers else pytest.approx(asr))


def test_what_touches_is_what_the_boundaries_say():
    cut = make(ProcessParameters(coating="LCBO", coating_thickness_nm=20, atmosphere="O2"), seed=2).section(2.0)
    name = {k: phase for k, phase in enumerate(cut.phases)}
    down = {(name[a], name[b]) for a, b in zip(cut.labels[:-1].ravel(), cut.labels[1:].ravel(), strict=True) if a != b}
    assert {("Ta-LLZO", "t-LLZO"), ("t-LLZO", "LCBO"), ("LCBO", "NMC811"), ("LCBO", "pore"), ("pore", "NMC811")} <= down
    assert not {("Ta-LLZO", "LCBO"), ("Ta-LLZO", "NMC811"), ("t-LLZO", "NMC811")} & down


def test_a_layer_too_wide_for_the_window_keeps_its_resistance(materials):
    specimen = make(ProcessParameters(cosintering_temperature_C=1000, cosintering_time_h=20), seed=1)
    thickness_nm = specimen.structure.reaction_thickness_nm
    cut = specimen.section(8.0)
    assert thickness_nm > 3000
    assert cut.fraction("Ta-LLZO") > 0.05
    drawn_nm = cut.fraction("La2Zr2O7") * 1200 * 800 / specimen.interface.arc_length_nm()
    assert drawn_nm == pytest.approx(0.75 * 0.57 * 800, rel=0.05)
    asr = cut.boundaries["Ta-LLZO:La2Zr2O7:La2Zr2O7"] + materials.layer_asr_ohm_cm2("La2Zr2O7", specimen.stack_nm)
    assert asr == pytest.approx(materials.layer_asr_ohm_cm2("La2Zr2O7", thickness_nm), rel=1e-3)


@pytest.mark.parametrize("window", [
    {"size_nm": (1300, 800)}, {"size_nm": (600, 600), "offset_nm": (0, 300)}, {"offset_nm": (-1, 0)},
    {"size_nm": (0, 100)},
])
def test_a_window_outside_is_refused(window):
    with pytest.raises(InputError, match="within the specimen"):
        make(ProcessParameters(), seed=1).section(4.0, **window)


def test_bad_sizes_are_refused():
    with pytest.raises(InputError, match="pixel_size_nm"):
        make(ProcessParameters(), seed=1).section(0.0)
    with pytest.raises(InputError, match="size_nm"):
        make(ProcessParameters(), seed=1, size_nm=(1200, -1))


def test_the_digest_tells_specimens_apart(laws):
    first = make(ProcessParameters(), seed=1)
    assert first.digest() == make(ProcessParameters(), seed=1, laws=laws).digest()
    assert len(first.digest()) == 64
    others = [make(ProcessParameters(milling_time_h=23), seed=1), make(ProcessParameters(), seed=2),
              make(ProcessParameters(), seed=1, size_nm=(1200, 900)),
              make(ProcessParameters(), seed=1, laws=laws.model_copy(update={"gap_length_nm": 81.0})),
              replace(first, structure=replace(first.structure, charge_transfer_asr_ohm_cm2=49.0))]
    assert len({first.digest(), *(other.digest() for other in others)}) == 6
