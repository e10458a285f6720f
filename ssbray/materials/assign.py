"""From a phase map to the numbers a solver needs, at a temperature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ssbray import units
from ssbray.domain import PhaseMap, boundary_parts
from ssbray.materials.lookup import Materials


@dataclass(frozen=True, eq=False, kw_only=True)
class Properties:
    """Conductivities and thin interfaces of one map at one temperature."""

    conductivity: Mapping[int, float]  #: label -> [S/m], for the labels in the map
    interfaces: Mapping[tuple[int, int], float]  #: (label, label) ascending -> [ohm m2], all that is in series
    parts: Mapping[tuple[int, int], Mapping[str, float]]  #: the same pairs -> boundary name -> [ohm m2]


def assign(phase_map: PhaseMap, materials: Materials, temperature_C: float, carrier: str = "ionic") -> Properties:
    """Look up what the phases of a map conduct and its boundaries resist.

    >>> import ssbray.materials as materials
    >>> pair = PhaseMap(labels=np.uint8([[0], [1]]), phases=("Ta-LLZO", "NMC811"), pixel_size_nm=1.0,
    ...                 boundaries={"Ta-LLZO:NMC811:charge transfer": 50.0})
    >>> properties = assign(pair, materials.load(), 25.0)
    >>> round(properties.conductivity[0], 6), properties.interfaces
    (0.08, {(0, 1): 0.005})
    """
    temperature = units.kelvin(temperature_C)
    present = np.flatnonzero(np.bincount(phase_map.labels.reshape(-1)))
    conductivity = {int(label): materials.sigma(phase_map.phases[label], temperature, carrier) for label in present}
    parts: dict[tuple[int, int], dict[str, float]] = {}
    for name, asr in phase_map.boundaries.items():
        first, second, _ = boundary_parts(name)
        a, b = sorted((phase_map.phases.index(first), phase_map.phases.index(second)))
        parts.setdefault((a, b), {})[name] = materials.asr(name, asr, temperature)
    return Properties(conductivity=conductivity, parts=parts,
                      interfaces={pair: sum(series.values()) for pair, series in parts.items()})
