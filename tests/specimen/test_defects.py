"""Defects that grow with severity, stay where they belong, and say what they did."""

from dataclasses import replace

import numpy as np
import pytest

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.specimen import ProcessParameters, make
from ssbray.specimen.defects import KINDS, SEVERITIES, inject

DRAWN = ("void cluster", "delamination", "crack", "reaction layer", "mis-segmentation")


@pytest.fixture(scope="module")
def sound():
    made = make(ProcessParameters(coating="LiNbO3", coating_thickness_nm=30), seed=2, size_nm=(600.0, 400.0))
    return made.section(4.0)


@pytest.fixture
def layers():
    """60 rows of electrolyte on 40 of cathode, 90 columns, two grains of electrolyte side by side."""
    labels = np.zeros((100, 90), dtype=np.uint8)
    labels[60:] = 1
    grains = np.where(np.arange(90) < 45, 1, 2) * np.ones((100, 1), dtype=int)
    grains[60:] += 2
    return PhaseMap(labels=labels, phases=("LLZO", "NMC811", "pore"), pixel_size_nm=4.0, grains=grains.astype(np.int32),
                    boundaries={"LLZO:LLZO:grain boundary": 0.05, "LLZO:NMC811:film": 10.0,
                                "LLZO:NMC811:charge transfer": 50.0})


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_bits_and_the_sound_map_stays(sound, kind):
    before = sound.labels.copy()
    first, again, other = (inject(sound, kind, "moderate", seed) for seed in (1, 1, 2))
    for name in ("seen", "true"):
        one, two = getattr(first, name), getattr(again, name)
        assert np.array_equal(one.labels, two.labels)
        assert np.array_equal(one.grains, two.grains)
        assert one.boundaries == two.boundaries
    assert np.array_equal(sound.labels, before)
    if kind not in ("reaction layer", "wrong conductivity"):  # these draw nothing
        assert not np.array_equal(first.seen.labels, other.seen.labels)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_milder_defect_lies_within_a_graver_one(sound, kind):
    for seed in range(3):
        defects = [inject(sound, kind, severity, seed) for severity in SEVERITIES]
        reference = inject(sound, kind, "mild", seed).true.labels if kind == "mis-segmentation" else sound.labels
        changed = [defect.seen.labels != reference for defect in defects]
        if kind != "reaction layer":  # its label is new, so that all of it counts
            assert all((small <= large).all() for small, large in zip(changed, changed[1:], strict=False))
        extents = [defect.extent for defect in defects]
        assert 0 < extents[0] < extents[1] < extents[2] < 0.2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_labels_grains_and_names_stay_valid(sound, kind, severity):
    defect = inject(sound, kind, severity, 5)
    assert (defect.kind, defect.severity) == (kind, severity)
    for phase_map in (defect.seen, defect.true):
        assert phase_map.labels.dtype == np.uint8
        assert phase_map.grains.dtype == np.int32
        assert phase_map.labels.max() < len(phase_map.phases)
        assert phase_map.phases[:len(sound.phases)] == sound.phases
        assert not phase_map.grains[phase_map.labels == phase_map.phases.index("pore")].any()


def test_what_is_seen_is_true_unless_the_kind_says_otherwise(layers):
    for kind in ("void cluster", "delamination", "crack", "reaction layer"):
        defect = inject(layers, kind, "severe", 0)
        assert defect.seen is defect.true
    wrong = inject(layers, "mis-segmentation", "severe", 0)
    assert np.array_equal(wrong.true.labels, layers.labels)
    assert np.mean(wrong.seen.labels != layers.labels) == pytest.approx(0.12, abs=0.001)


def test_only_a_severe_crack_cuts_the_electrolyte(layers):
    for seed in range(8):
        mild, moderate, severe = (inject(layers, "crack", severity, seed) for severity in SEVERITIES)
        assert mild.percolates
        assert moderate.percolates
        assert not severe.percolates
        assert (severe.true.labels == 2).sum() == 2 * 90
        assert (severe.true.labels[60:] == 1).all()


