"""What no process can exceed with the bulk phases of a design: its specimens without pores, products and interfaces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from ssbray import materials, units
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Task, section
from ssbray.domain import FloatArray, PhaseMap

WHAT = ("the same specimens of the best design with pores, reaction products and coating replaced by the bulk phase "
        "next to them where that conducts better, and with no resistance at interfaces and grain boundaries")


def bound(spec: Spec, tasks: Sequence[Task]) -> dict[str, Any]:
    """Geometric mean over specimens of `highest`, in field units, and what it is."""
    tables = materials.load(spec.materials or None)
    values = []
    for task in tasks:
        phase_map = section(task)
        sigma = materials.assign(phase_map, tables, task.temperature_C).conductivity
        electrolyte_and_cathode = (f"{task.parameters['dopant']}-LLZO", task.parameters["cathode"])
        values.append(math.log(highest(phase_map, sigma, electrolyte_and_cathode)))
    found = units.S_per_cm(math.exp(float(np.mean(values))))
    return {"sigma_eff_S_per_cm": found, "asr_ohm_cm2": spec.specimen.size_nm[1] * 1e-7 / found, "what": WHAT}


def highest(phase_map: PhaseMap, sigma: Mapping[int, float], bulk: Sequence[str]) -> float:
    """Upper bound on the conductivity along axis 0 [S/m], whatever happens to everything but the bulk phases.

    Raising a conductivity or lowering an interface's resistance never lowers the effective conductivity
    (Rayleigh). Of what is left, the potential that depends on the row alone gives the harmonic mean over
    rows of the arithmetic mean within them, which no field in the map can exceed.

    Parameters
    ----------
    phase_map : (H, W) with electrodes before the first and behind the last row.
    sigma : label -> conductivity [S/m].
    bulk : phases that fill the place of all others; without any in the map the others stay as they are.
    """
    table = np.array([sigma.get(label, 0.0) for label in range(len(phase_map.phases))])
    labels = phase_map.labels
    kept = np.isin(labels, [label for label, name in enumerate(phase_map.phases) if name in bulk])
    filled: FloatArray = table[labels]
    if kept.any():
        nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
        filled = np.maximum(filled, table[labels[tuple(nearest)]])
    rows = filled.mean(axis=1)
    return float(1.0 / np.mean(1.0 / rows)) if rows.all() else 0.0
