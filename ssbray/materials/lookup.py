"""The tables, as the rest of the package asks them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ssbray.domain import boundary_parts
from ssbray.errors import InputError, nearest
from ssbray.materials.arrhenius import REFERENCE_K, Arrhenius, activation
from ssbray.materials.charge import check_formula
from ssbray.materials.phase import Interface, Phase
from ssbray.units import metres, ohm_cm2, ohm_m2

CARRIERS = ("ionic", "electronic")


@dataclass(frozen=True, eq=False)
class Materials:
    """Phases and interfaces by name. Read-only, and fit to be sent to another process."""

    phases: Mapping[str, Phase]
    interfaces: Mapping[str, Interface]
    aliases: Mapping[str, str]  #: other name of a phase -> its key
    unverified: Mapping[str, str]  #: name that is accepted only with a conductivity of the user's -> its formula

    def __post_init__(self) -> None:
        for name in ("phases", "interfaces", "aliases", "unverified"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        return Materials, (dict(self.phases), dict(self.interfaces), dict(self.aliases), dict(self.unverified))

    def phase(self, key: str) -> Phase:
        """Phase of that key or alias.

        An unverified name (Li2Zr2O7) warns each time it is asked for.

        Raises
        ------
        InputError : for an unknown name, and for an unverified one to which nobody gave a conductivity.
        """
        key = self.aliases.get(key, key)
        if key in self.unverified:
            check_formula(self.unverified[key])
        if key in self.phases:
            return self.phases[key]
        if key in self.unverified:
            raise InputError("phase", key, "an unverified name, without a conductivity in the tables: name the phase "
                             f"that was identified, or give materials.phases.{key}.ionic explicitly")
        raise InputError("phase", key, nearest(key, [*self.phases, *self.aliases]))

    def sigma(self, phase_key: str, temperature_K: float, carrier: str = "ionic") -> float:
        """Conductivity of a phase [S/m]; exactly zero where it blocks the carrier, "ionic" or "electronic"."""
        arrhenius = _carrier(self.phase(phase_key), carrier)
        return 0.0 if arrhenius is None else arrhenius.sigma(temperature_K)

    def interface(self, kind: str) -> Interface:
        """Interface resistance of a kind, such as "grain boundary"."""
        if kind not in self.interfaces:
            raise InputError("interface", kind, f"{nearest(kind, self.interfaces)}; "
                             "a coating or thin layer goes by its phase, such as LiNbO3-amorphous")
        return self.interfaces[kind]

    def layer_asr_ohm_cm2(self, phase_key: str, thickness_nm: float) -> float:
        """Resistance at 25 C of a layer of a phase, thickness over conductivity [ohm cm2]; infinite if it blocks."""
        if not (math.isfinite(thickness_nm) and thickness_nm >= 0):
            raise InputError("thickness_nm", thickness_nm, "a layer is zero or more nanometres thick")
        sigma = self.sigma(phase_key, REFERENCE_K)
        if thickness_nm == 0:
            return 0.0
        return ohm_cm2(metres(thickness_nm) / sigma) if sigma > 0 else math.inf

    def asr(self, boundary_name: str, asr_25C_ohm_cm2: float, temperature_K: float) -> float:
        """Carry the resistance of a boundary from 25 C to a temperature.

        R(T) = R(25 C) sigma(25 C) / sigma(T), with the activation energy of what the boundary is.

        Parameters
        ----------
        boundary_name : "<phase>:<phase>:<what>", where <what> is a kind of interface, or the phase
            of a layer, such as "Al-LLZO:NMC811:LiNbO3-amorphous".
        asr_25C_ohm_cm2 : zero or more, infinite where nothing passes [ohm cm2].
        temperature_K : absolute temperature [K].

        Returns
        -------
        Area-specific resistance at that temperature [ohm m2].
        """
        what = boundary_parts(boundary_name)[2]
        if not asr_25C_ohm_cm2 >= 0:
            raise InputError(boundary_name, asr_25C_ohm_cm2, "an area-specific resistance is zero or more [ohm cm2]")
        if what in self.interfaces:
            return ohm_m2(asr_25C_ohm_cm2) / activation(self.interfaces[what].Ea_eV, temperature_K)
        ionic = self._layer(what).ionic
        if ionic is None or ionic.blocks:
            if 0 < asr_25C_ohm_cm2 < math.inf:
                raise InputError(boundary_name, asr_25C_ohm_cm2,
                                 f"a layer of {what} blocks: make it infinite, or give {what} a conductivity")
            return ohm_m2(asr_25C_ohm_cm2)
        return ohm_m2(asr_25C_ohm_cm2) / activation(ionic.Ea_eV, temperature_K)

    def table(self) -> list[dict[str, Any]]:
        """Rows of the conductivity table, one per phase and carrier, for documentation."""
        rows = []
        for phase in self.phases.values():
            for carrier in CARRIERS:
                if (a := _carrier(phase, carrier)) is not None:
                    rows.append({
                        "phase": phase.key, "carrier": carrier, "sigma_25C_S_per_cm": a.sigma_25C_S_per_cm,
                        "Ea_eV": a.Ea_eV, "range_S_per_cm": a.range_S_per_cm, "standing": a.sigma_origin.standing,
                        "source": a.sigma_origin.source, "Ea_standing": a.Ea_origin.standing,
                        "Ea_source": a.Ea_origin.source,
                    })
        return rows

    def interface_table(self) -> list[dict[str, Any]]:
        """Rows of the table of interface resistances, one per kind, for documentation."""
        return [{
            "interface": i.kind, "asr_25C_ohm_cm2": i.asr_25C_ohm_cm2, "Ea_eV": i.Ea_eV,
            "range_ohm_cm2": i.range_ohm_cm2, "standing": i.standing, "source": i.source,
            "Ea_standing": i.Ea_origin.standing, "Ea_source": i.Ea_origin.source,
        } for i in self.interfaces.values()]

    def _layer(self, what: str) -> Phase:
        if what in self.aliases or what in self.phases or what in self.unverified:
            return self.phase(what)
        raise InputError("boundary", what, nearest(what, [*self.interfaces, *self.phases, *self.aliases]))


def _carrier(phase: Phase, carrier: str) -> Arrhenius | None:
    if carrier not in CARRIERS:
        raise InputError("carrier", carrier, f"is one of {', '.join(CARRIERS)}")
    return phase.ionic if carrier == "ionic" else phase.electronic
