"""Small graphs of layered maps."""

import numpy as np

from ssbray.domain import FeatureGraph, PhaseMap
from ssbray.graph import build
from ssbray.rng import stream

SIGMA = {0: 1.0, 1: 0.1, 2: 0.0, 3: 1e-3}


def layered(number: int, *, zirconate: int = 0, pores: int = 2, repeat: int = 1) -> FeatureGraph:
    """Electrolyte on cathode with a few square pores, and a poorly conducting layer of some rows between the two."""
    random = stream(0, "layered", number)
    height = int(random.integers(18, 23))
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[height:] = 1
    labels[height - zirconate:height] = 3
    for k in range(pores):
        row, column = 1 + 3 * (k // 12) + int(random.integers(0, 1 + (pores < 12))), 5 * (k % 12) + 1
        labels[row:row + 2, column:column + int(random.integers(2, 4))] = 2
    labels = np.kron(labels, np.ones((repeat, repeat), dtype=np.uint8))
    return build(PhaseMap(labels=labels, phases=("LLZO", "NMC811", "pore", "La2Zr2O7"), pixel_size_nm=4.0 / repeat),
                 SIGMA, {(0, 1): 1e-9})
