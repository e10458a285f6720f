"""Options on temperature: carry what is given at 25 C to another one."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssbray import units
from ssbray.cli import labels
from ssbray.cli.interfaces import Pair, pair_of
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.materials.arrhenius import REFERENCE_K, check_activation_energy

if TYPE_CHECKING:
    from ssbray.fea.thin import Interfaces

FORM = "LABEL=EV or LABEL:LABEL=EV, e.g. --activation 0=0.3 --activation 0:0=0.45"


@dataclass(frozen=True, kw_only=True)
class Heat:
    """What the options say of temperature."""

    temperature_C: float | None  #: None: not asked for
    phases: dict[int, float]  #: label -> activation energy [eV]
    pairs: dict[Pair, float]  #: labels, ascending -> activation energy of what lies between [eV]


def add_options(command: Any) -> None:
    """Declare the options."""
    command.add_argument("--temperature-C", type=float, metavar="T", help="carry the values given, then those at 25 C, "
                         "to this temperature with --activation")
    command.add_argument("--activation", action="append", metavar="KEY=EV", help="activation energy of label KEY or of "
                         "the interface A:B: sigma T = A exp(-Ea/kT)")


def read(args: argparse.Namespace, phase_map: PhaseMap) -> Heat:
    """Check temperature and activation energies; energies without a temperature mean 25 C."""
    temperature = args.temperature_C
    if temperature is not None and not 150 <= units.kelvin(temperature) <= 2000:
        raise InputError("--temperature-C", temperature, "must lie within -123..1726 C")
    phases: dict[int, float] = {}
    pairs: dict[Pair, float] = {}
    for key, value in labels.parse_pairs(args.activation, "--activation", FORM).items():
        try:
            check_activation_energy(value)
        except InputError as error:
            raise InputError("--activation", f"{key}={value}", error.remedy) from None
        a, b = pair_of(key, "--activation", FORM) if ":" in key else (labels.label_of(key, "--activation", FORM),) * 2
        labels.check_known([(key, a), (key, b)], phase_map, "--activation")
        if (a in phases) if ":" not in key else ((a, b) in pairs):
            raise InputError("--activation", key, "is given twice")
        if ":" in key:
            pairs[a, b] = value
        else:
            phases[a] = value
    if temperature is None and args.activation:
        temperature = REFERENCE_K - units.ZERO_CELSIUS_K
    return Heat(temperature_C=temperature, phases=phases, pairs=pairs)


def carry(heat: Heat, phase_map: PhaseMap, sigma: dict[int, float], interfaces: Interfaces
          ) -> tuple[dict[int, float], Interfaces, list[str]]:
    """Conductivities [S/m] and interfaces at the temperature asked for, and what to tell the user of them."""
    if heat.temperature_C is None:
        return sigma, interfaces, []
    from ssbray.fea import thermal

    given = thermal.resistive_pairs(phase_map, interfaces)
    for a, b in heat.pairs:
        if (a, b) not in given:
            raise InputError("--activation", f"{a}:{b}", "no interface with a resistance or a sheet lies between these "
                             "labels: give it one, or leave this out")
    kept = [f"label {label}" for label, value in sorted(sigma.items()) if value > 0 and label not in heat.phases]
    kept += [f"interface {a}:{b}" for a, b in sorted(given) if (a, b) not in heat.pairs]
    sigma, interfaces = thermal.carry(phase_map, sigma, interfaces, heat.phases, heat.pairs,
                                      units.kelvin(heat.temperature_C))
    told = [f"without an activation energy, so left as at 25 C: {', '.join(kept)}"] if kept else []
    return sigma, interfaces, told
