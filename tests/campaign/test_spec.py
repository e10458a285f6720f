from __future__ import annotations

import pytest

from ssbray.campaign import load
from ssbray.errors import InputError
from tests.campaign import fakes


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
    ({"search": {"cosintering_time_h": {"low": 2, "high": 1}}}, "range", "below"),
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
