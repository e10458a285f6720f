"""Which part each phase of a map plays at the interface."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import PhaseMap
from ssbray.errors import InputError, nearest

OUTSIDE, ELECTROLYTE, CATHODE, LAYER, PORE = (np.uint8(k) for k in range(5))  #: values of a map of parts
_ELECTROLYTE = re.compile(r"(.+-)?llz(t|n|b)?o|electrolyte|garnet", re.IGNORECASE)
_ALTERED = re.compile(r"(t|a)-llzo", re.IGNORECASE)  #: tetragonal and amorphous: products, not the electrolyte
_CATHODE = re.compile(r"(nmc|ncm|nca)\d*|lco|lno|lmo|lfp|lnmo|licoo2|linio2|cathode", re.IGNORECASE)
_PORE = re.compile(r"(pore|void|crack|gap)s?|porosity", re.IGNORECASE)
_OUTSIDE = re.compile(r"background|vacuum|outside|resin|epoxy|unknown|platinum|pt", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Names of the phases by their part. A phase with no part is outside: no interface, no pore, no area."""

    electrolyte: tuple[str, ...] = ()
    cathode: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()  #: reaction layers and coatings, in any order
    pore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for part in fields(self):
            for phase in getattr(self, part.name):
                if phase in seen:
                    raise InputError(f"roles.{part.name}", phase, f"already under {seen[phase]}: keep one of the two")
                seen[phase] = part.name

    @classmethod
    def guess(cls, phases: Iterable[str]) -> Roles:
        """Read the parts from the names.

        Garnets are the electrolyte (t-LLZO and a-LLZO, which the interface makes of it, are layers);
        NMC*, NCA, LCO and their kind the cathode; pore, void, crack and gap are pores; background,
        vacuum, resin and protective platinum lie outside; everything else is a layer.

        >>> Roles.guess(["Ta-LLZO", "NMC811", "La2Zr2O7", "t-LLZO", "pore", "vacuum"])
        ... # doctest: +NORMALIZE_WHITESPACE
        Roles(electrolyte=('Ta-LLZO',), cathode=('NMC811',), layers=('La2Zr2O7', 't-LLZO'), pore=('pore',))
        """
        parts: dict[str, list[str]] = {"electrolyte": [], "cathode": [], "layers": [], "pore": []}
        for phase in phases:
            if _OUTSIDE.fullmatch(phase):
                continue
            if _ELECTROLYTE.fullmatch(phase) and not _ALTERED.fullmatch(phase):
                parts["electrolyte"].append(phase)
            elif _CATHODE.fullmatch(phase):
                parts["cathode"].append(phase)
            else:
                parts["pore" if _PORE.fullmatch(phase) else "layers"].append(phase)
        return cls(**{part: tuple(names) for part, names in parts.items()})

    def parts(self, phase_map: PhaseMap) -> NDArray[np.uint8]:
        """Part that each phase of a map plays, (n_phases,): `OUTSIDE`, `ELECTROLYTE`, `CATHODE`, `LAYER` or `PORE`.

        Raises
        ------
        InputError : for a phase that the map does not have.
        """
        part = np.full(len(phase_map.phases), OUTSIDE)
        for name, code in (("electrolyte", ELECTROLYTE), ("cathode", CATHODE), ("layers", LAYER), ("pore", PORE)):
            for phase in getattr(self, name):
                if phase not in phase_map.phases:
                    raise InputError(f"roles.{name}", phase, nearest(phase, phase_map.phases))
                part[phase_map.phases.index(phase)] = code
        return part
