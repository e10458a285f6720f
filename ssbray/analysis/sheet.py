"""What the user knows and the image does not show: the materials, and the resistances without thickness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ssbray.domain import Micrograph, PhaseMap, boundary_parts
from ssbray.errors import InputError
from ssbray.materials import Materials
from ssbray.microscope.classes import solid

ORDER = ("LLZO", "t-LLZO", "La2Zr2O7", "coating", "NMC")  #: classes from the electrolyte to the cathode
GRAIN_BOUNDARY, CHARGE_TRANSFER = "grain boundary", "charge transfer"


@dataclass(frozen=True, kw_only=True)
class SampleSheet:
    """Materials of one sample, by their keys in the materials tables."""

    electrolyte: str
    cathode: str
    coating: str | None = None
    boundaries: Mapping[str, float] = field(default_factory=dict)  #: "<phase>:<phase>:<what>" -> ASR at 25 C [ohm cm2]
    known: bool = False  #: whether the micrograph's own sheet or the user gave all of it

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes that the sample cannot have: a coating, where the sheet is complete and names none."""
        return ("coating",) if self.known and self.coating is None else ()

    @property
    def classes(self) -> dict[str, str | None]:
        """Class -> material, for the classes that are named by part."""
        return {"LLZO": self.electrolyte, "NMC": self.cathode, "coating": self.coating}


def sheet_of(micrograph: Micrograph, given: Mapping[str, str], materials: Materials) -> SampleSheet:
    """The micrograph's own sheet, as a rendered or an archived one has it, with what the user gives in its place.

    given : class -> material, of "LLZO", "NMC" and "coating". What nobody names is Ta-LLZO and NMC811.
    """
    parts = {"LLZO": "electrolyte", "NMC": "cathode", "coating": "coating"}
    for name, key in given.items():
        if name not in parts:
            raise InputError("--phase", f"{name}={key}", f"only {', '.join(parts)} stand for more than one material")
        materials.phase(key)
    meta: Mapping[str, Any] = micrograph.metadata
    named = {part: given.get(name) or meta.get(part) for name, part in parts.items()}
    renamed = {meta[part]: named[part] for part in parts.values() if meta.get(part) and named[part]}
    boundaries: dict[str, float] = {}
    for name, asr in dict(meta.get("boundaries_ohm_cm2") or {}).items():
        first, second, what = boundary_parts(name)
        key = f"{renamed.get(first, first)}:{renamed.get(second, second)}:{what}"
        boundaries[key] = math.inf if asr is None else float(asr)  # JSON has no word for what blocks
    sheet = SampleSheet(electrolyte=str(named["electrolyte"] or "Ta-LLZO"), cathode=str(named["cathode"] or "NMC811"),
                        coating=named["coating"], boundaries=boundaries,
                        known=bool(named["electrolyte"] and named["cathode"]))
    if sheet.boundaries:
        return sheet
    table = {f"{sheet.electrolyte}:{sheet.electrolyte}:{GRAIN_BOUNDARY}": GRAIN_BOUNDARY,
             f"{sheet.electrolyte}:{sheet.cathode}:{CHARGE_TRANSFER}": CHARGE_TRANSFER}
    return replace(sheet, boundaries={name: materials.interface(kind).asr_25C_ohm_cm2 for name, kind in table.items()})


def material_map(labels: np.ndarray, classes: Sequence[str], sheet: SampleSheet, pixel_size_nm: float,
                 grains: np.ndarray | None) -> PhaseMap:
    """A segmented map in the names of the materials tables, with its resistances where they act.

    Charge transfer acts wherever the cathode touches a solid. A layer too thin for pixels acts between the phases
    that its name gives, or, where the segmentation has not found one of them, the next one towards the outside.
    """
    bare = solid(labels, classes, electrolyte=sheet.electrolyte, cathode=sheet.cathode, coating=sheet.coating,
                 pixel_size_nm=pixel_size_nm, grains=grains)
    present = [bare.phases[k] for k in np.flatnonzero(np.bincount(bare.labels.reshape(-1)))]
    more = [name for name in classes if name not in ORDER and is_solid(name)]
    named = [sheet.classes.get(name, name) for name in (*ORDER[:-1], *more, ORDER[-1])]
    order = [key for key in named if key is not None and key in present]
    boundaries: dict[str, float] = {}
    for name, asr in sheet.boundaries.items():
        first, second, what = boundary_parts(name)
        if what == CHARGE_TRANSFER:
            for phase in order:
                if phase != sheet.cathode and sheet.cathode in present:
                    boundaries[f"{phase}:{sheet.cathode}:{what}"] = asr
        elif first == second:
            if first in bare.phases:
                boundaries[name] = asr
        elif sheet.cathode in present and sheet.electrolyte in present:
            pair = (_outward(first, named, order, -1), _outward(second, named, order, 1))
            if pair[0] != pair[1]:
                boundaries[f"{pair[0]}:{pair[1]}:{what}"] = asr
    return replace(bare, boundaries=boundaries)


def is_solid(name: str) -> bool:
    """Whether a class is a solid, by its name; a pore is none."""
    return name.lower() not in ("pore", "unknown")


def _outward(key: str, named: Sequence[str | None], order: Sequence[str], step: int) -> str:
    """The phase itself if it is in the map, else the next one on its side that is."""
    if key in order or key not in named:
        return key if key in order else order[0 if step < 0 else -1]
    place = named.index(key)
    while 0 <= place < len(named):
        if named[place] in order:
            return str(named[place])
        place += step
    return order[0 if step < 0 else -1]
