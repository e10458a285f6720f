"""HyperScore: the formula, what V is made of, and that what is not known is not made up."""

from __future__ import annotations

import math

import pytest

from ssbray.campaign import hyperscore, ranking
from ssbray.errors import InputError
from tests.campaign import fakes

HERE = {"cosintering_temperature_C": 700.0, "cosintering_time_h": 1.0, "coating": "LCBO", "coating_thickness_nm": 10.0}
REFERENCE = fakes.spec().reference_design.model_dump()


def entry(role, sigma, specimens, **parameters):
    return {"role": role, "parameters": {**REFERENCE, **parameters}, "sigma_eff_S_per_cm": sigma,
            "specimens": specimens}


def summary(**check):
    """Best twice as good as the reference; the surrogate is exact but for the one finalist, whose interval misses."""
    found = {"n": 10, "mape_percent": 5.0, "coverage90": 0.8, "ln_sigma_S_per_m": [0.0] * 10,
             "mean_ln": [0.0] * 8 + [math.log(1.25)] * 2, "std_ln": [0.01] * 10,
             "roles": ["best"] * 3 + ["reference"] * 3 + ["best without its coating"] * 2 + ["finalist"] * 2}
    return {"surrogate": {"fresh_specimens": {**found, **check}}, "improvement_percent": 100.0,
            "best": entry("best", 2e-7, 3, **HERE), "reference": entry("reference", 1e-7, 3),
            "best_without_coating": entry("best without its coating", 0.5e-7, 2, **{**HERE, "coating": "bare"}),
            "finalists": [entry("finalist", 1.5e-7, 2, **{**HERE, "coating_thickness_nm": 30.0})]}


