"""Sheets, draws and intervals on cases made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ssbray import materials, rng
from ssbray.analysis.calibrate import factors
from ssbray.analysis.draws import Trust, drawn, likely, restricted
from ssbray.analysis.interval import half_widths, intervals
from ssbray.analysis.propagate import propagate, solve_map
from ssbray.analysis.sheet import SampleSheet, material_map, sheet_of
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.measure import Measurements
from ssbray.microscope import CLASSES
from ssbray.segmentation import Segmentation
from ssbray.segmentation.net import HEADS

TABLES = materials.load()
SHEET = SampleSheet(electrolyte="Ta-LLZO", cathode="NMC811", coating="Li3BO3", known=True, boundaries={
    "Ta-LLZO:Ta-LLZO:grain boundary": 0.05, "Li3BO3:NMC811:charge transfer": 50.0, "t-LLZO:Li3BO3:La2Zr2O7": 3.0})


def image(**metadata):
    return Micrograph(images={"haadf": np.zeros((4, 4), np.float32)}, pixel_size_nm=1.0, metadata=metadata)


def segmentation(share, classes=CLASSES):
    shape = share.shape[1:]
    return Segmentation(classes=classes, probability=share.astype(np.float32), doubt=np.zeros(shape, np.float32),
                        heads={name: np.zeros(shape, np.float16) for name in HEADS}, pixel_size_nm=2.0,
                        calibrated=True, nets=1)


def layered(*rows):
    """A map of horizontal bands, by class name."""
    return np.repeat([CLASSES.index(name) for name in rows], 2)[:, None].repeat(6, axis=1).astype(np.uint8)


def found_boundaries(*rows, sheet=SHEET):
    return dict(material_map(layered(*rows), CLASSES, sheet, 2.0, None).boundaries)


def test_resistances_act_where_the_sheet_says():
    found = found_boundaries("LLZO", "t-LLZO", "coating", "NMC")
    assert found["t-LLZO:Li3BO3:La2Zr2O7"] == 3.0
    assert found["Li3BO3:NMC811:charge transfer"] == 50.0
    assert found["Ta-LLZO:Ta-LLZO:grain boundary"] == 0.05


def test_charge_transfer_acts_on_every_solid_that_touches_the_cathode():
    found = found_boundaries("LLZO", "t-LLZO", "NMC")
    assert {name for name in found if "charge transfer" in name} == {
        "Ta-LLZO:NMC811:charge transfer", "t-LLZO:NMC811:charge transfer"}


def test_a_thin_layer_whose_neighbour_was_not_found_acts_further_out():
    assert found_boundaries("LLZO", "coating", "NMC")["Ta-LLZO:Li3BO3:La2Zr2O7"] == 3.0
    assert found_boundaries("LLZO", "NMC")["Ta-LLZO:NMC811:La2Zr2O7"] == 3.0
    assert not any("La2Zr2O7" in name for name in found_boundaries("LLZO", "pore"))


def test_the_series_resistance_is_the_same_with_and_without_a_layer_of_the_electrolyte():
    """The thin layer's 3 ohm cm2 are in series wherever it is put."""
    whole = solve_map(likely(segmentation(np.eye(6)[layered("LLZO", "LLZO", "NMC", "NMC")].transpose(2, 0, 1))),
                      SHEET, TABLES, 25.0, "y")
    bare = replace(SHEET, boundaries={name: asr for name, asr in SHEET.boundaries.items() if "La2Zr2O7" not in name})
    less = solve_map(likely(segmentation(np.eye(6)[layered("LLZO", "LLZO", "NMC", "NMC")].transpose(2, 0, 1))),
                     bare, TABLES, 25.0, "y")
    assert whole.asr - less.asr == pytest.approx(3.0e-4, rel=1e-6)


def test_a_coating_that_nobody_named_is_asked_for():
    with pytest.raises(InputError, match="say which coating"):
        found_boundaries("LLZO", "coating", "NMC", sheet=replace(SHEET, coating=None))


def test_a_sheet_comes_from_the_micrograph_and_the_user_overrules_it():
    own = image(electrolyte="Al-LLZO", cathode="NMC622", coating=None, boundaries_ohm_cm2={})
    sheet = sheet_of(own, {}, TABLES)
    assert (sheet.electrolyte, sheet.cathode, sheet.coating, sheet.known) == ("Al-LLZO", "NMC622", None, True)
    assert sheet.absent == ("coating",)
    assert sheet_of(own, {"coating": "LCBO"}, TABLES).absent == ()
    unknown = sheet_of(image(), {}, TABLES)
    assert not unknown.known
    assert unknown.absent == ()
    assert any("charge transfer" in name for name in unknown.boundaries)
    with pytest.raises(InputError, match="only LLZO, NMC, coating"):
        sheet_of(own, {"pore": "LCBO"}, TABLES)
    with pytest.raises(InputError):
        sheet_of(own, {"coating": "Li3BO"}, TABLES)


