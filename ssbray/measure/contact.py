"""Lengths of the boundaries between the parts of a map, each true to its slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssbray.domain import FloatArray
from ssbray.measure.line import Line, trace
from ssbray.measure.roles import CATHODE, ELECTROLYTE, LAYER, PORE


@dataclass(frozen=True, eq=False, kw_only=True)
class Contact:
    """Who touches whom, in pixel edges. Entry k of an array belongs to pore k; there is no pore 0."""

    direct: float  #: cathode | electrolyte
    layered: float  #: cathode | layer
    pores: NDArray[np.int32]  #: (H, W) number of the pore, 0 elsewhere
    cathode_pore: FloatArray  #: (n + 1,) cathode | pore
    electrolyte_pore: FloatArray  #: (n + 1,) pore | electrolyte
    layer_pore: FloatArray  #: (n + 1,) pore | layer
    ground: NDArray[np.int64]  #: (k,) flat index of the pixel of cathode on each face between cathode and pore
    on_cathode: NDArray[np.bool_]  #: (n + 1,) whether the pore touches the cathode
    on_electrolyte: NDArray[np.bool_]  #: (n + 1,) whether it touches the electrolyte

    @property
    def gap(self) -> FloatArray:
        """Length of interface that each pore holds open: the shorter of the two faces between which it lies, (n + 1,).

        The longer one has the depth of the pore in it. A pore that lies wholly in the cathode, or wholly
        in the electrolyte, has one face of length zero and is no gap.
        """
        return np.minimum(self.cathode_pore, self.electrolyte_pore + self.layer_pore)

    @property
    def behind_layer(self) -> float:
        """Length over which pores that do not reach the cathode part a layer from the electrolyte."""
        apart = np.minimum(self.electrolyte_pore, self.layer_pore)
        return float(apart[~self.on_cathode].sum())


def find_contact(parts: NDArray[np.uint8]) -> Contact:
    """Measure the outlines of the cathode, and of electrolyte with layers, in a map of parts (H, W)."""
    pores, count = ndimage.label(parts == PORE)
    flat, pore = parts.reshape(-1), pores.reshape(-1)
    near = trace(parts == CATHODE, apart=parts == PORE)
    far = trace((parts == ELECTROLYTE) | (parts == LAYER), apart=parts == PORE)
    beyond = flat[near.outside]
    garnet = flat[far.inside] == ELECTROLYTE

    def per_pore(line: Line, chosen: NDArray[np.bool_]) -> tuple[FloatArray, NDArray[np.bool_]]:
        number = pore[line.outside[chosen]]
        length = np.bincount(number, line.length[chosen], count + 1).astype(np.float64)
        touched = np.bincount(number, minlength=count + 1) > 0
        length[0], touched[0] = 0.0, False
        return np.maximum(length, 0.0), touched

    cathode_pore, on_cathode = per_pore(near, np.ones(len(near), dtype=bool))
    electrolyte_pore, on_electrolyte = per_pore(far, garnet)
    layer_pore, _ = per_pore(far, ~garnet)
    return Contact(
        direct=max(0.0, float(near.length[beyond == ELECTROLYTE].sum())),
        layered=max(0.0, float(near.length[beyond == LAYER].sum())),
        pores=pores, cathode_pore=cathode_pore, electrolyte_pore=electrolyte_pore, layer_pore=layer_pore,
        ground=near.inside[beyond == PORE], on_cathode=on_cathode, on_electrolyte=on_electrolyte)