def test_hyperscore_grows_with_v_and_is_recalled_from_its_formula():
    values = [hyperscore.hyperscore(v) for v in (0.1, 0.5, 0.9, 1.0)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(100 * (1 + (1 / 3) ** 2))  # sigmoid(-ln 2) is one third
    assert values[1] == pytest.approx(100 * (1 + (0.5**5 / 2 / (1 + 0.5**5 / 2)) ** 2))  # e^(5 ln V - ln 2) = V^5 / 2
    for wrong in (0.0, 1.1, -1.0):
        with pytest.raises(InputError):
            hyperscore.hyperscore(wrong)


def test_no_part_of_v_can_be_bought_with_another():
    assert hyperscore.joined({"a": 0.25, "b": 1.0}) == pytest.approx(0.5)
    assert hyperscore.joined({"a": 1e-6, "b": 1.0}) < 0.01
    assert hyperscore.gain(35) == pytest.approx(1 - 1 / 1.35)
    assert hyperscore.gain(-20) == hyperscore.gain(-100) == 1e-6


def test_a_campaign_is_scored_by_what_its_summary_says():
    found = ranking.campaign(fakes.spec(), summary()).described()
    novelty = ranking.distance(fakes.spec(), {**REFERENCE, **HERE}, REFERENCE)
    assert found["parts"] == pytest.approx({"accuracy": 1 / 1.05, "calibration": 0.9, "gain": 0.5, "novelty": novelty})
    assert found["value"] == pytest.approx((1 / 1.05 * 0.9 * 0.5 * novelty) ** 0.25)
    assert found["score"] == hyperscore.hyperscore(found["value"])
    assert found["missing"] == []


@pytest.mark.parametrize(("change", "lacks"), [
    ({"improvement_percent": None}, ["gain"]),
    ({"surrogate": {"fresh_specimens": {"n": 0, "mape_percent": None, "coverage90": None}}},
     ["accuracy", "calibration"])])
def test_what_is_not_known_is_named_and_gives_no_score(change, lacks):
    rank = ranking.campaign(fakes.spec(), {**summary(), **change})
    assert rank.described()["missing"] == lacks
    assert (rank.value, rank.described()["score"]) == (None, None)
    assert ranking.campaign(fakes.spec(), None).missing == ("accuracy", "calibration", "gain", "novelty")


def test_designs_are_ranked_and_each_has_its_own_specimens():
    found = {rank.name: rank for rank in ranking.designs(fakes.spec(), summary())}
    assert list(found) == ["best", "finalist 1", "best without its coating"]
    assert found["best"].parts["accuracy"] == found["best without its coating"].parts["accuracy"] == 1.0
    assert found["finalist 1"].parts["accuracy"] == pytest.approx(1 / 1.25)
    assert found["finalist 1"].parts["calibration"] == pytest.approx(0.1)
    assert found["finalist 1"].parts["gain"] == pytest.approx(1 / 3)
    assert found["best without its coating"].parts["gain"] == hyperscore.LEAST


def without(summary_, *gone):
    """A summary less the predictions of those numbers, as when specimens block."""
    check = summary_["surrogate"]["fresh_specimens"]
    for name in ("ln_sigma_S_per_m", "mean_ln", "std_ln", "roles"):
        check[name] = [value for number, value in enumerate(check[name]) if number not in gone]
    check["n"] = len(check["roles"])
    return summary_


def with_two_finalists():
    """The first as in `summary`; the second is exact."""
    made = summary()
    made["finalists"].append(entry("finalist", 1.2e-7, 1, **{**HERE, "coating_thickness_nm": 50.0}))
    check = made["surrogate"]["fresh_specimens"]
    for name, value in (("ln_sigma_S_per_m", 0.0), ("mean_ln", 0.0), ("std_ln", 0.01), ("roles", "finalist")):
        check[name].append(value)
    return made


@pytest.mark.parametrize(("gone", "accuracy"), [
    ((), {"best": 1.0, "finalist 1": 1 / 1.25, "finalist 2": 1.0, "best without its coating": 1.0}),
    ((8,), {"best": 1.0, "finalist 1": None, "finalist 2": None, "best without its coating": 1.0}),  # or the other's
    ((0, 3, 6), {"best": 1.0, "finalist 1": 1 / 1.25, "finalist 2": 1.0, "best without its coating": 1.0}),
    ((6, 7), {"best": 1.0, "finalist 1": 1 / 1.25, "finalist 2": 1.0, "best without its coating": None})])
def test_a_specimen_that_blocks_takes_no_other_designs_score(gone, accuracy):
    """Only among finalists, who share a role, can nobody tell then whose predictions are whose."""
    found = {rank.name: rank.parts for rank in ranking.designs(fakes.spec(), without(with_two_finalists(), *gone))}
    assert {name: parts["accuracy"] for name, parts in found.items()} == pytest.approx(accuracy)
    assert all((parts["calibration"] is None) == (parts["accuracy"] is None) for parts in found.values())


def test_a_lone_finalist_is_told_by_its_role():
    found = {rank.name: rank.parts for rank in ranking.designs(fakes.spec(), without(summary(), 9))}
    assert found["finalist 1"]["accuracy"] == pytest.approx(1 / 1.25)


def test_a_summary_from_before_there_were_roles_lacks_the_parts():
    old = summary()
    del old["surrogate"]["fresh_specimens"]["roles"]
    (best, *others) = ranking.designs(fakes.spec(), old)
    assert {rank.missing for rank in (best, *others)} == {("accuracy", "calibration")}
    assert best.parts["gain"] == 0.5


def test_a_best_design_without_a_coating_is_listed_once():
    same = summary()
    same["best_without_coating"] = {**same["best"], "role": "best without its coating", "specimens": 2}
    assert [rank.name for rank in ranking.designs(fakes.spec(), same)] == ["best", "finalist 1"]


def test_distance_is_that_in_the_searched_ranges():
    spec, far = fakes.spec(), {"cosintering_temperature_C": 900.0, "cosintering_time_h": 10.0, "coating": "bare",
                               "coating_thickness_nm": 30.0}
    near = {"cosintering_temperature_C": 500.0, "cosintering_time_h": 0.1, "coating": "LCBO",
            "coating_thickness_nm": 1.0}
    assert ranking.distance(spec, near, far) == ranking.distance(spec, far, near) == pytest.approx(1.0)
    assert ranking.distance(spec, far, far) == 0.0
    assert ranking.distance(spec, {**far, "cosintering_time_h": 1.0}, far) == pytest.approx(0.25)  # half, of four
    assert ranking.distance(spec, {**far, "coating_thickness_nm": 200.0}, far) == 0.0  # beyond the range is its end
    assert 0 < ranking.campaign(spec, {**summary(), "best": entry("best", 1e-7, 3)}).parts["novelty"] <= 1e-6
