"""Maps drawn from a segmentation, and what is measured on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import PhaseMap
from ssbray.measure import Measurements, measure
from ssbray.segmentation import Segmentation
from ssbray.segmentation.instances import grains, ridge
from ssbray.segmentation.posterior import samples

CORRELATION_PX = 8.0  #: of the drawn maps, where nothing was calibrated
GRAINED = ("LLZO", "NMC")


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How a model's draws relate to the truth, from specimens kept for calibration."""

    correlation_px: float = CORRELATION_PX
    widths: Mapping[str, float] = field(default_factory=dict)  #: quantity -> factor on the half widths of its interval
    specimens: int = 0  #: on which this was found; 0: nothing is calibrated

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Trust:
        """What a model's card says."""
        found = card.get("intervals")
        if not found:
            return cls()
        widths = {name: math.inf if value is None else value for name, value in found["widths"].items()}
        return cls(correlation_px=found["correlation_px"], widths=widths, specimens=found["specimens"])

    def width(self, quantity: str) -> float:
        """Factor of a quantity; that of its kind, or of all together, where the quantity itself was too rare."""
        return float(self.widths.get(quantity, self.widths.get(kind(quantity), self.widths.get("all", 1.0))))


def kind(quantity: str) -> str:
    """What a quantity is one of: thicknesses of different layers are of one kind.

    >>> kind("thickness:La2Zr2O7:mean_nm"), kind("contact_fraction")
    ('thickness:mean_nm', 'contact_fraction')
    """
    parts = quantity.split(":")
    return quantity if len(parts) == 1 else f"{parts[0]}:{parts[-1]}" if len(parts) == 3 else parts[0]


def restricted(found: Segmentation, absent: Sequence[str]) -> Segmentation:
    """The segmentation given that some classes do not occur: what they had goes to the others, pixel by pixel."""
    gone = [k for k, name in enumerate(found.classes) if name in absent]
    if not gone:
        return found
    share = found.probability.copy()
    share[gone] = 0.0
    rest = share.sum(axis=0)
    share /= np.maximum(rest, 1e-12)
    if (lost := rest < 1e-6).any():  # nothing else was thought possible there: the nearest pixel decides
        from scipy.ndimage import distance_transform_edt

        place = distance_transform_edt(lost, return_distances=False, return_indices=True)
        share = share[:, place[0], place[1]]
    return replace(found, probability=share)


def likely(found: Segmentation) -> PhaseMap:
    """The most probable map, with its grains."""
    return with_grains(found, found.labels)


def drawn(found: Segmentation, centre: PhaseMap, count: int, trust: Trust, seed: int) -> Iterator[PhaseMap]:
    """Maps from the posterior. Grains are those of the most probable map, grown or cut back to their phases."""
    from scipy.ndimage import distance_transform_edt

    phases = [found.classes.index(name) for name in GRAINED if name in found.classes]
    nearest = None
    if centre.grains is not None and centre.grains.any():
        place = distance_transform_edt(centre.grains == 0, return_distances=False, return_indices=True)
        nearest = centre.grains[place[0], place[1]]
    for labels in samples(found, count, correlation_px=trust.correlation_px, seed=seed):
        numbers = centre.grains if nearest is None else np.where(np.isin(labels, phases), nearest, 0).astype(np.int32)
        yield replace(centre, labels=labels, grains=numbers)


def with_grains(found: Segmentation, labels: NDArray[np.uint8]) -> PhaseMap:
    """A phase map of labels, with grains in the phases that have them."""
    phases = [found.classes.index(name) for name in GRAINED if name in found.classes]
    numbers = grains(found.heads["grain boundary"], labels, phases) if phases else None
    return PhaseMap(labels=labels, phases=found.classes, pixel_size_nm=found.pixel_size_nm, grains=numbers)


def measured(lines: NDArray[np.bool_], phase_map: PhaseMap, foil_thickness_nm: float | None = None) -> Measurements:
    """Measure a map of a segmentation, with the dislocations that the model sees (`dislocations`)."""
    return measure(phase_map, dislocations=lines, foil_thickness_nm=foil_thickness_nm)


def dislocations(found: Segmentation) -> NDArray[np.bool_]:
    """Centre lines of the dislocations that the model sees, (H, W)."""
    return ridge(found.heads["dislocation"])