def test_what_a_class_had_goes_to_the_others():
    share = np.zeros((6, 4, 4))
    share[0], share[3] = 0.25, 0.75
    share[:, 0, 0] = [0, 0, 0, 1, 0, 0]  # nothing else was thought possible here
    found = restricted(segmentation(share), ("coating",))
    assert found.probability[0].min() == pytest.approx(1.0)
    assert not found.probability[3].any()


def test_half_widths_reach_nine_tenths_of_the_draws():
    values = np.linspace(0.0, 1.0, 101)
    assert half_widths(0.5, values) == pytest.approx((0.45, 0.45))
    assert half_widths(2.0, values) == pytest.approx((1.95, 0.45))  # below all of which it lies: their spread above


def measured(**values):
    return Measurements(values=values, profiles={}, missing={})


def test_intervals_hold_the_value_and_stay_where_they_can_be():
    draws = [measured(contact_fraction=x, length=10 * x) for x in (0.8, 0.9, 0.95, 1.0)]
    table = intervals(measured(contact_fraction=0.95, length=9.0), draws, Trust(widths={"all": 3.0}))
    for row in table.values():
        assert row["low90"] <= row["value"] <= row["high90"]
    assert table["contact_fraction"]["high90"] == 1.0
    assert table["length"]["low90"] >= 0


def test_a_quantity_without_a_factor_takes_that_of_its_kind():
    trust = Trust(widths={"all": 9.0, "thickness:mean_nm": 2.0, "thickness:a:mean_nm": 3.0})
    assert [trust.width(name) for name in ("thickness:a:mean_nm", "thickness:b:mean_nm", "gap_length_um")] == [3, 2, 9]


@pytest.mark.parametrize("n", [9, 20, 50])
def test_conformal_factors_cover_as_promised(n):
    """Ratios of new cases stay below the factor of n old ones nine times in ten."""
    random = rng.stream(n, "ratios")
    hits = [random.gamma(2.0) <= factors({"a": list(random.gamma(2.0, size=n))})["a"] for _ in range(3000)]
    assert 0.885 < np.mean(hits) < 0.9 + 1.5 / n + 0.015


def maps(*electrolyte_rows):
    """Bands of electrolyte over cathode, the first so many of ten."""
    found = []
    for count in electrolyte_rows:
        labels = np.full((10, 4), CLASSES.index("NMC"), np.uint8)
        labels[:count] = CLASSES.index("LLZO")
        found.append(likely(segmentation(np.eye(6)[labels].transpose(2, 0, 1))))
    return found


def test_propagation_is_exact_for_layers_in_series():
    sheet = replace(SHEET, coating=None, boundaries={})
    draws = maps(4, 5, 6)
    found = propagate(maps(5)[0], draws, lambda each: solve_map(each, sheet, TABLES, 25.0, "y"), Trust())
    sigma = [TABLES.sigma(key, 298.15) for key in ("Ta-LLZO", "NMC811")]
    exact = [10 / (k / sigma[0] + (10 - k) / sigma[1]) for k in (4, 5, 6)]
    assert found.draws == pytest.approx(exact, rel=1e-6)
    assert found.sigma == pytest.approx(exact[1], rel=1e-6)
    assert found.low90 < found.sigma < found.high90
    assert found.std_ln == pytest.approx(float(np.std(np.log(exact))), rel=1e-6)


def test_draws_that_do_not_percolate_are_told():
    labels = np.full((10, 4), CLASSES.index("LLZO"), np.uint8)
    closed = labels.copy()
    closed[5] = CLASSES.index("pore")
    both = [likely(segmentation(np.eye(6)[one].transpose(2, 0, 1))) for one in (labels, closed)]
    found = propagate(both[0], [both[1]] * 3 + [both[0]], lambda each: solve_map(each, SHEET, TABLES, 25.0, "y"),
                      Trust())
    assert found.blocked == 0.75
    assert found.low90 == 0.0
    assert found.high90 >= found.sigma > 0


def test_sure_pixels_give_one_map_and_no_width():
    share = np.eye(6)[layered("LLZO", "NMC")].transpose(2, 0, 1)
    found = segmentation(share)
    assert all(np.array_equal(each.labels, found.labels) for each in drawn(found, 3, Trust(), seed=0))
    solved = propagate(likely(found), list(drawn(found, 3, Trust(), 0)),
                       lambda each: solve_map(each, SHEET, TABLES, 25.0, "y"), Trust())
    assert solved.low90 == pytest.approx(solved.sigma)
    assert math.isclose(solved.high90, solved.sigma)
