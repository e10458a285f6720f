import numpy as np
import pytest

from ssbray.specimen import ProcessParameters
from ssbray.specimen.contact import contact_fraction
from ssbray.specimen.laws import load


def test_reference_hold_gives_the_reference_neck():
    alone = load({"pressed_contact_5MPa": 0, "contact_limit": 1})
    assert contact_fraction(ProcessParameters(cosintering_temperature_C=700), alone) == pytest.approx(1 - np.exp(-1))


def test_necks_close_with_the_cube_root_of_time():
    """(x/R)^6 ~ t, and the area goes with (x/R)^2."""
    alone = load({"pressed_contact_5MPa": 0, "contact_limit": 1})
    eight = ProcessParameters(cosintering_temperature_C=700, cosintering_time_h=8)
    assert contact_fraction(eight, alone) == pytest.approx(1 - np.exp(-2))


def test_contact_rises_with_heat_and_pressure_and_stays_below_its_limit(laws):
    by_heat = [contact_fraction(ProcessParameters(cosintering_temperature_C=T), laws) for T in range(400, 1001, 50)]
    assert (np.diff(by_heat) >= 0).all()
    assert by_heat[0] < 0.1
    assert 0.9 < by_heat[-1] <= laws.contact_limit
    by_pressure = [contact_fraction(ProcessParameters(stack_pressure_MPa=P), laws) for P in (0, 5, 50, 500)]
    assert (np.diff(by_pressure) > 0).all()


def test_borates_wet(laws):
    wet = ProcessParameters(coating="LCBO", coating_thickness_nm=5)
    assert contact_fraction(wet, laws) > contact_fraction(ProcessParameters(), laws)