def test_a_path_around_a_corner_is_no_path():
    labels = np.uint8([[0, 2], [2, 1]])
    corner = PhaseMap(labels=labels, phases=("LLZO", "NMC811", "pore"), pixel_size_nm=1.0)
    assert not inject(corner, "wrong conductivity", "mild", 0).percolates


def test_delamination_opens_the_contact_over_its_share_of_the_width(layers):
    for severity, share, rows in (("mild", 0.15, 2), ("moderate", 0.35, 3), ("severe", 0.65, 4)):
        gap = inject(layers, "delamination", severity, 3).true.labels == 2
        assert gap[60 - rows:60].sum() == gap.sum()
        assert gap[59].mean() == pytest.approx(share, abs=0.03)
        assert gap.sum() == rows * gap[59].sum()


def test_reaction_layer_lies_on_the_whole_contact_and_keeps_its_resistance(layers):
    for severity, rows in (("mild", 3), ("moderate", 6), ("severe", 12)):
        made = inject(layers, "reaction layer", severity, 0).true
        layer = made.labels == made.phases.index("La2Zr2O7")
        assert layer[60 - rows:60].all()
        assert layer.sum() == rows * 90
        assert made.boundaries["La2Zr2O7:NMC811:charge transfer"] == 50.0
        assert made.boundaries["La2Zr2O7:NMC811:film"] == 10.0


def test_missing_boundary_takes_films_from_the_truth_alone(layers):
    for severity, left in (("mild", 0.5), ("moderate", 0.1), ("severe", 0.0)):
        defect = inject(layers, "missing boundary", severity, 0)
        assert np.array_equal(defect.seen.labels, layers.labels)
        assert defect.seen.boundaries["LLZO:NMC811:film"] == 10.0
        assert defect.true.boundaries["LLZO:NMC811:film"] == pytest.approx(10 * left)
        assert defect.true.boundaries["LLZO:LLZO:grain boundary"] == pytest.approx(0.05 * left)
        assert defect.true.boundaries["LLZO:NMC811:charge transfer"] == 50.0


def test_missing_boundary_takes_a_coating_from_the_picture_too(layers):
    labels = layers.labels.copy()
    labels[50:60] = 3
    coated = replace(layers, labels=labels, phases=(*layers.phases, "LiNbO3"),
                     boundaries={"LiNbO3:NMC811:charge transfer": 50.0})
    for severity, share in (("mild", 0.5), ("severe", 1.0)):
        defect = inject(coated, "missing boundary", severity, 0)
        assert np.mean(defect.seen.labels[50:60] == 3) == pytest.approx(1 - share, abs=0.02)
        assert np.array_equal(defect.seen.labels, defect.true.labels)
        assert defect.true.boundaries["LLZO:NMC811:charge transfer"] == 50.0


def test_mis_segmentation_joins_grains(sound):
    counts = [len(np.unique(inject(sound, "mis-segmentation", severity, 0).seen.grains)) for severity in SEVERITIES]
    assert len(np.unique(sound.grains)) > counts[0] > counts[1] > counts[2] >= 3


def test_wrong_conductivity_changes_nothing_that_is_seen(layers):
    factors = [inject(layers, "wrong conductivity", severity, 0) for severity in SEVERITIES]
    assert all(defect.seen is defect.true for defect in factors)
    values = [defect.factors["NMC811"] for defect in factors]
    assert 1 > values[0] > values[1] > values[2] > 0
    assert factors[0].extent == pytest.approx(0.4)


def test_bad_input_is_named(layers):
    with pytest.raises(InputError, match="did you mean 'crack'"):
        inject(layers, "crak", "mild", 0)
    with pytest.raises(InputError, match="severity"):
        inject(layers, "crack", "awful", 0)
    with pytest.raises(InputError, match="electrolyte, cathode"):
        inject(replace(layers, labels=np.zeros((4, 4), np.uint8), grains=None), "crack", "mild", 0)
    with pytest.raises(InputError, match="sections"):
        inject(PhaseMap(labels=np.zeros((2, 2, 2), np.uint8), phases=("a", "b"), pixel_size_nm=1.0), "crack", "mild", 0)
