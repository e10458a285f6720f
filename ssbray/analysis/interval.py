"""Intervals of measured quantities from draws, widened or narrowed as the calibration demands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ssbray.analysis.draws import Trust
from ssbray.measure import Measurements

NORMAL90 = 1.645  #: standard deviations to either side that hold nine tenths of a normal law
SMALL = 0.002  #: half width, as a share of the value, below which no spread of draws is believed


def intervals(centre: Measurements, draws: Sequence[Measurements], trust: Trust) -> dict[str, dict[str, float | None]]:
    """{value, low90, high90, std, defined} of each quantity that the most probable map or a draw has.

    `value` is that of the most probable map, or the median of the draws where only draws have it. The half widths
    are those of the draws times the calibrated factor; `low90` and `high90` are None where the calibration found no
    factor that holds, as for something that the model misses more often than not, and where
    nothing was found at all.
    """
    table: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(key for one in (centre, *draws) for key in one.values):
        values = np.array([one.values[name] for one in draws if name in one.values])
        middle = value_of(name, centre, values)
        low, high = half_widths(middle, values, abs(middle))
        factor = trust.width(name)
        holds = math.isfinite(factor) and (low > 0 or high > 0)
        bounds = (middle - factor * low, middle + factor * high) if holds else (None, None)
        table[name] = {"value": middle, "low90": bounds[0], "high90": bounds[1],
                       "std": float(values.std()) if len(values) > 1 else None,
                       "defined": len(values) / max(1, len(draws))}
        if bounds[0] is not None and bounds[1] is not None:
            share = name.startswith("fraction:") or name == "contact_fraction"
            table[name]["low90"] = max(0.0, bounds[0]) if middle >= 0 else bounds[0]
            table[name]["high90"] = min(1.0, bounds[1]) if share else bounds[1]
    return table


def value_of(name: str, centre: Measurements, values: np.ndarray) -> float:
    """The one number that is given for a quantity; `values` are those of the draws."""
    return centre.values[name] if name in centre.values else float(np.median(values))


def half_widths(middle: float, values: np.ndarray, scale: float) -> tuple[float, float]:
    """Distances down and up from the middle within which nine tenths of draws would lie, were they normal.

    From mean and standard deviation, so that they do not grow with the number of draws. Draws are rougher than the
    most probable map, and a length may lie below all of them: their own spread is the least on both sides, and
    `SMALL` times the scale.
    """
    if len(values) == 0:
        return SMALL * scale, SMALL * scale
    spread = NORMAL90 * float(values.std(ddof=1)) if len(values) > 1 else 0.0
    off = float(values.mean()) - middle
    least = max(spread, SMALL * scale)
    return max(spread - off, least), max(spread + off, least)
