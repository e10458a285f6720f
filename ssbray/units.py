"""Conversions between SI, used inside, and the units of the field, used at every border."""

from __future__ import annotations

ZERO_CELSIUS_K = 273.15
BOLTZMANN_EV_PER_K = 8.617333262e-5  # CODATA 2018, exact by the SI of 2019
GAS_CONSTANT_J_PER_MOL_K = 8.314462618


def S_per_m(S_per_cm: float) -> float:
    """Conductivity, S/cm to S/m."""
    return S_per_cm * 1e2


def S_per_cm(S_per_m: float) -> float:
    """Conductivity, S/m to S/cm."""
    return S_per_m * 1e-2


def ohm_m2(ohm_cm2: float) -> float:
    """Area-specific resistance, ohm cm2 to ohm m2."""
    return ohm_cm2 * 1e-4


def ohm_cm2(ohm_m2: float) -> float:
    """Area-specific resistance, ohm m2 to ohm cm2."""
    return ohm_m2 * 1e4


def metres(nanometres: float) -> float:
    """Length, nm to m."""
    return nanometres * 1e-9


def nanometres(metres: float) -> float:
    """Length, m to nm."""
    return metres * 1e9


def kelvin(celsius: float) -> float:
    """Temperature, degrees Celsius to K."""
    return celsius + ZERO_CELSIUS_K
