import pytest
from pydantic import ValidationError

from ssbray.errors import InputError
from ssbray.specimen import ProcessParameters


def test_a_bare_interface_has_no_coating_thickness():
    assert ProcessParameters(coating="bare", coating_thickness_nm=30).coating_thickness_nm == 0
    assert ProcessParameters(coating="bare", coating_thickness_nm=30) == ProcessParameters()
    assert ProcessParameters(coating="LCBO", coating_thickness_nm=30).coating_thickness_nm == 30


@pytest.mark.parametrize(("mapping", "field", "value", "remedy"), [
    ({"cosintering_temp_C": 700}, "cosintering_temp_C", 700, "did you mean 'cosintering_temperature_C'"),
    ({"cosintering_temperature_C": 1200}, "cosintering_temperature_C", 1200, "less than or equal to 1000"),
    ({"coating": "LiNbO"}, "coating", "LiNbO", "'LiNbO3'"),
    ({"milling_time_h": float("nan")}, "milling_time_h", None, "finite"),
    ({"dopant": "Ta", "atmosphere": "N2"}, "atmosphere", "N2", "'air' or 'O2'"),
])
def test_bad_input_names_field_value_and_remedy(mapping, field, value, remedy):
    with pytest.raises(InputError) as caught:
        ProcessParameters.parse(mapping)
    assert caught.value.field == field
    assert value is None or caught.value.value == value
    assert remedy in caught.value.remedy


def test_parsing_its_own_dump_gives_it_back():
    parameters = ProcessParameters(dopant="Ga", coating="LiAlO2", coating_thickness_nm=7, atmosphere="O2")
    assert ProcessParameters.parse(parameters.model_dump()) == parameters


def test_parameters_cannot_change():
    with pytest.raises(ValidationError):
        ProcessParameters().dopant = "Al"
