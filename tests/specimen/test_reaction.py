import numpy as np
import pytest

from ssbray.specimen import ProcessParameters, reaction
from ssbray.specimen.laws import load


@pytest.mark.parametrize(("celsius", "hours", "length_nm"), [
    (400, 10, 7.3), (500, 1, 14.5), (600, 1, 60), (700, 1, 185), (900, 1, 987),
])
def test_cobalt_diffuses_as_measured(celsius, hours, length_nm, laws):
    length = 1e9 * np.sqrt(reaction.cobalt_diffusivity(celsius + 273.15, laws) * 3600 * hours)
    assert length == pytest.approx(length_nm, rel=0.01)


def test_a_bare_layer_is_parabolic(laws):
    # Ta, NMC622, air have factor one: w = a sqrt(2 D t) = 0.4 * sqrt(2) * 184.5 nm
    at = ProcessParameters(cathode="NMC622", cosintering_temperature_C=700, cosintering_time_h=1)
    assert reaction.reaction_thickness_nm(at, laws) == pytest.approx(104.4, rel=2e-3)
    four = at.model_copy(update={"cosintering_time_h": 4.0})
    assert reaction.reaction_thickness_nm(four, laws) == pytest.approx(208.8, rel=2e-3)


@pytest.mark.parametrize(("celsius", "low_nm", "high_nm"), [(500, 2, 15), (700, 30, 150)])
def test_bare_layers_have_the_size_that_is_seen(celsius, low_nm, high_nm, laws):
    for atmosphere in ("air", "O2"):
        at = ProcessParameters(cosintering_temperature_C=celsius, atmosphere=atmosphere)
        assert low_nm < reaction.reaction_thickness_nm(at, laws) < high_nm


def test_a_native_film_adds_in_squares():
    at = ProcessParameters(cathode="NMC622")
    assert reaction.reaction_thickness_nm(at, load({"reaction_initial_nm": 50})) == pytest.approx(
        np.hypot(104.4, 50), rel=2e-3)


def test_a_coating_delays_by_its_time_lag_exactly(laws):
    # LCBO at 700 C: Dc = 1e-15 cm2/s = 1e-19 m2/s, so 30 nm hold for (30e-9)^2 / 6e-19 = 1500 s
    coated = ProcessParameters(coating="LCBO", coating_thickness_nm=30, cosintering_temperature_C=700)
    before = coated.model_copy(update={"cosintering_time_h": 1499 / 3600})
    after = coated.model_copy(update={"cosintering_time_h": 1501 / 3600})
    assert reaction.reaction_thickness_nm(before, laws) == 0
    assert reaction.reaction_thickness_nm(after, laws) > 0


def test_growth_under_a_coating_solves_its_differential_equation(laws):
    coated = ProcessParameters(coating="LCBO", coating_thickness_nm=10)
    rate = reaction.parabolic_rate(coated, laws)
    series = 10e-9 * (rate / 2) / 1e-19
    w, steps = 0.0, 200_000
    dt = (3600 - (10e-9) ** 2 / 6e-19) / steps
    for _ in range(steps):
        w += dt * (rate / 2) / (w + series)
    assert reaction.reaction_thickness_nm(coated, laws) == pytest.approx(1e9 * w, rel=1e-3)


def test_a_vanishing_coating_is_a_bare_interface(laws):
    coated = ProcessParameters(coating="LCBO", coating_thickness_nm=1e-6)
    assert reaction.reaction_thickness_nm(coated, laws) == pytest.approx(
        reaction.reaction_thickness_nm(ProcessParameters(), laws), rel=1e-4)


def test_the_layer_grows_with_heat_time_air_nickel_and_shrinks_with_coating(laws):
    def thickness(**changes):
        return reaction.reaction_thickness_nm(ProcessParameters(**changes), laws)

    assert (np.diff([thickness(cosintering_temperature_C=T) for T in range(400, 1001, 50)]) > 0).all()
    assert thickness(cosintering_time_h=3) > thickness(cosintering_time_h=1)
    assert thickness(atmosphere="air") > thickness(atmosphere="O2")
    assert thickness(dopant="Al") > thickness(dopant="Ta")
    assert thickness(cathode="NMC811") > thickness(cathode="NMC622") > thickness(cathode="NMC111")
    under = [thickness(coating="LCBO", coating_thickness_nm=t) for t in (0, 5, 10, 20, 40)]
    assert (np.diff(under) < 0).all()


def test_products_block_above_their_onset_which_carbon_dioxide_lowers(laws):
    def share(celsius, atmosphere):
        at = ProcessParameters(cosintering_temperature_C=celsius, atmosphere=atmosphere)
        return reaction.blocking_share(at, laws)

    assert share(500, "air") == pytest.approx(0.5)
    assert share(850, "O2") == pytest.approx(0.5)
    assert share(700, "air") > 0.99
    assert share(700, "O2") < 0.02


@pytest.mark.parametrize(("celsius", "phase"), [(450, "LiNbO3-amorphous"), (451, "LiNbO3-crystalline")])
def test_lithium_niobate_crystallises_above_450(celsius, phase, laws):
    assert reaction.coating_phase(ProcessParameters(coating="LiNbO3", cosintering_temperature_C=celsius), laws) == phase


def test_heat_thins_the_coating(laws):
    def left(celsius):
        at = ProcessParameters(coating="LCBO", coating_thickness_nm=10, cosintering_temperature_C=celsius)
        return reaction.coating_left_nm(at, laws)

    assert left(400) == pytest.approx(10, abs=0.02)
    assert left(700) == pytest.approx(10 - 0.2 * 1e9 * np.sqrt(1e-19 * 3600), rel=1e-6)
    assert left(1000) == 0
