"""HyperScore: one number for a study, a campaign or a sample, from parts that are each in (0, 1].

The formula is recalled from the family of papers that this study comes from, and was not checked against a print of
it. It is a ranking and no measurement: it adds nothing to its parts, which are shown beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ssbray.errors import InputError

BETA, GAMMA, KAPPA = 5.0, -math.log(2), 2.0
LEAST = 1e-6  #: of a part that is there and counts for nothing


def hyperscore(value: float, beta: float = BETA, gamma: float = GAMMA, kappa: float = KAPPA) -> float:
    """``100 [1 + sigmoid(beta ln V + gamma)^kappa]`` of V in (0, 1]; recalled, see above.

    >>> round(hyperscore(1.0), 2), round(hyperscore(0.95), 2)
    (111.11, 107.78)

    Raises
    ------
    InputError : V does not lie in (0, 1].
    """
    if not 0 < value <= 1:
        raise InputError("V", value, "must lie above 0 and not above 1")
    return 100 * (1 + (1 / (1 + math.exp(-(beta * math.log(value) + gamma)))) ** kappa)


def accuracy(mape_percent: float) -> float:
    """1 for an exact surrogate, one half where the mean error is 100 %."""
    return 1 / (1 + mape_percent / 100)


def calibration(coverage90: float) -> float:
    """1 where nine in ten intervals hold the truth, less by the difference otherwise."""
    return 1 - abs(coverage90 - 0.9)


def gain(percent: float) -> float:
    """Share of the reference's resistance that the best design has removed; a loss counts as next to nothing.

    >>> round(gain(35.0), 3)
    0.259
    """
    return max(LEAST, 1 - 1 / (1 + percent / 100)) if percent > -100 else LEAST


def joined(parts: Mapping[str, float]) -> float:
    """V: the geometric mean of the parts, so that none can be bought with another."""
    for name, part in parts.items():
        if not 0 < part <= 1:
            raise InputError(name, part, "a part of V must lie above 0 and not above 1")
    return math.exp(sum(math.log(part) for part in parts.values()) / len(parts)) if parts else 1.0
