"""What `solve` refuses, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ssbray.domain import AXES, PhaseMap
from ssbray.errors import InputError
from ssbray.fea.thin import AXIS_NAMES, Interfaces, Pair

CONTRAST = 1e15  #: largest ratio of conductivities
BOUNDARIES = ("dirichlet", "periodic")
CORNERS = ("connected", "separated")


def validate(phase_map: PhaseMap, conductivity: Mapping[int, float], interfaces: Interfaces, axis: str, boundary: str,
             rtol: float) -> int:
    """Validate the arguments of `solve`; return the array axis of the current, counted from the first."""
    ndim = phase_map.labels.ndim
    if axis not in AXES or -AXES[axis] > ndim:
        raise InputError("axis", axis, f"choose one of {', '.join(sorted(a for a, k in AXES.items() if -k <= ndim))}")
    if boundary not in BOUNDARIES:
        raise InputError("boundary", boundary, f"choose one of {', '.join(BOUNDARIES)}")
    if not 1e-15 <= rtol < 1:
        raise InputError("rtol", rtol, "must lie between 1e-15 and 1, e.g. 1e-8")
    known = range(len(phase_map.phases))
    for label, value in conductivity.items():
        if label not in known:
            raise InputError("sigma", label, f"no such label; the map has 0..{len(phase_map.phases) - 1}")
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"sigma[{label}]", value, "a conductivity is a finite number, zero or more")
    positive = [value for value in conductivity.values() if value > 0]
    if positive and max(positive) > CONTRAST * min(positive):
        raise InputError("sigma", f"{min(positive):g}..{max(positive):g}", "spans more than 15 decades, which double "
                         "precision cannot tell from a blocking phase: give the least as 0")
    for label in map(int, np.flatnonzero(np.bincount(phase_map.labels.reshape(-1)))):
        if label not in conductivity:
            raise InputError("sigma", label, f"label {label} ({phase_map.phases[label]}) is in the map but has no "
                             "conductivity: give one (0 blocks)")
    _pairs(phase_map, interfaces.pairs, "interface", "a resistance is zero or more", blocks=True)
    _pairs(phase_map, interfaces.sheets, "sheet", "a sheet conductance is a finite number, zero or more", blocks=False)
    if interfaces.grains and phase_map.grains is None:
        raise InputError("grain interface", next(iter(interfaces.grains)), "needs a map of grains")
    for (a, b), value in interfaces.grains.items():
        if a == b or min(a, b) < 1:
            raise InputError("grain interface", f"{a}:{b}", "name two different grains, numbered from 1")
        if not value >= 0:
            raise InputError(f"grain interface[{a}:{b}]", value, "a resistance is zero or more")
    for name, values in interfaces.faces.items():
        if name not in AXIS_NAMES[:ndim]:
            raise InputError("interface map", name, f"faces are named by their normal: {', '.join(AXIS_NAMES[:ndim])}")
        shape = list(phase_map.labels.shape)
        shape[ndim - 1 - AXIS_NAMES.index(name)] -= 1
        if values.shape not in (tuple(shape), phase_map.labels.shape):
            raise InputError(f"interface map[{name}]", values.shape, f"must have the shape {tuple(shape)}")
        if (values < 0).any():
            raise InputError(f"interface map[{name}]", float(np.nanmin(values)), "a resistance is zero or more")
    return AXES[axis] + ndim


def refinement(target_gap: float | None, corners: str, ndim: int, sheets: bool) -> None:
    """Validate what is asked of the bounds."""
    if corners not in CORNERS:
        raise InputError("corners", corners, f"choose one of {', '.join(CORNERS)}")
    if target_gap is None and corners != CORNERS[0]:
        raise InputError("corners", corners, "needs a target gap, e.g. 0.02: the pixels alone cannot tell")
    if corners != CORNERS[0] and (ndim == 3 or sheets):
        raise InputError("corners", corners, "corners can be separated in a section only, without conducting sheets")
    if target_gap is not None and not 0 < target_gap < 1:
        raise InputError("target_gap", target_gap, "must lie between 0 and 1, e.g. 0.02")


def _pairs(phase_map: PhaseMap, values: Mapping[Pair, float], field: str, rule: str, blocks: bool) -> None:
    """Check a table by pairs of labels."""
    for (a, b), value in values.items():
        for label in (a, b):
            if label not in range(len(phase_map.phases)):
                raise InputError(field, f"{a}:{b}", f"no label {label} among 0..{len(phase_map.phases) - 1}")
        if not value >= 0 or (math.isinf(value) and not blocks):
            raise InputError(f"{field}[{a}:{b}]", value, rule)
        if a != b and (b, a) in values:
            raise InputError(f"{field}[{a}:{b}]", value, f"{b}:{a} is given too: give the pair once")
        if a == b and phase_map.grains is None:
            raise InputError(field, f"{a}:{b}", "needs a map of grains to know where the boundaries are")
