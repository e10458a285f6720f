import pytest
from pydantic import ValidationError

from ssbray.errors import InputError
from ssbray.specimen import ProcessLaws, constants
from ssbray.specimen.laws import load


def test_every_number_of_the_laws_has_unit_standing_and_source():
    assert set(constants()) == set(ProcessLaws.model_fields)
    assert {entry.standing for entry in constants().values()} == {"measured", "recalled", "assumption", "prior"}
    assert all(entry.unit for entry in constants().values())


def test_only_what_was_published_is_called_measured():
    measured = {name for name, entry in constants().items() if entry.standing == "measured"}
    assert measured == {"powder_d50_limit_um", "cobalt_diffusivity_700C_cm2_per_s", "cobalt_Ea_eV",
                        "lithium_niobate_crystallisation_C", "pressed_contact_exponent"}


def test_an_override_replaces_one_number_and_leaves_the_rest():
    changed = load({"growth_exponent": 2, "contact_rate_coating": {"LCBO": 3}})
    assert changed.growth_exponent == 2
    assert changed.contact_rate_coating.LCBO == 3
    assert changed.contact_rate_coating.Li3BO3 == load().contact_rate_coating.Li3BO3
    assert changed.growth_Q_kJ_per_mol == load().growth_Q_kJ_per_mol


@pytest.mark.parametrize(("overrides", "field", "remedy"), [
    ({"growth_exponant": 2}, "laws.growth_exponant", "did you mean 'growth_exponent'"),
    ({"contact_rate_coating": {"LCOB": 3}}, "laws.contact_rate_coating.LCOB", "did you mean 'LCBO'"),
    ({"contact_limit": 1.2}, "laws.contact_limit", "less than or equal to 1"),
    ({"reaction_rate_dopant": {"Al": -1}}, "laws.reaction_rate_dopant.Al", "greater than 0"),
    ({"reaction_rate_dopant": 3}, "laws.reaction_rate_dopant", "ByDopant"),
])
def test_a_bad_override_says_which_and_why(overrides, field, remedy):
    with pytest.raises(InputError) as caught:
        load(overrides)
    assert caught.value.field == field
    assert remedy in caught.value.remedy


def test_laws_cannot_change():
    with pytest.raises(ValidationError):
        load().growth_exponent = 2
