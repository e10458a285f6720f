from __future__ import annotations

import pytest

from ssbray.campaign import load
from ssbray.errors import InputError
from tests.campaign import fakes


def conditional(condition):
    """A searched thickness that exists under a condition."""
    return {**fakes.SPEC["search"], "coating_thickness_nm": {"low": 1, "high": 30, "when": condition}}


@pytest.mark.parametrize(("change", "field", "says"), [
    ({"anealing": {}}, "anealing", "annealing"),
    ({"annealing": {"chain": 3}}, "annealing.chain", "did you mean 'chains'"),
    ({"annealing": {"chains": 0}}, "annealing.chains", "greater than or equal to 1"),
    ({"truth": {"rtol": "1e-8"}}, None, None),
    ({"truth": {"rtol": 2}}, "truth.rtol", "less than 1"),
    ({"seed": -1}, "seed", "greater"),
    ({"name": "a/b"}, "name", "match"),
    ({"objective": {}}, "objective", "give either"),
    ({"objective": {"minimise": "cost"}}, "objective.minimise", "asr_ohm_cm2"),
    ({"process": {"dopant": "Fe"}}, "dopant", "'Al'"),
    ({"process": {"dopnt": "Al"}}, "dopnt", "did you mean 'dopant'"),
    ({"search": {"temperature": {"low": 1, "high": 2}}}, "search.temperature", "Known"),
    ({"search": {"cosintering_time_h": {"low": 2, "high": 1}}}, "search.cosintering_time_h", "below"),
    ({"search": {"cosintering_time_h": {"low": 0, "high": 1, "log": True}}}, None, None),
    ({"search": {"cosintering_temperature_C": {"low": 100, "high": 800}}}, "search.cosintering_temperature_C",
     "greater"),
    ({"search": {"coating": {"choices": ["bare", "gold"]}}}, "search.coating", "LiNbO3"),
    ({"process": {"coating": "LCBO"}}, "search.coating", "fixed in `process` too"),
    ({"search": {"coating_thickness_nm": {"low": 1, "high": 9}}}, "search.coating_thickness_nm", "no coating"),
    ({"materials": {"phases": {"LLZOO": {"ionic": None}}}}, None, None),
    ({"laws": {"cobalt_Ea_eV": "2020-01-01"}}, None, None),
    ({"laws": {"cobalt_Ea": 1.0}}, None, None),
    ({"laws": {"cobalt_Ea_eV": {1, 2}}}, "laws", "neither number nor text"),
    ({"specimen": {"size_nm": [1e9, 1e9], "pixel_size_nm": 1e-3}}, "specimen", "more than"),
    ({"specimen": {"size_nm": [100, 99], "pixel_size_nm": 5}}, "specimen", "whole number of pixels"),
    ({"surrogate": {"hiden": 3}}, "surrogate.hiden", "did you mean 'hidden'"),
    ({"search": {"coating": {"choice": ["bare"]}}}, None, None),
    ({"specimen": {"size_nm": [10, 10], "pixel_size_nm": 4}}, "specimen", "8 pixels"),
    ({"objective": {"minimise": "asr_ohm_cm2", "risk": "median"}}, "objective.risk", "quantile"),
    ({"objective": {"minimise": "asr_ohm_cm2", "risk": 0.1}}, "objective.risk", "0.5"),
    ({"objective": {"minimise": "asr_ohm_cm2", "anomaly_weight": -1}}, "objective.anomaly_weight", "greater"),
    ({"objective": {"minimise": "asr_ohm_cm2", "constraints": {"pores": 0.1}}}, "objective.constraints.pores",
     "porosity"),
    ({"objective": {"minimise": "asr_ohm_cm2", "constraints": {"porosity": 0}}}, "objective.constraints.porosity",
     "greater than 0"),
    ({"annealing": {"schedule": "literally"}}, "annealing.schedule", "adaptive"),
    ({"search": conditional({"coat": ["LCBO"]})}, "search.coating_thickness_nm.when", "did you mean 'coating'"),
    ({"search": conditional({"coating": ["gold"]})}, "search.coating_thickness_nm.when", "must list choices"),
    ({"search": conditional({"cosintering_time_h": ["1"]})}, "search.coating_thickness_nm.when", "no categorical"),
    ({"search": conditional("LCBO")}, "search.coating_thickness_nm.when", "dictionary"),
    ({"specimen": {"pixel_size_nm": float("nan")}}, "specimen.pixel_size_nm", "finite"),
])
def test_a_bad_spec_names_the_field_and_the_remedy(change, field, says):
    if change.get("truth", {}).get("rtol") == "1e-8":
        assert fakes.spec(**change).truth.rtol == 1e-8  # what YAML reads as text is still a number
        return
    with pytest.raises(InputError) as caught:
        fakes.spec(**change)
    if field is not None:
        assert caught.value.field == field
        assert says in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "- a\n", "name: [", "\x00", "just text"])
def test_what_is_no_spec_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "spec.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "absent.yaml")


def test_the_digest_knows_what_decides_and_nothing_else():
    base = fakes.spec()
    assert fakes.spec(cluster={"solvers": 7}, name="other").digest == base.digest
    assert fakes.spec(seed=12).digest != base.digest
    assert fakes.spec(materials={"phases": {}}).digest != base.digest


def test_a_spec_that_uses_none_of_what_came_later_is_still_the_same():
    """Campaigns that were begun before go on."""
    assert fakes.spec().digest == "e376df96aea0a106cd77c37ffdb86e80ad67a883a8012005620621302356b897"
    plain = fakes.spec(objective={"minimise": "asr_ohm_cm2", "risk": "mean", "anomaly_weight": 0, "constraints": {}},
                       annealing={**fakes.SPEC["annealing"], "schedule": "adaptive"})
    assert plain.digest == fakes.spec().digest
    for change in ({"objective": {"minimise": "asr_ohm_cm2", "risk": 0.9}},
                   {"objective": {"minimise": "asr_ohm_cm2", "constraints": {"porosity": 0.1}}},
                   {"search": conditional({"coating": ["LCBO"]})},
                   {"annealing": {**fakes.SPEC["annealing"], "schedule": "literal"}}):
        assert fakes.spec(**change).digest != plain.digest
