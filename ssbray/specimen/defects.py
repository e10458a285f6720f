"""Labelled defects in a section, to try out whatever claims to notice them.

A defect changes what is true, what is seen, or both. Sections are those of a bilayer: the electrolyte is the
first phase, the cathode below it the second, pores are called "pore". Extents grow with severity and, for
one seed, a milder defect lies within a graver one. Nothing else of the section changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssbray.domain import PhaseMap, boundary_parts
from ssbray.errors import InputError, nearest
from ssbray.rng import stream

Severity = Literal["mild", "moderate", "severe"]
SEVERITIES: tuple[Severity, ...] = ("mild", "moderate", "severe")
PORE, LANTHANUM_ZIRCONATE, TRANSFER = "pore", "La2Zr2O7", "charge transfer"
MOST_PHASES = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class Defective:
    """A section with a defect."""

    kind: str
    severity: Severity
    seen: PhaseMap  #: what an analyst is given
    true: PhaseMap  #: what conducts
    extent: float  #: share of the map, or of what the kind's docstring names, that was changed; 0..1
    factors: Mapping[str, float] = field(default_factory=dict)  #: phase -> factor on its true conductivity

    @property
    def percolates(self) -> bool:
        """Whether a path of true pixels that are no pores joins the first row to the last."""
        solid = self.true.labels != _label(self.true, PORE)
        parts, _ = ndimage.label(solid)
        return bool(np.intersect1d(parts[0][solid[0]], parts[-1][solid[-1]]).size)


def inject(phase_map: PhaseMap, kind: str, severity: Severity, seed: int) -> Defective:
    """Put a defect of a kind in `KINDS` into a section.

    Parameters
    ----------
    phase_map : (H, W) section; it is not changed.
    severity : "mild", "moderate" or "severe".
    seed : decides where; the severity does not.

    Raises
    ------
    InputError
        for a volume, a section that is no bilayer, or an unknown kind or severity.
    """
    if kind not in KINDS:
        raise InputError("kind", kind, nearest(kind, KINDS))
    if severity not in SEVERITIES:
        raise InputError("severity", severity, nearest(severity, SEVERITIES))
    if phase_map.labels.ndim != 2:
        raise InputError("labels", phase_map.labels.shape, "defects are put into sections: give an (H, W) map")
    if not {0, 1} <= set(np.unique(phase_map.labels).tolist()):
        raise InputError("phases", phase_map.phases, "the first two phases must be in the map: electrolyte, cathode")
    return KINDS[kind](_with_phase(phase_map, PORE), severity, seed)


def void_cluster(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """A nest of round voids in the electrolyte, as an agglomerate or a pocket of binder leaves it.

    The nest has a diameter of 16, 28 or 44 % of the height and is about half empty.
    """
    random = stream(seed, "void cluster")
    inside = phase_map.labels == 0
    height, width = inside.shape
    rows, columns = np.nonzero(inside)
    pick = int(random.integers(len(rows)))
    y, x = np.ogrid[:height, :width]
    away = np.hypot(y - rows[pick], x - columns[pick])
    size, widest = max(2.0, 0.018 * height), 0.22 * height
    voids = away < size
    for dy, dx, scale in random.random((int(0.5 * (widest / size) ** 2), 3)):
        place = rows[pick] + widest * (2 * dy - 1), columns[pick] + widest * (2 * dx - 1)
        voids |= np.hypot(y - place[0], x - place[1]) < size * (0.7 + 0.6 * scale)
    hole = inside & voids & (away < {"mild": 0.08, "moderate": 0.14, "severe": 0.22}[severity] * height)
    return _same("void cluster", severity, phase_map, _painted(phase_map, hole, PORE), hole)


def delamination(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """A gap along the contact of electrolyte and cathode: the joint has opened over 15, 35 or 65 % of the width.

    The gap is 2, 3 or 4 pixels wide.
    """
    height, width = phase_map.labels.shape
    share, opening = {"mild": (0.15, 2.0), "moderate": (0.35, 3.0), "severe": (0.65, 4.0)}[severity]
    middle = stream(seed, "delamination").random() * width
    around = np.abs((np.arange(width) + 0.5 - middle + width / 2) % width - width / 2) <= share * width / 2
    gap = _beside_cathode(phase_map, opening) & around
    return _same("delamination", severity, phase_map, _painted(phase_map, gap, PORE), gap)


def crack(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """A crack across the electrolyte, normal to the current, over 30 or 65 % of the width; a severe one cuts it.

    It is 2 pixels wide, starts at the left or the right edge and wanders.
    """
    random = stream(seed, "crack")
    height, width = phase_map.labels.shape
    clear = int(np.argmax((_layers(phase_map) | (phase_map.labels == 1)).any(axis=1)))  # rows of electrolyte and pores
    walk = np.cumsum(random.integers(-1, 2, width))
    walk = np.clip(walk, -clear // 5, clear // 5)
    row = np.clip(int(clear * (0.25 + 0.4 * random.random())) + walk, 0, max(height - 2, 0))
    if random.random() < 0.5:
        row = row[::-1]
    reach = {"mild": 0.3, "moderate": 0.65, "severe": 1.0}[severity] * width
    column = np.arange(width)
    from_edge = column if random.random() < 0.5 else width - 1 - column
    path = np.zeros(phase_map.labels.shape, dtype=bool)
    for shift in (0, 1):
        path[np.minimum(row + shift, height - 1), column] = from_edge < reach
    return _same("crack", severity, phase_map, _painted(phase_map, path, PORE), path)


def missing_boundary(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """The boundary phase is missing: grain-boundary film, coating and reaction films, over 50, 90 or 100 % of the area.

    What has pixels (a coating or reaction layer) is missing in the picture, too, over that share of the width,
    with electrolyte in its place. What is thinner is missing in truth alone: the share of the area that is left
    stands for the resistance that is left. The charge transfer stays. `extent` is that share.
    """
    share = {"mild": 0.5, "moderate": 0.9, "severe": 1.0}[severity]
    width = phase_map.labels.shape[1]
    start = stream(seed, "missing boundary").random() * width
    bare = (np.arange(width) + 0.5 - start) % width < share * width
    layer = _layers(phase_map) & bare
    seen = _transfer_to(_painted(phase_map, layer, phase_map.phases[0]), phase_map.phases[0])
    films = {name: asr if boundary_parts(name)[2] == TRANSFER else asr * (1 - share)
             for name, asr in seen.boundaries.items()}
    return Defective(kind="missing boundary", severity=severity, seen=seen, true=replace(seen, boundaries=films),
                     extent=share)


def reaction_layer(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """La2Zr2O7 of 3, 6 or 12 pixels along the whole contact with the cathode, in place of what was there.

    What resisted between the cathode and its neighbours resists at the new contact as well. Of random
    numbers there are none.
    """
    layer = _beside_cathode(phase_map, {"mild": 3.0, "moderate": 6.0, "severe": 12.0}[severity])
    made = _painted(_with_phase(phase_map, LANTHANUM_ZIRCONATE), layer, LANTHANUM_ZIRCONATE)
    return _same("reaction layer", severity, phase_map, _transfer_to(made, LANTHANUM_ZIRCONATE), layer)


def missegmentation(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """The map that is seen is wrong, the truth is as it was: blots of another phase, and grains run together.

    Blots take 1, 4 or 12 % of the map, each of the phases that are there taking the place of the one before;
    10, 30 or 60 % of the grains are joined to a neighbour.
    """
    share, joined = {"mild": (0.01, 0.1), "moderate": (0.04, 0.3), "severe": (0.12, 0.6)}[severity]
    random = stream(seed, "mis-segmentation")
    blots = ndimage.gaussian_filter(random.standard_normal(phase_map.labels.shape), 3.0, mode="wrap")
    wrong = blots > np.quantile(blots, 1 - share)
    present = np.unique(phase_map.labels)
    after = np.zeros(len(phase_map.phases), dtype=np.uint8)
    after[present] = np.roll(present, -1)
    labels = np.where(wrong, after[phase_map.labels], phase_map.labels).astype(np.uint8)
    grains = None
    if phase_map.grains is not None:
        grains = np.where(wrong, 0, _joined(phase_map, joined, random)).astype(np.int32)
    seen = replace(phase_map, labels=labels, grains=grains)
    return Defective(kind="mis-segmentation", severity=severity, seen=seen, true=phase_map,
                     extent=float(np.mean(wrong)))


def wrong_conductivity(phase_map: PhaseMap, severity: Severity, seed: int) -> Defective:
    """The cathode conducts 1.5, 3 or 10 times worse than the tables say, as an aged one does. `extent` is its area."""
    factor = {"mild": 1 / 1.5, "moderate": 1 / 3, "severe": 1 / 10}[severity]
    return Defective(kind="wrong conductivity", severity=severity, seen=phase_map, true=phase_map,
                     extent=phase_map.fraction(phase_map.phases[1]), factors={phase_map.phases[1]: factor})


KINDS: Mapping[str, Callable[[PhaseMap, Severity, int], Defective]] = {
    "void cluster": void_cluster, "delamination": delamination, "crack": crack, "missing boundary": missing_boundary,
    "reaction layer": reaction_layer, "mis-segmentation": missegmentation, "wrong conductivity": wrong_conductivity}


def _label(phase_map: PhaseMap, phase: str) -> int:
    """Label of a phase, -1 where the map does not know it."""
    return phase_map.phases.index(phase) if phase in phase_map.phases else -1


def _with_phase(phase_map: PhaseMap, phase: str) -> PhaseMap:
    """The same map, with a name more if it lacks this one."""
    if phase in phase_map.phases:
        return phase_map
    if len(phase_map.phases) >= MOST_PHASES:
        raise InputError("phases", len(phase_map.phases), f"there is no label left for {phase}")
    return replace(phase_map, phases=(*phase_map.phases, phase))


def _painted(phase_map: PhaseMap, where: NDArray[np.bool_], phase: str) -> PhaseMap:
    """The same map with one phase, without grains, in some places."""
    labels = np.where(where, np.uint8(_label(phase_map, phase)), phase_map.labels)
    grains = None if phase_map.grains is None else np.where(where, np.int32(0), phase_map.grains)
    return replace(phase_map, labels=labels, grains=grains)


def _same(kind: str, severity: Severity, before: PhaseMap, after: PhaseMap, where: NDArray[np.bool_]) -> Defective:
    """A defect that is seen as it is."""
    return Defective(kind=kind, severity=severity, seen=after, true=after, extent=float(np.mean(where)))


def _layers(phase_map: PhaseMap) -> NDArray[np.bool_]:
    """Pixels of neither electrolyte nor cathode nor pores."""
    return np.asarray((phase_map.labels > 1) & (phase_map.labels != _label(phase_map, PORE)))


def _beside_cathode(phase_map: PhaseMap, reach: float) -> NDArray[np.bool_]:
    """Solid pixels outside the cathode, not further from it, or from the gaps on top of it, than so many pixels."""
    cathode, pore = phase_map.labels == 1, phase_map.labels == _label(phase_map, PORE)
    below = cathode.copy()
    for row in range(len(below) - 2, -1, -1):
        below[row] |= pore[row] & below[row + 1]
    return np.asarray((ndimage.distance_transform_edt(~below) <= reach) & ~below & ~pore)


def _transfer_to(phase_map: PhaseMap, phase: str) -> PhaseMap:
    """The same map, in which what resists between the cathode and others does so between it and this phase, too."""
    cathode = phase_map.phases[1]
    known = dict(phase_map.boundaries)
    for name, asr in phase_map.boundaries.items():
        first, second, what = boundary_parts(name)
        if cathode in (first, second) and first != second:
            key = f"{phase}:{cathode}:{what}"
            if what != phase:  # a film of the phase itself is what the layer now is
                known[key] = max(asr, known.get(key, 0.0))
    return replace(phase_map, boundaries=known)


def _joined(phase_map: PhaseMap, share: float, random: np.random.Generator) -> NDArray[np.int32]:
    """Grains in which a share has been given the number of a neighbour of the same phase."""
    grains = np.asarray(phase_map.grains)
    pairs: list[NDArray[np.int64]] = []
    for axis in (0, 1):
        low = [slice(None), slice(None)]
        high = [slice(None), slice(None)]
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = grains[tuple(low)], grains[tuple(high)]
        same = (phase_map.labels[tuple(low)] == phase_map.labels[tuple(high)]) & (a != b) & (a > 0) & (b > 0)
        pairs.append(np.stack([a[same], b[same]], axis=1).astype(np.int64))
    touching = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
    named = np.arange(int(grains.max()) + 1)
    order = random.permutation(len(touching))
    wanted = round(share * len(np.unique(grains[grains > 0])))
    for first, second in touching[order][:wanted]:
        named[named == named[second]] = named[first]
    return named[grains].astype(np.int32)
