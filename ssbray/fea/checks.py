"""What `solve` refuses, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ssbray.domain import AXES, PhaseMap
from ssbray.errors import InputError


def validate(phase_map: PhaseMap, conductivity: Mapping[int, float], interfaces: Mapping[tuple[int, int], float],
             axis: str, boundary: str, rtol: float) -> int:
    """Validate the arguments of `solve`; return the array axis of the current, counted from the first."""
    ndim = phase_map.labels.ndim
    if axis not in AXES or -AXES[axis] > ndim:
        raise InputError("axis", axis, f"choose one of {', '.join(sorted(a for a, k in AXES.items() if -k <= ndim))}")
    if boundary != "dirichlet":
        raise InputError("boundary", boundary, "only 'dirichlet' is known")
    if not 0 < rtol < 1:
        raise InputError("rtol", rtol, "must lie between 0 and 1, e.g. 1e-8")
    known = range(len(phase_map.phases))
    for label, value in conductivity.items():
        if label not in known:
            raise InputError("sigma", label, f"no such label; the map has 0..{len(phase_map.phases) - 1}")
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"sigma[{label}]", value, "a conductivity is a finite number, zero or more")
    for label in map(int, np.flatnonzero(np.bincount(phase_map.labels.reshape(-1)))):
        if label not in conductivity:
            raise InputError("sigma", label, f"label {label} ({phase_map.phases[label]}) is in the map but has no "
                             "conductivity: give one (0 blocks)")
    for (a, b), value in interfaces.items():
        for label in (a, b):
            if label not in known:
                raise InputError("interface", f"{a}:{b}", f"no label {label} among 0..{len(phase_map.phases) - 1}")
        if not value >= 0:
            raise InputError(f"interface[{a}:{b}]", value, "a resistance is zero or more")
        if a != b and (b, a) in interfaces:
            raise InputError(f"interface[{a}:{b}]", value, f"{b}:{a} is given too: give the pair once")
        if a == b and phase_map.grains is None:
            raise InputError("interface", f"{a}:{b}", "needs a map of grains to know where the boundaries are")
    return AXES[axis] + ndim
