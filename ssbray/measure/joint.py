"""The joint of cathode and electrolyte: contact, roughness, layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssbray.measure.contact import Contact
from ssbray.measure.interface import find_interface
from ssbray.measure.roles import CATHODE, ELECTROLYTE, LAYER
from ssbray.measure.roughness import roughness
from ssbray.measure.sheet import Sheet
from ssbray.measure.thickness import ALL, lacks_thickness, measure_thickness, note_line

LENGTHS = ("contact_length_um", "layered_contact_length_um", "gap_length_um", "interface_length_um",
           "layer_gap_length_um")
ROUGHNESS = ("roughness_length_over_width", "roughness_rms_nm")


def measure_joint(sheet: Sheet, labels: NDArray[np.uint8], part: NDArray[np.uint8], contact: Contact,
                      phases: tuple[str, ...]) -> None:
    """Note what the cathode touches, how rough its line is, and how thick the layers on it are."""
    count = np.bincount(labels.reshape(-1), minlength=len(part))
    layers = {phases[k]: [k] for k in np.flatnonzero(part == LAYER).tolist()}
    layers = {**layers, ALL: [k for each in layers.values() for k in each]}
    absent = [name for name, code in (("electrolyte", ELECTROLYTE), ("cathode", CATHODE))
              if not count[part == code].any()]
    if absent:
        reason = f"the map has no {' and no '.join(absent)}"
        sheet.lacks(reason, *LENGTHS, "contact_fraction", *ROUGHNESS)
        lacks_thickness(sheet, layers, reason)
        return
    gap = float(contact.gap.sum())
    length = contact.direct + contact.layered + gap
    for name, pixels in zip(LENGTHS, (contact.direct, contact.layered, gap, length, contact.behind_layer), strict=True):
        sheet.length_um(name, pixels)
    if length > 0:
        sheet.values["contact_fraction"] = (contact.direct + contact.layered) / length
    else:
        sheet.lacks("cathode and electrolyte do not meet, nor does a gap part them", "contact_fraction")

    interface = find_interface(labels, part, contact)
    rough = roughness(interface, labels.shape)
    if rough is None:
        sheet.lacks("no line between cathode and electrolyte crosses the map", *ROUGHNESS)
    else:
        sheet.values[ROUGHNESS[0]] = rough[0]
        sheet.values[ROUGHNESS[1]] = rough[1] * sheet.pixel_size_nm
    area = {name: float(count[each].sum()) for name, each in layers.items()}
    note_line(sheet, interface)
    measure_thickness(sheet, interface, layers, area, length)
