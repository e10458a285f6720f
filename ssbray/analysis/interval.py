"""Intervals of measured quantities from draws, widened or narrowed as the calibration demands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ssbray.analysis.draws import Trust
from ssbray.measure import Measurements

LEVELS = (0.05, 0.95)


def intervals(centre: Measurements, draws: Sequence[Measurements], trust: Trust) -> dict[str, dict[str, float | None]]:
    """{value, low90, high90, std, defined} of each quantity that the most probable map or most draws have.

    `value` is that of the most probable map. The half widths are its distances to the 5th and 95th percentile of the
    draws, times the calibrated factor.
    """
    table: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(key for one in (centre, *draws) for key in one.values):
        values = np.array([one.values[name] for one in draws if name in one.values])
        middle = centre.values.get(name, float(np.median(values)) if len(values) else math.nan)
        low, high = half_widths(middle, values) if len(values) else (0.0, 0.0)
        factor = trust.width(name)
        bottom = middle - factor * low
        table[name] = {"value": middle, "low90": max(0.0, bottom) if middle >= 0 else bottom,
                       "high90": middle + factor * high, "std": float(values.std()) if len(values) > 1 else None,
                       "defined": len(values) / max(1, len(draws))}
        if name.startswith("fraction:") or name == "contact_fraction":
            table[name]["high90"] = min(1.0, middle + factor * high)
    return table


def half_widths(middle: float, values: np.ndarray) -> tuple[float, float]:
    """Distances down and up from the middle to where nine tenths of the draws lie; both the wider where one is nil.

    Draws are rougher than the most probable map, so that a length may lie below all of them: then their spread is
    taken on both sides.
    """
    low, high = np.quantile(values, LEVELS)
    spread = float(high - low) / 2
    return max(middle - float(low), spread), max(float(high) - middle, spread)
