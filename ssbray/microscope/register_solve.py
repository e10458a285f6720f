"""Positions of frames from the shifts between pairs of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray

ROUNDS = 50
SCALE_PX = 0.05  #: a pair that is off by this counts half
SETTLED_PX = 1e-6


def solve(first: NDArray[np.int64], second: NDArray[np.int64], between: FloatArray, n: int
          ) -> tuple[FloatArray, FloatArray]:
    """Positions that agree best with the shifts between pairs, by least squares with Cauchy weights.

    Parameters
    ----------
    first, second : (m,) frames of each pair.
    between : (m, 2) shift of the second against the first [pixels].
    n : number of frames; the pairs connect them all.

    Returns
    -------
    positions : (n, 2) [pixels]; the first is zero.
    disagreement : (n,) median distance of the pairs of each frame from the positions [pixels].

    >>> solve(np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([[1.0, 0], [1.0, 2], [2.0, 2]]), 3)[0].tolist()
    [[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]]
    """
    incidence = np.zeros((len(first), n))
    incidence[np.arange(len(first)), second] = 1
    incidence[np.arange(len(first)), first] = -1
    steps = incidence[:, 1:]
    weight = np.ones(len(first))
    scale = max(1.0, float(np.median(abs(between))))  # narrowed round by round: a far start stays convex
    positions = np.zeros((n, 2))
    for _ in range(ROUNDS):
        root = np.sqrt(weight)[:, None]
        before = positions.copy()
        positions[1:] = np.linalg.lstsq(steps * root, between * root, rcond=None)[0]
        miss = np.linalg.norm(incidence @ positions - between, axis=1)
        scale = max(SCALE_PX, scale / 2)
        weight = 1 / (1 + (miss / scale) ** 2)
        if scale == SCALE_PX and np.abs(positions - before).max() < SETTLED_PX:
            break
    disagreement = np.array([np.median(miss[(first == i) | (second == i)]) for i in range(n)])
    return np.round(positions, 12) + 0.0, disagreement
