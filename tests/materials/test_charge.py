"""Charge balance of the phases and of their misspellings."""

import warnings

import pytest

from ssbray.errors import InputError, SsbrayWarning
from ssbray.materials import charge_balance, check_formula


@pytest.mark.parametrize("formula", [
    "Li7La3Zr2O12", "Li6.4La3Zr1.4Ta0.6O12", "Li6.25Al0.25La3Zr2O12", "Li6.25Ga0.25La3Zr2O12", "La2Zr2O7", "Li6Zr2O7",
    "Li2ZrO3", "LiNbO3", "Li3BO3", "Li2.3C0.7B0.3O3", "LiAlO2", "Li2CO3", "La(Ni,Co)O3", "LaNi0.5Co0.5O3",
    "LiNi0.8Mn0.1Co0.1O2", "LiNi0.6Mn0.2Co0.2O2", "Li3NiMnCoO6", "Li1.3Al0.3Ti1.7(PO4)3", "LiFePO4", "Li", "O2",
])
def test_neutral(formula):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_formula(formula) == 0


@pytest.mark.parametrize(("formula", "left_over"), [
    ("Li2Zr2O7", -4), ("La3Zr2O7", 3), ("Li6.5La3Zr2O12", -0.5), ("NiO3", -2), ("Ni3O", 4), ("La(Ni,Co)O4", -1),
])
def test_what_is_left_over(formula, left_over):
    assert charge_balance(formula) == left_over
    assert isinstance(charge_balance(formula), type(left_over))


def test_li2zr2o7_warns_with_both_charges_and_the_usual_suspects():
    with pytest.warns(SsbrayWarning, match=r"\+10 against -14, probably La2Zr2O7 or Li6Zr2O7"):
        assert check_formula("Li2Zr2O7") == -4


def test_decimals_do_not_leave_a_rounding_error():
    """0.1 + 0.2 is not 0.3 in binary; a warning for that would be a false one."""
    assert charge_balance("Li0.1Na0.2Cl0.3") == 0


def test_given_oxidation_states_go_first():
    assert charge_balance("LiNi0.8Mn0.1Co0.1O2", {"Ni": 2, "Mn": 4, "Co": 3}) == pytest.approx(-0.7)
    assert charge_balance("Li2O2", {"O": -1}) == 0
    assert [charge_balance(oxide, {"O": (-2, -1)}) for oxide in ("Li2O", "Li2O2", "Li4O")] == [0, 0, 2]
    assert charge_balance("XeO3", {"Xe": (4, 6)}) == 0


def test_an_element_without_a_state_is_named():
    with pytest.raises(InputError, match="no oxidation state is known for Xe"):
        charge_balance("XeO3")
