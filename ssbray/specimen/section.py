"""A specimen cut at a field of view and a pixel size.

What is thinner than `THIN_PIXELS` pixels has no pixels: it becomes a resistance between its two
neighbours, with no thickness, and the electrolyte fills its place. That adds thickness over the
electrolyte's conductivity to its own thickness over its own, a part in 10^3 at most for the layers
here, so the total resistance is the same on both sides of the crossover.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray, PhaseMap
from ssbray.errors import InputError
from ssbray.specimen.structure import Layer

if TYPE_CHECKING:
    from ssbray.specimen.specimen import Specimen

THIN_PIXELS = 3.0  #: a layer of fewer pixels across cannot carry a field
GAP_PIXELS = 2.0  #: least opening of an interface pore, so that no pixels touch across it by their corners


def pixel_centres(size_nm: tuple[float, float], offset_nm: tuple[float, float],
                  pixel_size_nm: float) -> tuple[FloatArray, FloatArray]:
    """Coordinates of columns (w,) and rows (h,) of whole pixels that fit in a window [nm]."""
    count = [max(1, int(extent / pixel_size_nm + 1e-6)) for extent in size_nm]
    x, y = (offset + pixel_size_nm * np.arange(0.5, n) for offset, n in zip(offset_nm, count, strict=True))
    return x, y


def depth(specimen: Specimen, x_nm: FloatArray, y_nm: FloatArray,
          pixel_size_nm: float) -> tuple[FloatArray, FloatArray]:
    """Signed distance to the interface and x of its foot on a grid of pixels, (h, w) each [nm].

    Positive in the electrolyte. Exact within the layers, the gaps and the clearance of pores;
    elsewhere plus or minus infinity, with the foot at zero.
    """
    interface, s = specimen.interface, specimen.structure
    below = interface.y(x_nm)[None, :] - y_nm[:, None]
    steep = interface.steepness()
    inner = specimen.stack_nm + s.pore_clearance_nm + pixel_size_nm
    outer = max(s.gap_thickness_nm, GAP_PIXELS * pixel_size_nm) + pixel_size_nm
    near = (below < steep * inner) & (below > -steep * outer)
    distance = np.where(below > 0, np.inf, -np.inf)
    foot = np.zeros_like(distance)
    row, column = np.nonzero(near)
    distance[near], foot[near] = interface.distance(x_nm[column], y_nm[row])
    return distance, foot


def section(specimen: Specimen, pixel_size_nm: float, *, size_nm: tuple[float, float] | None = None,
            offset_nm: tuple[float, float] = (0.0, 0.0)) -> PhaseMap:
    """Cut a specimen; see `Specimen.section`."""
    if not (np.isfinite(pixel_size_nm) and pixel_size_nm > 0):
        raise InputError("pixel_size_nm", pixel_size_nm, "must be a positive number of nanometres")
    window = _window(specimen, size_nm, offset_nm)
    x, y = pixel_centres(window, offset_nm, pixel_size_nm)
    distance, foot = depth(specimen, x, y, pixel_size_nm)

    s = specimen.structure
    share = specimen.drawn_share
    resolved = [layer for layer in s.layers if share * layer.thickness_nm >= THIN_PIXELS * pixel_size_nm]
    phases = (s.electrolyte, s.cathode, *(layer.phase for layer in resolved), "pore")
    label = {phase: np.uint8(k) for k, phase in enumerate(phases)}

    labels = np.where(distance >= 0, label[s.electrolyte], label[s.cathode])
    base = 0.0
    for layer in reversed(resolved):
        top = base + share * layer.thickness_nm
        labels[(distance >= base) & (distance < top)] = label[layer.phase]
        base = top
    labels[_gaps(specimen, distance, foot, pixel_size_nm)] = label["pore"]
    labels[specimen.pores.open(x, y) & (distance > specimen.stack_nm + s.pore_clearance_nm)] = label["pore"]
    return PhaseMap(labels=labels, phases=phases, pixel_size_nm=float(pixel_size_nm),
                    grains=_grains(specimen, labels, x, y), boundaries=_boundaries(specimen, resolved))


def _window(specimen: Specimen, size_nm: tuple[float, float] | None,
            offset_nm: tuple[float, float]) -> tuple[float, float]:
    whole = specimen.size_nm
    window = size_nm or (whole[0] - offset_nm[0], whole[1] - offset_nm[1])
    for extent, start, limit in zip(window, offset_nm, whole, strict=True):
        if not (extent > 0 and start >= 0 and start + extent <= limit * (1 + 1e-9)):
            raise InputError("size_nm, offset_nm", (window, offset_nm),
                             f"the window must lie within the specimen of {whole[0]:g} x {whole[1]:g} nm")
    return window


def _gaps(specimen: Specimen, distance: FloatArray, foot: FloatArray, pixel_size_nm: float) -> NDArray[np.bool_]:
    beneath = (distance < 0) & np.isfinite(distance)
    least = GAP_PIXELS * pixel_size_nm
    opened = np.zeros(distance.shape, dtype=bool)
    opened[beneath] = -distance[beneath] < specimen.interface.opening(foot[beneath], least)
    return opened


def _grains(specimen: Specimen, labels: NDArray[np.uint8], x: FloatArray, y: FloatArray) -> NDArray[np.int32]:
    """Grain of each pixel of electrolyte (label 0) and cathode (label 1); numbers do not depend on the section."""
    grains = np.zeros(labels.shape, dtype=np.int32)
    first = 1
    for phase, tessellation in enumerate((specimen.electrolyte_grains, specimen.cathode_grains)):
        row, column = np.nonzero(labels == phase)
        grains[row, column] = first + tessellation.assign(x[column], y[row])
        first += len(tessellation.seeds_nm)
    return grains


def _boundaries(specimen: Specimen, resolved: Sequence[Layer]) -> dict[str, float]:
    """Resistances without thickness at 25 C [ohm cm2], each between the phases that have pixels on its sides."""
    s = specimen.structure
    present = [s.electrolyte, *(layer.phase for layer in resolved), s.cathode]
    found = {f"{s.electrolyte}:{s.electrolyte}:grain boundary": s.grain_boundary_asr_ohm_cm2}
    above = 0
    for layer in s.layers:
        if layer in resolved:
            above += 1
            if specimen.drawn_share < 1:
                found[f"{present[above - 1]}:{layer.phase}:{layer.phase}"] = (
                    (1 - specimen.drawn_share) * layer.asr_ohm_cm2)
        else:
            found[f"{present[above]}:{present[above + 1]}:{layer.phase}"] = layer.asr_ohm_cm2
    found[f"{present[-2]}:{present[-1]}:charge transfer"] = s.charge_transfer_asr_ohm_cm2
    return found
