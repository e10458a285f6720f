"""A map at another temperature, and the activation energy of the whole from those of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray import raster
from ssbray.domain import FloatArray, PhaseMap, TransportSolution
from ssbray.errors import InputError
from ssbray.fea.thin import AXIS_NAMES, Interfaces, Pair
from ssbray.materials.arrhenius import activation

NEGLIGIBLE = 1e-9  #: share of the loss below which a part's activation energy does not matter


def carry(phase_map: PhaseMap, conductivity: Mapping[int, float], interfaces: Interfaces,
          phases: Mapping[int, float], pairs: Mapping[Pair, float], temperature_K: float
          ) -> tuple[dict[int, float], Interfaces]:
    """Carry what is given at 25 C to a temperature, with sigma*T = A exp(-Ea/kT).

    Conductivities and sheet conductances are multiplied by `arrhenius.activation`, resistances
    divided by it. What has no activation energy stays as it is.

    Parameters
    ----------
    phase_map : the map; tells between which labels single grains and faces lie.
    conductivity : label -> conductivity at 25 C [S/m].
    interfaces : thin interfaces at 25 C.
    phases : label -> activation energy [eV].
    pairs : (label, label), ascending -> activation energy of what lies between, across and along [eV].
    temperature_K : absolute temperature [K].

    Raises
    ------
    InputError
        A grain named in a pair of grains has pixels of several labels with different factors.
    """
    factor = np.ones((256, 256))
    for (a, b), energy in pairs.items():
        factor[a, b] = factor[b, a] = activation(energy, temperature_K)
    carried = {label: value * (activation(phases[label], temperature_K) if label in phases else 1.0)
               for label, value in conductivity.items()}
    changed = replace(
        interfaces,
        pairs={(a, b): value / factor[a, b] for (a, b), value in interfaces.pairs.items()},
        sheets={(a, b): value * factor[a, b] for (a, b), value in interfaces.sheets.items()},
        grains={(g, h): value / _between(phase_map, g, h, factor) for (g, h), value in interfaces.grains.items()},
        faces={name: values / factor[_sides(phase_map, name, values)] for name, values in interfaces.faces.items()})
    return carried, changed


def resistive_pairs(phase_map: PhaseMap, interfaces: Interfaces) -> set[Pair]:
    """Pairs of labels, ascending, between which a thin interface with finite properties may lie."""
    found = {(min(key), max(key)) for table in (interfaces.pairs, interfaces.sheets) for key, value in table.items()
             if 0 < value < np.inf}
    for (first, second), value in interfaces.grains.items():
        if 0 < value < np.inf:
            found |= {(min(a, b), max(a, b)) for a in _labels(phase_map, first) for b in _labels(phase_map, second)}
    for name, values in interfaces.faces.items():
        low, high = (side[(values > 0) & (values < np.inf)] for side in _sides(phase_map, name, values))
        code = np.unique(np.minimum(low, high).astype(np.int64) * 256 + np.maximum(low, high))
        found |= {(int(entry) // 256, int(entry) % 256) for entry in code}
    return found


def _labels(phase_map: PhaseMap, grain: int) -> list[int]:
    assert phase_map.grains is not None
    return [int(label) for label in np.unique(phase_map.labels[phase_map.grains == grain])]


def _between(phase_map: PhaseMap, first: int, second: int, factor: FloatArray) -> float:
    """Look up the factor of the boundary between two grains."""
    factors = np.unique(factor[np.ix_(_labels(phase_map, first), _labels(phase_map, second))])
    if len(factors) > 1:
        raise InputError("grain interface", f"{first}:{second}", "these grains have several labels, whose boundaries "
                         "have different activation energies: number them apart")
    return float(factors[0]) if len(factors) else 1.0


def _sides(phase_map: PhaseMap, name: str, values: FloatArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels before and behind each face of an interface map."""
    axis = phase_map.labels.ndim - 1 - AXIS_NAMES.index(name)
    return raster.across(phase_map.labels, axis, periodic=values.shape == phase_map.labels.shape)


def effective_energy(solution: TransportSolution, phases: Mapping[int, float], pairs: Mapping[Pair, float]
                     ) -> float | None:
    """Activation energy of the whole, -d ln(sigma_eff T) / d(1/kT), at the temperature of the solution [eV].

    The mean of the parts' energies, weighted by their shares of the loss: exact, because a share
    is the sensitivity of ln sigma_eff to that part (Cohn's theorem), and the shares sum to 1. None
    where nothing percolates, or where a part that matters has no energy.
    """
    if not solution.percolates:
        return None
    total = 0.0
    for key, share in solution.dissipation_fraction.items():
        if share <= NEGLIGIBLE:
            continue
        kind, *labels = key.split(":")
        a, b = int(labels[0]), int(labels[-1])
        energy = phases.get(a) if kind == "phase" else pairs.get((min(a, b), max(a, b)))
        if energy is None:
            return None
        total += share * energy
    return total
