"""Many measured maps to intervals, and tables to summaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.measure.measurements import Measurements


def interval(samples: Sequence[Measurements], levels: tuple[float, float] = (0.05, 0.95),
             centre: Measurements | None = None) -> dict[str, dict[str, float | None]]:
    """Mean, spread and quantiles of each value over maps sampled from one segmentation.

    A value that some samples lack is summarised over those that have it; `defined` is their share,
    and a reader must know it: a layer found in a tenth of the maps has a narrow interval all the same.

    Parameters
    ----------
    samples : measured maps, at least one.
    levels : of the lower and the upper quantile.
    centre : measurements of the most probable map, given beside the mean as `centre`: the maps
        around it are rougher than it is, so the mean of a length lies above it. Names that only it has
        come with n = 0.

    Returns
    -------
    name -> {mean, std, low, high, n, defined} and, where given, centre. `std` is that of a sample
    (n - 1), None for n = 1; all are None for n = 0.

    >>> one, two = (Measurements(values={"a": x}, profiles={}, missing={}) for x in (1.0, 3.0))
    >>> interval([one, two], levels=(0.0, 1.0))["a"]["high"]
    3.0
    """
    if len(samples) == 0:
        raise InputError("samples", 0, "give at least one measured map")
    if not 0 <= levels[0] < levels[1] <= 1:
        raise InputError("levels", levels, "give two rising levels from 0 to 1, such as (0.05, 0.95)")
    names = dict.fromkeys(name for one in (*samples, *([] if centre is None else [centre])) for name in one.values)
    table: dict[str, dict[str, float | None]] = {}
    for name in names:
        value = _finite([one.values[name] for one in samples if name in one.values])
        low, high = np.quantile(value, levels) if len(value) else (None, None)
        table[name] = {
            "mean": _plain(value.mean() if len(value) else None),
            "std": _plain(value.std(ddof=1) if len(value) > 1 else None), "low": _plain(low), "high": _plain(high),
            "n": len(value), "defined": len(value) / len(samples)}
        if centre is not None:
            table[name]["centre"] = _plain(centre.values.get(name))
    return table


def distribution(table: Mapping[str, ArrayLike]) -> dict[str, dict[str, float | None]]:
    """Summary of each column of a table, ready for JSON: finite numbers or None.

    Parameters
    ----------
    table : name -> values of any shape; what is not finite counts in `missing` only.

    >>> distribution({"size_nm": [1.0, 2.0, 9.0, float("nan")]})["size_nm"]["median"]
    2.0
    """
    summary: dict[str, dict[str, float | None]] = {}
    for name, column in table.items():
        everything = np.asarray(column, dtype=float).reshape(-1)
        value = _finite(everything)
        row: dict[str, float | None] = {"n": len(value), "missing": len(everything) - len(value)}
        row["mean"] = _plain(value.mean() if len(value) else None)
        row["std"] = _plain(value.std(ddof=1) if len(value) > 1 else None)
        for key, level in (("min", 0.0), ("p5", 0.05), ("median", 0.5), ("p95", 0.95), ("max", 1.0)):
            row[key] = _plain(np.quantile(value, level) if len(value) else None)
        summary[name] = row
    return summary


def _finite(column: ArrayLike) -> FloatArray:
    value: FloatArray = np.asarray(column, dtype=float)
    return value[np.isfinite(value)]


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
