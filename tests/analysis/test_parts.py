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
from ssbray.analysis.predict import doubted
from ssbray.analysis.propagate import propagate, solve_map
from ssbray.analysis.sheet import SampleSheet, material_map, sheet_of
from ssbray.domain import Micrograph, Prediction
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


def test_half_widths_do_not_grow_with_the_number_of_draws():
    random = rng.stream(0, "draws")
    mean = {count: np.mean([half_widths(0.0, random.normal(size=count), 1.0) for _ in range(4000)])
            for count in (6, 12, 60)}
    assert mean[12] == pytest.approx(1.8, abs=0.15)  # 1.645, and a little for the mean of few draws
    assert mean[6] < 1.2 * mean[60]
    assert mean[60] == pytest.approx(1.645, rel=0.1)


def test_half_widths_hold_draws_to_one_side_and_have_a_floor():
    values = 1.0 + 0.1 * rng.stream(1, "draws").normal(size=50)
    low, high = half_widths(2.0, values, 2.0)
    assert low == pytest.approx(1.0 + 1.645 * 0.1, rel=0.1)
    assert high == pytest.approx(1.645 * 0.1, rel=0.2)
    assert half_widths(100.0, np.full(12, 100.0), 100.0) == (0.2, 0.2)
    assert half_widths(0.0, np.zeros(12), 0.0) == (0.0, 0.0)


def test_where_no_factor_holds_there_is_no_interval():
    found = Trust.of({"intervals": {"correlation_px": 8.0, "specimens": 20, "widths": factors(
        {"lines": [0.1] * 7 + [math.inf] * 3, "other": [0.5] * 40})}})
    table = intervals(measured(lines=0.0, other=2.0), [measured(lines=0.0, other=2.0)] * 4, found)
    assert table["lines"]["low90"] is None
    assert table["lines"]["high90"] is None
    assert table["other"]["low90"] < 2.0 < table["other"]["high90"]


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
    assert 0.88 < np.mean(hits) < 0.92


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
    four, five, six = (solve_map(each, sheet, TABLES, 25.0, "y") for each in maps(4, 5, 6))
    found = propagate(five, [each.sigma_eff for each in (four, five, six)], Trust())
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
    open_, shut = (solve_map(each, SHEET, TABLES, 25.0, "y") for each in both)
    found = propagate(open_, [shut.sigma_eff] * 3 + [open_.sigma_eff], Trust())
    assert found.blocked == 0.75
    assert found.low90 == 0.0
    assert found.high90 >= found.sigma > 0


def test_sure_pixels_give_one_map_and_the_least_width():
    share = np.eye(6)[layered("LLZO", "NMC")].transpose(2, 0, 1)
    found = segmentation(share)
    centre = likely(found)
    draws = list(drawn(found, centre, 3, Trust(), seed=0))
    assert all(np.array_equal(each.labels, found.labels) for each in draws)
    assert all(np.array_equal(each.grains, centre.grains) for each in draws)
    first, *others = (solve_map(each, SHEET, TABLES, 25.0, "y") for each in (centre, *draws))
    solved = propagate(first, [each.sigma_eff for each in others], Trust())
    assert math.log(solved.high90 / solved.low90) == pytest.approx(0.004)


def test_grains_of_drawn_maps_fill_their_phases():
    share = np.zeros((6, 30, 30))
    share[0], share[4] = np.where(np.arange(30)[:, None] < 15, [[0.8], [0.2]][0][0], 0.2), 0.0
    share[4] = 1 - share[0]
    found = segmentation(share)
    for each in drawn(found, likely(found), 4, Trust(), seed=1):
        assert ((each.grains > 0) == np.isin(each.labels, (0, 4))).all()


def test_an_overruled_material_keeps_its_resistances():
    own = image(electrolyte="Al-LLZO", cathode="NMC811", coating=None,
                boundaries_ohm_cm2={"Al-LLZO:Al-LLZO:grain boundary": 500.0, "Al-LLZO:NMC811:La2Zr2O7": None})
    sheet = sheet_of(own, {"LLZO": "Ta-LLZO"}, TABLES)
    assert dict(sheet.boundaries) == {"Ta-LLZO:Ta-LLZO:grain boundary": 500.0, "Ta-LLZO:NMC811:La2Zr2O7": math.inf}


def prediction(mean_ln, std=0.1):
    return Prediction(mean_ln=mean_ln, epistemic_ln=0.6 * std, aleatoric_ln=0.8 * std, in_domain=True, model_version="",
                      interval90=(math.exp(mean_ln - 2 * std), math.exp(mean_ln + 2 * std)))


def test_the_images_doubt_is_in_a_predicted_conductivity():
    """Half widths add in squares; the model's alone is left where all drawn maps are the same."""
    centre = prediction(0.0)
    same = doubted(centre, [centre] * 4, 1.0, reach=2.0)
    assert same["mean"] == pytest.approx(0.01)  # S/cm of 1 S/m
    assert math.log(same["interval90"][1] / same["mean"]) == pytest.approx(math.hypot(0.2, 0.002))
    assert same["std"] == pytest.approx(0.001)
    drawn_ = [prediction(value) for value in (-0.3, 0.3, -0.3, 0.3)]
    wide = doubted(centre, drawn_, 1.5, reach=2.0)
    spread = float(np.std([-0.3, 0.3, -0.3, 0.3], ddof=1))
    assert math.log(wide["interval90"][1] / wide["mean"]) == pytest.approx(math.hypot(0.2, 1.5 * 1.645 * spread))
    assert wide["interval90"][0] * wide["interval90"][1] == pytest.approx(wide["mean"] ** 2)
    assert wide["std"] == pytest.approx(0.01 * math.hypot(0.1, spread))
    lost = doubted(centre, drawn_, math.inf, reach=2.0)
    assert lost["interval90"] == [0.0, math.inf]


def test_drawn_maps_that_do_not_conduct_open_the_interval():
    dead = replace(prediction(0.0), mean_ln=-math.inf, epistemic_ln=0.0, aleatoric_ln=0.0, interval90=(0.0, 0.0))
    assert doubted(prediction(0.0), [prediction(0.0), dead], 1.0, reach=2.0)["interval90"][0] == 0.0
    assert doubted(dead, [dead, dead], 1.0, reach=2.0) == {"mean": 0.0, "std": 0.0, "interval90": [0.0, 0.0]}
    some = doubted(dead, [dead, prediction(0.0)], 1.0, reach=2.0)
    assert some["mean"] == 0.0
    assert some["std"] is None
    assert some["interval90"] == pytest.approx([0.0, 0.01 * math.exp(0.2)])
