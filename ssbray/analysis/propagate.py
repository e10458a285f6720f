"""The image's doubt carried through the finite elements: conductivity as a distribution over drawn maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssbray import materials
from ssbray.analysis.draws import Trust
from ssbray.analysis.interval import half_widths
from ssbray.analysis.sheet import SampleSheet, material_map
from ssbray.domain import PhaseMap, TransportSolution
from ssbray.fea import solve
from ssbray.materials import Materials

QUANTITY = "ln_sigma"  #: name of the conductivity's logarithm in the calibration


@dataclass(frozen=True, eq=False, kw_only=True)
class Conductivity:
    """Effective conductivity of one micrograph [S/m]."""

    sigma: float  #: of the most probable map
    low90: float
    high90: float
    draws: tuple[float, ...]  #: of the drawn maps; zero where one does not percolate
    blocked: float  #: share of the draws that do not percolate
    solution: TransportSolution  #: of the most probable map

    @property
    def std_ln(self) -> float | None:
        """Standard deviation of ln sigma over the draws that percolate: the image's part of the doubt."""
        logs = [math.log(value) for value in self.draws if value > 0]
        return float(np.std(logs)) if len(logs) > 1 else None


def solve_map(phase_map: PhaseMap, sheet: SampleSheet, tables: Materials, temperature_C: float, axis: str
              ) -> TransportSolution:
    """Finite-element answer for a map of visible classes."""
    named = material_map(phase_map.labels, phase_map.phases, sheet, phase_map.pixel_size_nm, phase_map.grains)
    properties = materials.assign(named, tables, temperature_C)
    return solve(named, properties.conductivity, properties.interfaces, axis=axis)


def propagate(solution: TransportSolution, found: Sequence[float], trust: Trust) -> Conductivity:
    """Join the answer of the most probable map and the conductivities of the drawn ones [S/m].

    The interval lies on the logarithm; see `interval.intervals`. Where more than a twentieth of the draws does not
    percolate its lower end is zero.
    """
    found = tuple(found)
    blocked = float(np.mean([value == 0 for value in found])) if found else 0.0
    logs = np.log([value for value in found if value > 0])
    sigma = solution.sigma_eff
    if sigma == 0 or len(logs) == 0:
        high = max(found, default=0.0)
        return Conductivity(sigma=sigma, low90=0.0, high90=max(high, sigma), draws=found, blocked=blocked,
                            solution=solution)
    low, high = half_widths(math.log(sigma), logs, 1.0)
    factor = trust.width(QUANTITY)
    if not math.isfinite(factor):
        return Conductivity(sigma=sigma, low90=0.0, high90=math.inf, draws=found, blocked=blocked, solution=solution)
    return Conductivity(sigma=sigma, low90=0.0 if blocked > 0.05 else sigma * math.exp(-factor * low),
                        high90=sigma * math.exp(factor * high), draws=found, blocked=blocked, solution=solution)
