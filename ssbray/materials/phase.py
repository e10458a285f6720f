"""What fills space (phases), and what resists between (interfaces)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ssbray.errors import InputError
from ssbray.materials.arrhenius import GIVEN, Arrhenius, Origin, Standing, check_activation_energy, check_range

Family = Literal["electrolyte", "cathode", "reaction", "coating", "pore"]
FAMILIES: tuple[str, ...] = get_args(Family)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase: what it is, how it conducts, how it is drawn."""

    key: str
    name: str
    formula: str | None  #: None for a pore
    family: Family
    ionic: Arrhenius | None  #: None or zero: blocks lithium ions exactly
    electronic: Arrhenius | None = None  #: None: not tabulated, taken to block
    colour: str = "#999999"  #: for pictures, as #rrggbb
    note: str = ""  #: what a user of the numbers should know


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A resistance without thickness, by kind."""

    kind: str
    asr_25C_ohm_cm2: float
    Ea_eV: float  #: of the conductance, in the form (T/R) = A exp(-Ea/kT)
    range_ohm_cm2: tuple[float, float] | None = None  #: low, high at 25 C
    asr_origin: Origin = GIVEN
    Ea_origin: Origin = GIVEN
    range_origin: Origin | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.asr_25C_ohm_cm2) and self.asr_25C_ohm_cm2 >= 0):
            raise InputError("asr_25C_ohm_cm2", self.asr_25C_ohm_cm2, "a resistance is zero or more [ohm cm2]")
        check_activation_energy(self.Ea_eV)
        check_range("asr_25C_ohm_cm2", self.asr_25C_ohm_cm2, self.range_ohm_cm2)

    @property
    def source(self) -> str:
        """Source of the resistance."""
        return self.asr_origin.source

    @property
    def standing(self) -> Standing:
        """Standing of the resistance."""
        return self.asr_origin.standing
