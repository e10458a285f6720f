"""All measurements of one phase map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.measure.burrs import without_burrs
from ssbray.measure.contact import find_contact
from ssbray.measure.filaments import measure_dislocations
from ssbray.measure.grains import measure_grains
from ssbray.measure.joint import measure_joint
from ssbray.measure.pores import measure_pores
from ssbray.measure.roles import PORE, Roles
from ssbray.measure.sheet import Sheet
from ssbray.measure.specks import without_specks


@dataclass(frozen=True, eq=False, kw_only=True)
class Measurements:
    """What was measured, and why the rest was not."""

    values: Mapping[str, float]  #: name with unit -> finite number
    profiles: Mapping[str, NDArray[Any]]  #: name with unit -> array
    missing: Mapping[str, str]  #: name -> reason

    def to_dict(self, profiles: bool = False) -> dict[str, Any]:
        """Plain data for JSON; what is not finite in a profile becomes None."""
        plain: dict[str, Any] = {"values": dict(self.values), "missing": dict(self.missing)}
        if profiles:
            plain["profiles"] = {
                name: [x if np.isfinite(x) else None for x in column.tolist()]
                for name, column in self.profiles.items()}
        return plain


def measure(phase_map: PhaseMap, roles: Roles | None = None, *, dislocations: NDArray[np.bool_] | None = None,
            foil_thickness_nm: float | None = None, least_pixels: int = 4) -> Measurements:
    """Measure a section.

    Values, each of which stands either in `values` or in `missing`:

    - ``fraction:<phase>`` of the map as it was given; `cleaned_fraction`: share of pixels changed before the rest.
    - `contact_length_um`, `layered_contact_length_um`, `gap_length_um`: cathode against electrolyte, a layer, and
      a pore that parts it from them; together `interface_length_um`. `contact_fraction` is the share of the first
      two. `layer_gap_length_um`: layer parted from the electrolyte by a pore behind it.
    - `roughness_length_over_width`, `roughness_rms_nm` of the lines that cross the map.
    - ``thickness:<layer>:`` and, for all together, ``thickness:layers:``: `mean_nm`, `p5_nm`, `p95_nm` where the
      layer is, `coverage` of the line, `whole_mean_nm` over all of it, `area_over_length_nm` (all of the phase in
      view over `interface_length_um`).
    - `grain_...` of the electrolyte and `pore_...` of its own pores: sizes are diameters of discs of the same area,
      of what lies whole in view, weighted against the border's preference for small ones.
    - `dislocation_length_um`, `dislocation_length_per_area_per_um` and, with a foil, `dislocation_density_per_um2`
      and `dislocation_density_per_m2`, all in the electrolyte.

    Profiles: ``interface:...`` (position along the line, point, length, curve, state 0 direct, 1 layered, 2 gap) with
    ``thickness:<layer>_nm`` at the same points; ``grain:...`` and ``pore:...`` (diameters, cut by the border or not,
    histogram).

    Parameters
    ----------
    phase_map : a section; a map of a volume is measured plane by plane.
    roles : which phase plays which part; guessed from the names where None.
    dislocations : (H, W) mask of dislocation lines, or None.
    foil_thickness_nm : of the lamella in which the dislocations were seen. Their length per area of
        image becomes a density only through it.
    least_pixels : a region of fewer pixels is taken for an error of the segmentation and given to the phase
        around it, and so are single pixels that stick out of an edge, in half as many passes. The edges of
        pores stay, because trimming would shrink small ones. The mask of dislocations is cleaned likewise.
        1 takes every pixel at its word.

    Returns
    -------
    Measurements. What has no meaning for this map is absent from `values`, with the reason in `missing`.

    Raises
    ------
    InputError : for a volume, a role of a phase that the map does not have, a mask of another shape.
    """
    if phase_map.labels.ndim != 2 or min(phase_map.labels.shape) < 2:
        raise InputError("labels", phase_map.labels.shape,
                         "measure a section of at least 2 x 2 pixels: of a volume take one plane (H, W)")
    if least_pixels < 1:
        raise InputError("least_pixels", least_pixels, "the least region is one pixel or more")
    roles = Roles.guess(phase_map.phases) if roles is None else roles
    part = roles.parts(phase_map)
    labels, grains = without_burrs(phase_map.labels, phase_map.grains, least_pixels // 2, keep=part == PORE)
    labels, grains = without_specks(labels, grains, least_pixels)
    parts = part[labels]
    sheet = Sheet(pixel_size_nm=phase_map.pixel_size_nm)
    count = np.bincount(phase_map.labels.reshape(-1), minlength=len(part))
    sheet.values.update({f"fraction:{phase}": float(n) / labels.size
                         for phase, n in zip(phase_map.phases, count, strict=True)})
    sheet.values["cleaned_fraction"] = float((labels != phase_map.labels).mean())
    contact = find_contact(parts)
    measure_grains(sheet, parts, grains)
    measure_joint(sheet, labels, part, contact, phase_map.phases)
    measure_pores(sheet, parts, contact)
    measure_dislocations(sheet, parts, dislocations, foil_thickness_nm, least_pixels)
    return Measurements(values=sheet.values, profiles=sheet.profiles, missing=sheet.missing)
