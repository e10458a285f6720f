"""Whether intervals hold what they say, and whether the segmenter's probabilities do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import binom

from ssbray.campaign.report import style, words


@style.drawn
def draw(prediction: Mapping[str, Any], segmentation: Mapping[str, Any]) -> Figure:
    """Draw coverage against the nominal level, with the band that chance allows, and the error of probabilities."""
    figure = style.canvas(9.0, 3.9)
    axis, bars = figure.subplots(1, 2, width_ratios=[1.35, 1])
    handles: list[Any] = []
    for place, (name, scores) in enumerate(prediction.items()):
        levels, shares = coverage(scores)
        colour, marker = style.COLOURS[place % len(style.COLOURS)], style.MARKERS[place % len(style.MARKERS)]
        shift = (place - (len(prediction) - 1) / 2) * 1.6
        low, high = band(levels / 100, int(scores["n"]))
        axis.bar(levels + shift, 100 * (high - low), bottom=100 * low, width=1.5, color=colour, alpha=0.22, linewidth=0)
        axis.plot(levels + shift, 100 * shares, linestyle="", marker=marker, color=colour, markersize=6)
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour,
                              label=f"{name} ({scores['n']})"))
    axis.plot([40, 100], [40, 100], color=style.INK, linewidth=0.9, zorder=1)
    handles += [Patch(facecolor=style.GREY, alpha=0.35, label="95 % of what chance does to exact intervals"),
                Line2D([], [], color=style.INK, linewidth=0.9, label="exact")]
    axis.set(xticks=[50, 80, 90, 95], xlim=(44, 100), xlabel="the interval claims to hold (%)",
             ylabel="it holds (%)", title="prediction of conductivity: too high is too careful,\ntoo low is too sure")
    axis.legend(handles=handles, loc="lower right", fontsize=7.5)
    _probabilities(bars, segmentation)
    return figure


def coverage(scores: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Nominal levels [%] and the share of truths in the central intervals, ascending."""
    rows = sorted((float(level), float(share)) for level, share in scores["coverage"].items() if share is not None)
    table = np.array(rows, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def band(levels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Central 95 % of the share that n exact intervals hold.

    >>> low, high = band(np.array([0.9]), 100)
    >>> float(low[0]), float(high[0])
    (0.84, 0.95)
    """
    return binom.ppf(0.025, n, levels) / n, binom.ppf(0.975, n, levels) / n


def _probabilities(axis: Any, segmentation: Mapping[str, Any]) -> None:
    """Expected calibration error of each choice of inputs."""
    rows = [(name, 100 * scores["ece"]) for name, scores in segmentation.items() if scores["ece"] is not None]
    places = np.arange(len(rows))
    axis.barh(places, [value for _, value in rows], color=style.COLOURS[4], height=0.5)
    for place, (_, value) in zip(places, rows, strict=True):
        axis.annotate(f"{words.number(value, 2)} %", (value, place), xytext=(4, 0), textcoords="offset points",
                      va="center", fontsize=8)
    axis.set_yticks(places, [name.replace(" and ", "\nand ") for name, _ in rows])
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.set_xlim(0, 1.25 * max([value for _, value in rows], default=1.0) or 1.0)
    axis.set(xlabel="mean |probability − share that is right| (%)",
             title="segmentation: how far its probabilities\nare from the share that is right")
