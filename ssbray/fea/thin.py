"""Interfaces without thickness: which faces of the image have one, and how well each conducts across and along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ssbray import raster
from ssbray.domain import FloatArray, PhaseMap
from ssbray.raster import Facets

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Interfaces:
    """Thin interfaces of a map, from the general to the particular: what comes later overrides what comes before.

    A resistance is across the interface, per true area: the staircase of the pixels is corrected.
    A sheet conductance, thickness times conductivity, carries current along it; an interface may
    have both, fast along and slow across.
    """

    pairs: Mapping[Pair, float] = field(default_factory=dict)  #: labels -> ASR [ohm m2]; equal: between their grains
    grains: Mapping[Pair, float] = field(default_factory=dict)  #: two grain numbers -> ASR [ohm m2]
    faces: Mapping[str, FloatArray] = field(default_factory=dict)
    """"x", "y", "z" -> ASR [ohm m2] of the face from each pixel to the next along that axis, NaN where the rules above
    hold: the shape of the map, one less along the axis (or the whole shape: the last goes round a periodic map)"""
    sheets: Mapping[Pair, float] = field(default_factory=dict)  #: labels -> sheet conductance [S]

    @property
    def empty(self) -> bool:
        """Whether there is none at all."""
        return not (self.pairs or self.grains or self.faces or self.sheets)


@dataclass(frozen=True, eq=False, kw_only=True)
class Thin:
    """Faces with a thin interface, and what each is worth per pixel face."""

    faces: Facets
    resistance: FloatArray  #: (n,) ASR per pixel face [ohm m2], staircase corrected
    sheet: FloatArray  #: (n,) sheet conductance of the face [S], staircase corrected
    pair: NDArray[np.int64]  #: (n, 2) labels on the two sides, ascending

    def select(self, chosen: NDArray[np.bool_]) -> Thin:
        """Keep some of the faces."""
        return Thin(faces=self.faces.select(chosen), resistance=self.resistance[chosen], sheet=self.sheet[chosen],
                    pair=self.pair[chosen])


def find(phase_map: PhaseMap, interfaces: Interfaces, periodic: bool) -> Thin:
    """The faces of a map that have a thin interface.

    A straight boundary that the pixels render as a staircase has too many faces: each stands for
    ``m = |n . e|`` of true area, so its resistance per pixel face is R / m; a current along it runs
    over all steps, each of which counts for m of the true length (exact for lines in the plane; in
    a volume only for boundaries along the axes).
    """
    labels, grains = phase_map.labels, phase_map.grains
    within = grains is not None and (bool(interfaces.grains) or bool(interfaces.faces) or any(
        a == b for table in (interfaces.pairs, interfaces.sheets) for a, b in table))
    if interfaces.empty:
        nothing = np.zeros(0, dtype=np.int64)
        return Thin(faces=Facets(first=nothing, second=nothing, axis=nothing, shape=labels.shape, periodic=periodic),
                    resistance=np.zeros(0), sheet=np.zeros(0), pair=nothing.reshape(0, 2))
    faces = raster.facets(labels, grains if within else None, periodic)
    if interfaces.faces:
        faces = _with_given(faces, interfaces.faces)
    flat = labels.reshape(-1).astype(np.int64)
    pair = np.sort(np.stack([flat[faces.first], flat[faces.second]], axis=1), axis=1)
    known = np.ones(len(faces), dtype=bool)
    between = np.zeros((len(faces), 2), dtype=np.int64)
    if grains is not None:  # grain 0 is "none": no boundary is known there
        grain = grains.reshape(-1)
        between = np.sort(np.stack([grain[faces.first], grain[faces.second]], axis=1), axis=1).astype(np.int64)
        known = (between[:, 0] > 0) & (between[:, 0] != between[:, 1])
    usual = (pair[:, 0] != pair[:, 1]) | known
    resistance = np.where(usual, _table(interfaces.pairs)[pair[:, 0], pair[:, 1]], 0.0)
    sheet = np.where(usual, _table(interfaces.sheets)[pair[:, 0], pair[:, 1]], 0.0)
    for (a, b), value in interfaces.grains.items():
        resistance[(between == sorted((a, b))).all(axis=1)] = value
    if interfaces.faces:
        given = _given_at(faces, interfaces.faces)
        resistance = np.where(np.isnan(given), resistance, given)
    chosen = (resistance > 0) | (sheet > 0)
    faces, resistance, sheet, pair = faces.select(chosen), resistance[chosen], sheet[chosen], pair[chosen]
    side = flat + 256 * grains.reshape(-1).astype(np.int64) if within and grains is not None else flat
    share = raster.measure(faces, side)
    flat_ones = side[faces.first] == side[faces.second]  # given within one region: no curve to correct along
    share[flat_ones] = 1.0
    return Thin(faces=faces, resistance=resistance / share, sheet=sheet / share if labels.ndim == 2 else sheet,
                pair=pair)


def _table(values: Mapping[Pair, float]) -> FloatArray:
    table = np.zeros((256, 256))
    for (a, b), value in values.items():
        table[a, b] = table[b, a] = value
    return table


AXIS_NAMES = "xyz"


def _with_given(faces: Facets, given: Mapping[str, FloatArray]) -> Facets:
    """Add the faces for which a value is given."""
    index = np.arange(int(np.prod(faces.shape)), dtype=np.int64).reshape(faces.shape)
    first, second, axes = [faces.first], [faces.second], [faces.axis]
    for name, values in given.items():
        axis = len(faces.shape) - 1 - AXIS_NAMES.index(name)
        wraps = values.shape[axis] == faces.shape[axis]
        low, high = raster.across(index, axis, periodic=wraps)
        chosen = ~np.isnan(values)
        if wraps and not faces.periodic:
            chosen = chosen & (low < high)
        first.append(low[chosen])
        second.append(high[chosen])
        axes.append(np.full(len(first[-1]), axis, dtype=np.int64))
    key = np.concatenate(axes) * index.size + np.concatenate(first)
    _, keep = np.unique(key, return_index=True)
    return Facets(first=np.concatenate(first)[keep], second=np.concatenate(second)[keep],
                  axis=np.concatenate(axes)[keep], shape=faces.shape, periodic=faces.periodic)


def _given_at(faces: Facets, given: Mapping[str, FloatArray]) -> FloatArray:
    """Given value of each face, NaN where there is none."""
    values = np.full(len(faces), np.nan)
    for name, table in given.items():
        axis = len(faces.shape) - 1 - AXIS_NAMES.index(name)
        here = np.flatnonzero(faces.axis == axis)
        place = np.stack(np.unravel_index(faces.first[here], faces.shape))
        inside = place[axis] < table.shape[axis]
        values[here[inside]] = table[tuple(place[:, inside])]
    return values
