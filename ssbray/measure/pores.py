"""Pores of the electrolyte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssbray.measure.contact import Contact
from ssbray.measure.roles import ELECTROLYTE
from ssbray.measure.sheet import Sheet
from ssbray.measure.sizes import find_sizes


def measure_pores(sheet: Sheet, parts: NDArray[np.uint8], contact: Contact) -> None:
    """Note share, number and sizes of the pores that touch the electrolyte and not the cathode.

    A pore that touches both is a gap of the interface, one that touches the cathode alone is the cathode's.
    """
    garnet = int((parts == ELECTROLYTE).sum())
    if garnet == 0:
        sheet.lacks("the map has no electrolyte", "pore_fraction_of_electrolyte", "pore_count", "pore_cut_count",
                    *(f"pore_size_{what}_nm" for what in ("mean", "median", "p5", "p95")))
        return
    own = contact.on_electrolyte & ~contact.on_cathode
    pores = np.where(own[contact.pores], contact.pores, 0)
    area = int((pores > 0).sum())
    sheet.values["pore_fraction_of_electrolyte"] = area / (area + garnet)
    sheet.sizes("pore", find_sizes(pores), tails=True)
