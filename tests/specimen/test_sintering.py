import numpy as np
import pytest

from ssbray.specimen import sintering
from ssbray.specimen.laws import load

HOUR = 3600.0


def hold(celsius, hours):
    return [(celsius + 273.15, hours * HOUR)]


@pytest.mark.parametrize(("d50_um", "celsius", "hours", "density"), [
    (0.22, 1000, 5, 0.93),  # Wood 2021, time not given
    (2.0, 1100, 15, 0.925),  # 10.1016/j.ssi.2020.115407, powder size not given
    (0.2, 1130, 0.3, 0.95),  # Yi et al. 2017
])
def test_density_is_near_its_anchors(d50_um, celsius, hours, density, laws):
    assert sintering.relative_density(hold(celsius, hours), d50_um, 0.0, laws) == pytest.approx(density, abs=0.05)


def test_density_starts_green_and_rises_with_heat_time_and_fineness(laws):
    def density(celsius, hours=1.0, d50=0.5, loss=0.0):
        return sintering.relative_density(hold(celsius, hours), d50, loss, laws)

    assert density(500, 0.01, 7.0) == pytest.approx(laws.green_density, abs=0.01)
    assert (np.diff([density(T) for T in range(700, 1300, 50)]) > 0).all()
    assert density(1000, 5) > density(1000, 1)
    assert density(1000, d50=0.25) > density(1000, d50=1.0) > density(1000, d50=5.0)
    assert density(1000, loss=0.2) < density(1000)
    assert density(1300, 100, 0.2) < laws.density_limit


def test_equal_holds_add_up(laws):
    once = sintering.relative_density(hold(1000, 2), 0.3, 0.0, laws)
    assert sintering.relative_density(hold(1000, 1) * 2, 0.3, 0.0, laws) == pytest.approx(once, rel=1e-12)


def test_milling_reaches_its_limit(laws):
    assert sintering.powder_d50_um(laws.milling_time_constant_h, laws) == pytest.approx(0.2 + 6.8 / np.e)
    assert sintering.powder_d50_um(1e3, laws) == pytest.approx(0.2)


def test_grains_grow_from_powder_size_by_the_power_law(laws):
    # 1130 C is the reference: G^3 = 0.2^3 + 1.6e-3 * 1080 s = 1.736 um^3 for Ga
    assert sintering.grain_size_um(hold(1130, 0.3), 0.2, 0.0, "Ga", laws) == pytest.approx(1.736 ** (1 / 3), rel=1e-3)
    assert sintering.grain_size_um(hold(700, 0.1), 0.2, 0.0, "Ta", laws) == pytest.approx(0.2, rel=1e-2)
    assert sintering.grain_size_um(hold(1100, 1), 0.2, 0.0, "Al", laws) == pytest.approx(5.0, rel=0.05)


def test_pores_pin_grains_but_never_below_the_powder(laws):
    free = sintering.grain_size_um(hold(1200, 10), 0.3, 0.0, "Al", laws)
    pinned = sintering.grain_size_um(hold(1200, 10), 0.3, 0.1, "Al", laws)
    assert pinned == pytest.approx(1.33 * 0.35 * 0.3 / 0.1)
    assert pinned < free
    assert sintering.grain_size_um(hold(1200, 10), 0.3, 0.9, "Al", laws) == 0.3


def test_abnormal_growth_widens_the_spread(laws):
    assert sintering.grain_sigma_log(1000, "Ta", laws) == pytest.approx(0.35, abs=0.01)
    assert sintering.grain_sigma_log(1300, "Ta", laws) == pytest.approx(0.70, abs=0.01)
    assert sintering.grain_sigma_log(1120, "Al", laws) > sintering.grain_sigma_log(1120, "Ta", laws)


def test_lithium_goes_by_heat_and_by_protic_solvent(laws):
    assert sintering.lithium_loss(hold(1100, 1), 10, False, laws) == pytest.approx(1 - np.exp(-1.5e-3), rel=1e-9)
    assert sintering.lithium_loss(hold(700, 1e-6), 1e3, True, laws) == pytest.approx(0.15, abs=1e-6)
    by_heat = [sintering.lithium_loss(hold(T, 10), 0, False, laws) for T in (1000, 1100, 1200, 1300)]
    assert (np.diff(by_heat) > 0).all()


def test_only_loss_beyond_the_excess_decomposes_boundaries(laws):
    assert sintering.decomposed_boundary(0.10, 1000, laws) == 0
    film_over_5nm = 0.02 * 0.577 * 1000 / 3 / 5
    assert sintering.decomposed_boundary(0.12, 1000, laws) == pytest.approx(1 - np.exp(-film_over_5nm))
    generous = load({"lithium_excess": 0.3})
    assert sintering.decomposed_boundary(0.12, 1000, generous) == 0
