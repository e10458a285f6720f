"""Activation, against numbers worked out by hand."""

import math

import pytest

from ssbray.errors import InputError
from ssbray.materials import Arrhenius, Origin, activation, from_ln_sigma

WARM_K = 353.15  # 80 C


def test_conductivity_at_80_C_is_the_hand_computed_one():
    """1/298.15 - 1/353.15 = 5.223585e-4; times 0.30/8.617333e-5 = 1.818516; exp = 6.162704; times 298.15/353.15."""
    garnet = Arrhenius(sigma_25C_S_per_cm=4e-4, Ea_eV=0.30)
    assert garnet.sigma(WARM_K) == pytest.approx(0.04 * 5.202917, rel=1e-6)


def test_at_25_C_it_is_the_tabulated_value_to_the_last_bit():
    assert Arrhenius(sigma_25C_S_per_cm=3.7e-4, Ea_eV=0.41).sigma(298.15) == 3.7e-4 * 1e2
    assert activation(1.1, 298.15) == 1.0


def test_conductivity_times_temperature_is_what_the_activation_energy_describes():
    """The slope of ln(sigma T) against 1/kT, not that of ln(sigma), is -Ea."""
    cold, warm = 298.15, 358.15
    k = 8.617333262e-5
    rise = math.log(activation(0.35, warm) * warm / (activation(0.35, cold) * cold))
    assert rise / (1 / (k * cold) - 1 / (k * warm)) == pytest.approx(0.35, rel=1e-12)


def test_mixing_the_two_forms_up_costs_18_percent_and_converting_mends_it():
    Ea = 0.30  # as fitted to ln(sigma)
    truth = math.exp(Ea / 8.617333262e-5 * (1 / 298.15 - 1 / WARM_K))
    assert truth / activation(Ea, WARM_K) == pytest.approx(1.1845, abs=1e-4)
    assert activation(from_ln_sigma(Ea), WARM_K) == pytest.approx(truth, rel=0.015)
    tangent = [math.log(activation(from_ln_sigma(Ea), 298.15 + dT)) for dT in (-0.01, 0.01)]
    assert (tangent[1] - tangent[0]) / 0.02 == pytest.approx(Ea / 8.617333262e-5 / 298.15**2, rel=1e-6)


def test_blocking_is_exactly_zero_at_every_temperature():
    wall = Arrhenius(sigma_25C_S_per_cm=0.0, Ea_eV=0.0)
    assert wall.blocks
    assert [wall.sigma(T) for T in (250.0, 298.15, 400.0)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("temperature", [25.0, -10.0, 0.0, math.nan, math.inf])
def test_a_temperature_in_celsius_is_refused(temperature):
    with pytest.raises(InputError, match=r"25 C is 298\.15 K"):
        activation(0.3, temperature)


@pytest.mark.parametrize("changed", [
    {"sigma_25C_S_per_cm": -1e-4}, {"sigma_25C_S_per_cm": math.nan}, {"Ea_eV": 98.4}, {"Ea_eV": -0.1},
    {"range_S_per_cm": (1e-6, 1e-5)}, {"range_S_per_cm": (1e-3, 1e-5)}, {"range_S_per_cm": (0.0, 1e-3)},
])
def test_impossible_numbers_are_refused(changed):
    with pytest.raises(InputError):
        Arrhenius(**{"sigma_25C_S_per_cm": 1e-4, "Ea_eV": 0.3, **changed})


def test_an_origin_needs_a_known_standing_and_a_source():
    with pytest.raises(InputError, match="measured, recalled, assumption, prior"):
        Origin("guess", "somewhere")
    with pytest.raises(InputError, match="where the number comes from"):
        Origin("measured", "  ")
