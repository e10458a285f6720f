"""Predicted against computed conductivity, with intervals, on test images and on fresh specimens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssbray.campaign.report import style, words
from ssbray.domain import FloatArray

Points = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@style.drawn
def draw(prediction: Mapping[str, Any]) -> Figure:
    """Draw both sets in one square, and beside it the ratio, where the intervals can be seen.

    Specimens outside the range of what was learnt are hollow.
    """
    figure = style.canvas(9.0, 4.9)
    axis, ratio = figure.subplots(1, 2)
    sets = {name: points(scores) for name, scores in prediction.items()}
    sets = {name: each for name, each in sets.items() if len(each[0])}
    handles = []
    for place, (name, (truth, guess, ends, inside)) in enumerate(sets.items()):
        colour, marker = style.COLOURS[place % len(style.COLOURS)], style.MARKERS[place % len(style.MARKERS)]
        for known in (True, False):
            mine = (inside > 0) == known
            look = {"fmt": marker, "color": colour, "markersize": 4.5, "linewidth": 0, "elinewidth": 0.8,
                    "alpha": 0.85, "markerfacecolor": colour if known else "white"}
            for panel, scale in ((axis, np.ones(int(mine.sum()))), (ratio, truth[mine])):
                middle, low, high = guess[mine] / scale, ends[mine, 0] / scale, ends[mine, 1] / scale
                panel.errorbar(truth[mine], middle, yerr=np.maximum(0.0, [middle - low, high - middle]), **look)
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=f"{name} ({len(truth)})"))
    if any((each[3] == 0).any() for each in sets.values()):
        handles.append(Line2D([], [], linestyle="", marker="o", color=style.INK, markerfacecolor="white",
                              label="hollow: unlike what was learnt"))
    _finish(axis, ratio, list(sets.values()))
    handles.append(Line2D([], [], color=style.INK, linewidth=0.9, label="prediction = computed"))
    figure.legend(handles=handles, loc="outside upper left", ncols=min(4, len(handles)))
    return figure


def points(scores: Mapping[str, Any]) -> Points:
    """Computed (n,), predicted (n,), ends of the intervals (n, 2), whether in the domain (n,); in S/cm."""
    kept = scores["points"]
    rows = [(truth, guess, *(ends or (guess, guess)), float(inside)) for truth, guess, ends, inside in zip(
        kept["computed_S_per_cm"], kept["predicted_S_per_cm"], kept["interval90_S_per_cm"], kept["in_domain"],
        strict=True) if truth and guess]
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return table[:, 0], table[:, 1], table[:, 2:4], table[:, 4]


def _finish(axis: Any, ratio: Any, sets: list[Points]) -> None:
    truth = np.concatenate([each[0] for each in sets])
    guess = np.concatenate([each[1] for each in sets])
    ends = np.concatenate([each[2] for each in sets])
    low, high = min(truth.min(), guess.min()) / 1.3, max(truth.max(), guess.max()) * 1.3
    axis.plot([low, high], [low, high], color=style.INK, linewidth=0.9, zorder=1)
    axis.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axis.set_aspect("equal")
    ratio.axhline(1, color=style.INK, linewidth=0.9, zorder=1)
    ratio.set(xscale="log", yscale="log", xlim=(low, high))
    for side in (axis.xaxis, axis.yaxis, ratio.xaxis):
        style.plain_log(side, high / low)
    relative = np.concatenate([(ends / truth[:, None]).ravel(), guess / truth])
    relative = relative[relative > 0]
    # one wild interval must not squeeze all others; what leaves the view is a bar without an end
    bottom, top = np.percentile(relative, [1, 99])
    bottom, top = min(bottom, (guess / truth).min(), 0.97) / 1.02, max(top, (guess / truth).max(), 1.03) * 1.02
    ratio.set_ylim(bottom, top)
    style.plain_log(ratio.yaxis, float(top / bottom))
    axis.set_xlabel(f"computed conductivity ({words.SIGMA_UNIT})")
    axis.set_ylabel(f"predicted conductivity ({words.SIGMA_UNIT})")
    ratio.set_xlabel(f"computed conductivity ({words.SIGMA_UNIT})")
    ratio.set_ylabel("predicted / computed")
