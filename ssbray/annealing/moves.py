"""Random steps in the unit cube: local Gaussian steps, and Ingber's long-tailed ones."""

from __future__ import annotations

import numpy as np

from ssbray.annealing.space import Categorical, Int, Space


def move(space: Space, u: np.ndarray, *, width: float, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """Step away from u, (n,) in the unit cube, in a random subset of the dimensions.

    Half of the moves are Gaussian with standard deviation `width`, half draw from the generating
    distribution of adaptive simulated annealing at `temperature` (Ingber 1989,
    10.1016/0895-7177(89)90202-1), which is peaked at zero and still reaches across the cube.
    Categories are drawn anew, whole numbers step by one at least.
    """
    n = len(space)
    chosen = rng.random(n) < max(1.0 / n, 0.35)
    chosen[rng.integers(n)] = True
    gauss, uniform, redraw = rng.normal(size=n), rng.random(n), rng.random(n)
    long_tailed = rng.random() < 0.5
    spread = 2 * uniform - 1
    tail = np.sign(spread) * temperature * ((1 + 1 / temperature) ** np.abs(spread) - 1)
    step = tail if long_tailed else width * gauss
    new = u.copy()
    for k in np.flatnonzero(chosen):
        dimension = space.dimensions[space.names[k]]
        if isinstance(dimension, Categorical):
            new[k] = redraw[k]
        elif isinstance(dimension, Int):
            cell = 1.0 / (dimension.high - dimension.low + 1)
            new[k] = _reflect(u[k] + np.sign(step[k]) * max(abs(step[k]), cell))
        else:
            new[k] = _reflect(u[k] + step[k])
    return new


def _reflect(x: float) -> float:
    """Fold the line back into [0, 1]."""
    x = abs(x) % 2.0
    return 2.0 - x if x > 1.0 else x
