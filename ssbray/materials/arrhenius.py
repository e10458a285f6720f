"""Thermally activated conductivity, with the standing of each of its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ssbray.errors import InputError
from ssbray.units import BOLTZMANN_EV_PER_K, S_per_m

REFERENCE_K = 298.15  #: 25 C, where the tables are quoted

Standing = Literal["measured", "recalled", "assumption", "prior"]
STANDINGS: tuple[str, ...] = get_args(Standing)


@dataclass(frozen=True)
class Origin:
    """Where a number comes from, and how far to trust it.

    ``measured``: the named source measured it. ``recalled``: literature, not checked against the
    source. ``assumption``: chosen by engineers, or computed from other numbers under assumptions.
    ``prior``: unknown within its range, log-uniform there; the value is only where to start.
    """

    standing: Standing
    source: str

    def __post_init__(self) -> None:
        if self.standing not in STANDINGS:
            raise InputError("standing", self.standing, f"is one of {', '.join(STANDINGS)}")
        if not self.source.strip():
            raise InputError("source", self.source, "say where the number comes from")


GIVEN = Origin("assumption", "given by the user")  #: for a number that came without a source


def activation(Ea_eV: float, temperature_K: float) -> float:
    """Conductivity at a temperature over that at 25 C, for sigma*T = A exp(-Ea/kT) [-].

    This is the form of a hopping conductor. It is exactly one at 298.15 K.

    Parameters
    ----------
    Ea_eV : slope of ln(sigma*T) against -1/kT [eV]; see `from_ln_sigma` for the other form.
    temperature_K : absolute temperature, 150 to 2000 [K].

    >>> round(activation(0.30, 353.15), 2)
    5.2
    """
    if not 150 <= temperature_K <= 2000:  # a temperature in degrees Celsius would pass a bare test of its sign
        raise InputError("temperature_K", temperature_K, "must lie within 150..2000 K; 25 C is 298.15 K")
    exponent = Ea_eV / BOLTZMANN_EV_PER_K * (1 / REFERENCE_K - 1 / temperature_K)
    return REFERENCE_K / temperature_K * math.exp(exponent)


def from_ln_sigma(Ea_eV: float) -> float:
    """Turn the slope of ln(sigma) into that of ln(sigma*T): Ea + kT, taken at 25 C [eV].

    >>> round(from_ln_sigma(0.30), 4)
    0.3257
    """
    return Ea_eV + BOLTZMANN_EV_PER_K * REFERENCE_K


@dataclass(frozen=True, kw_only=True)
class Arrhenius:
    """Conductivity of one carrier in one phase: sigma*T = A exp(-Ea/kT), anchored at 25 C.

    >>> Arrhenius(sigma_25C_S_per_cm=4e-4, Ea_eV=0.3).sigma(298.15)  # S/m
    0.04
    """

    sigma_25C_S_per_cm: float  #: zero: the phase blocks this carrier exactly
    Ea_eV: float  #: slope of ln(sigma*T), whatever form the source fitted
    range_S_per_cm: tuple[float, float] | None = None  #: low, high at 25 C
    sigma_origin: Origin = GIVEN
    Ea_origin: Origin = GIVEN
    range_origin: Origin | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma_25C_S_per_cm) and self.sigma_25C_S_per_cm >= 0):
            raise InputError("sigma_25C_S_per_cm", self.sigma_25C_S_per_cm, "a conductivity is zero or more [S/cm]")
        check_activation_energy(self.Ea_eV)
        check_range("sigma_25C_S_per_cm", self.sigma_25C_S_per_cm, self.range_S_per_cm)

    @property
    def blocks(self) -> bool:
        """Whether the carrier does not pass at all."""
        return self.sigma_25C_S_per_cm == 0

    def sigma(self, temperature_K: float) -> float:
        """Conductivity at a temperature [S/m]; exactly zero where the phase blocks."""
        return S_per_m(self.sigma_25C_S_per_cm) * activation(self.Ea_eV, temperature_K)


def check_activation_energy(Ea_eV: float) -> None:
    """Refuse what cannot be an activation energy in eV."""
    if not 0 <= Ea_eV <= 3:
        raise InputError("Ea_eV", Ea_eV, "must lie within 0..3 eV; divide kJ/mol by 96.485")


def check_range(field: str, value: float, span: tuple[float, float] | None) -> None:
    """Refuse a range that is not ordered and positive, or that leaves out its own value."""
    if span is None:
        return
    low, high = span
    if not 0 < low <= high < math.inf:
        raise InputError(f"range of {field}", span, "give 0 < low <= high")
    if not low <= value <= high:
        raise InputError(field, value, f"lies outside its own range {low:g}..{high:g}: mend one of the two")
