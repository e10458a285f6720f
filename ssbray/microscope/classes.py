"""What a micrograph can tell apart: phases to visible classes, and back with the sample's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.materials import Materials

CLASSES = ("LLZO", "t-LLZO", "La2Zr2O7", "coating", "NMC", "pore")  #: of the bundled segmenter, in its order
_BY_FAMILY = {"electrolyte": "LLZO", "coating": "coating", "cathode": "NMC", "pore": "pore"}


def visible(phase_map: PhaseMap, materials: Materials) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Labels as a micrograph shows them, (H, W) or (D, H, W), and the name of each class.

    The dopant of the garnet, the sort of coating and the composition of the cathode do not show. Reaction
    products keep their key; those that are no bundled class get one after them.

    >>> from ssbray import materials
    >>> section = PhaseMap(labels=np.uint8([[0, 1, 2]]), phases=("Ta-LLZO", "NMC811", "Li2CO3"), pixel_size_nm=1.0)
    >>> labels, names = visible(section, materials.load())
    >>> [names[k] for k in labels[0]], len(names)
    (['LLZO', 'NMC', 'Li2CO3'], 7)
    """
    names = list(CLASSES)
    table = np.zeros(len(phase_map.phases), dtype=np.uint8)
    for label, key in enumerate(phase_map.phases):
        phase = materials.phase(key)
        name = phase.key if phase.key in CLASSES else _BY_FAMILY.get(phase.family, phase.key)
        if name not in names:
            names.append(name)
        table[label] = names.index(name)
    return table[phase_map.labels], tuple(names)


def solid(labels: NDArray[np.uint8], names: Sequence[str], *, electrolyte: str, cathode: str,
          coating: str | None = None, pixel_size_nm: float, grains: NDArray[np.int32] | None = None,
          boundaries: Mapping[str, float] | None = None) -> PhaseMap:
    """Classes of a micrograph as phases of the materials tables.

    Parameters
    ----------
    labels : (H, W) or (D, H, W) index into `names`.
    electrolyte, cathode, coating : phase keys that the classes LLZO, NMC and coating stand for.
    boundaries : resistances without thickness between those phases, name -> ASR at 25 C [ohm cm2].

    Returns
    -------
    PhaseMap with one phase per class, those without pixels included, but for a coating that nobody named.

    Raises
    ------
    InputError : where there are pixels of a coating, and nobody said which.
    """
    if labels.size and (top := int(labels.max())) >= len(names):
        raise InputError("labels", top, f"only 0..{len(names) - 1} are named ({', '.join(names)})")
    keys = {"LLZO": electrolyte, "NMC": cathode, "coating": coating}
    present = set(np.unique(labels).tolist())
    phases: list[str] = []
    table = np.zeros(len(names), dtype=np.uint8)
    for label, name in enumerate(names):
        key = keys.get(name, name)
        if key is None:
            if label in present:
                raise InputError("coating", None, "say which coating it is, e.g. --phase coating=Li3BO3")
            continue
        if key not in phases:
            phases.append(key)
        table[label] = phases.index(key)
    return PhaseMap(labels=table[labels], phases=tuple(phases), pixel_size_nm=pixel_size_nm, grains=grains,
                    boundaries=dict(boundaries or {}))
