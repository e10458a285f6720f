"""What each phase is made of: atoms per volume, from its formula and its density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.materials import Materials
from ssbray.materials.formula import parse
from ssbray.microscope.rendering.elements import number, weight

AVOGADRO = 6.02214076e23


@dataclass(frozen=True)
class Composition:
    """Atoms of a phase."""

    density_g_per_cm3: float
    atoms_per_cm3: Mapping[str, float]  #: element -> number density

    def power(self, exponent: float) -> float:
        """Sum over the atoms in a cm3 of Z^exponent."""
        return sum(n * number(element) ** exponent for element, n in self.atoms_per_cm3.items())

    @property
    def mean_number(self) -> float:
        """Mean atomic number; zero for nothing."""
        total = sum(self.atoms_per_cm3.values())
        return self.power(1.0) / total if total else 0.0

    @property
    def mean_weight(self) -> float:
        """Mean atomic weight [g/mol]; zero for nothing."""
        total = sum(self.atoms_per_cm3.values())
        return self.density_g_per_cm3 * AVOGADRO / total if total else 0.0


NOTHING = Composition(0.0, {})


def compose(formula: str, density_g_per_cm3: float) -> Composition:
    """Number densities of a formula at a density; elements that share a site have equal parts of it.

    >>> round(compose("La2Zr2O7", 6.03).atoms_per_cm3["La"] / 1e22, 2)
    1.27
    """
    amounts: dict[str, float] = {}
    for site in parse(formula):
        for element in site.elements:
            amounts[element] = amounts.get(element, 0.0) + float(site.amount) / len(site.elements)
    mass = sum(amount * weight(element) for element, amount in amounts.items())
    units = density_g_per_cm3 / mass * AVOGADRO
    return Composition(density_g_per_cm3, {element: units * amount for element, amount in amounts.items()})


REFERENCE = compose("Li7La3Zr2O12", 5.11)  #: LLZO, to which knobs refer
CARBON = compose("C", 2.0)
PLATINUM = compose("Pt", 21.45)


BF_EXPONENT = 1.5  #: of Z, for scattering out of a bright-field detector (prior; Lenz's total elastic has 4/3)


@cache
def _bundled() -> Mapping[str, Any]:
    return yaml.safe_load(resources.files(__package__).joinpath("phases.yaml").read_text(encoding="utf-8"))


def densities() -> Mapping[str, float]:
    """Bundled densities by phase key [g/cm3]."""
    return {name: float(entry["density_g_per_cm3"]) for name, entry in _bundled().items()}


def amorphous(key: str) -> bool:
    """Whether a phase is glassy, and shows no diffraction contrast."""
    return bool(_bundled().get(key, {}).get("amorphous", False))


def of_phases(phases: tuple[str, ...], materials: Materials, over: Mapping[str, float]) -> tuple[Composition, ...]:
    """Composition of each phase of a map; a pore is nothing.

    Raises
    ------
    InputError : for a phase without a formula or without a density.
    """
    found = []
    for name in phases:
        phase = materials.phase(name)
        if phase.family == "pore":
            found.append(NOTHING)
            continue
        density = over.get(name, over.get(phase.key, densities().get(phase.key)))
        if density is None:
            raise InputError(f"microscope.densities_g_per_cm3.{phase.key}", None,
                             "no density of this phase is known: give it in g/cm3")
        if phase.formula is None:
            raise InputError(f"materials.phases.{phase.key}.formula", None, "a micrograph needs the phase's formula")
        found.append(compose(phase.formula, density))
    return tuple(found)


def blend(first: Composition, second: Composition, share: float) -> Composition:
    """Atoms of two phases in one volume, the second with a share of 0..1."""
    atoms = dict.fromkeys([*first.atoms_per_cm3, *second.atoms_per_cm3], 0.0)
    for made, part in ((first, 1 - share), (second, share)):
        for element, count in made.atoms_per_cm3.items():
            atoms[element] += part * count
    density = (1 - share) * first.density_g_per_cm3 + share * second.density_g_per_cm3
    return Composition(density, {element: count for element, count in atoms.items() if count > 0})


def powers(compositions: tuple[Composition, ...], exponent: float) -> FloatArray:
    """Scattering power of each phase relative to LLZO, (p,)."""
    return np.array([each.power(exponent) for each in compositions]) / REFERENCE.power(exponent)
