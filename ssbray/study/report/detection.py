"""How well the overlooked layer is told from its absence, at every strictness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ssbray.campaign.report import style, words

PLAIN = {"novelty": "novelty: unlike the known maps", "inconsistency": "inconsistency: solve and prediction disagree",
         "joint": "joint: either of the two"}
LINES = {"novelty": "--", "inconsistency": ":", "joint": "-"}


@style.drawn
def draw(layer: Mapping[str, Any]) -> Figure:
    """Draw the share of specimens with the layer that score above a threshold against that of those without it."""
    figure = style.canvas(9.0, 4.2)
    axis, dots = figure.subplots(1, 2, width_ratios=[1, 1.1])
    for place, (name, kinds) in enumerate(layer["roc"].items()):
        false, true = curve(kinds["with"], kinds["without"])
        wide = LINES.get(name) == "-"  # curves that coincide must all be seen
        axis.plot(false, true, linestyle=LINES.get(name, "-"), color=style.COLOURS[place % len(style.COLOURS)],
                  linewidth=4.5 if wide else 2, alpha=0.55 if wide else 1, zorder=2 if wide else 3)
    axis.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8)
    axis.annotate("a coin", (0.55, 0.5), color=style.GREY, fontsize=8)
    if layer["flagged"] is not None and layer["false_alarms"] is not None:
        axis.plot(layer["false_alarms"], layer["flagged"], marker="X", color=style.INK, markersize=9,
                  linestyle="", zorder=5)
        right, high = layer["false_alarms"] < 0.5, layer["flagged"] > 0.2
        axis.annotate("alarm at a level of 5 %", (layer["false_alarms"], layer["flagged"]), fontsize=8, zorder=5,
                      xytext=(9 if right else -9, -13 if high else 8), textcoords="offset points",
                      ha="left" if right else "right", bbox={"facecolor": "white", "linewidth": 0, "pad": 1.0})
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=f"false alarms, of {layer['without']} without the layer",
             ylabel=f"found, of {layer['with']} with the layer")
    axis.set_aspect("equal")
    _areas(dots, layer["auroc"])
    return figure


def curve(strange: Sequence[float | None], sound: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates from the strictest threshold to the laxest; null is infinitely strange.

    >>> false, true = curve([3.0, None], [1.0, 2.0])
    >>> true.tolist(), false.tolist()
    ([0.0, 0.5, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.5, 1.0])
    """
    high, low = (np.array([math.inf if value is None else value for value in scores]) for scores in (strange, sound))
    thresholds = np.unique(np.concatenate([high, low]))[::-1]

    def above(scores: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], [np.mean(scores >= each) if len(scores) else 0.0 for each in thresholds]])

    return above(low), above(high)


def _areas(axis: Any, auroc: Mapping[str, Any]) -> None:
    """The areas under the curves with their intervals."""
    for place, (name, found) in enumerate(auroc.items()):
        colour, marker = style.COLOURS[place % len(style.COLOURS)], style.MARKERS[place % len(style.MARKERS)]
        value, ends = found["value"], found["interval90"]
        label = PLAIN.get(name, name)
        if value is None:
            axis.text(0.5, place, "no value", va="center")
        else:
            if ends is not None and None not in ends:
                axis.plot(ends, [place, place], color=colour, linestyle=LINES.get(name, "-"), linewidth=2)
            axis.plot(value, place, marker=marker, color=colour, markersize=8)
        text = f"{label}\n{words.number(value)}" + ("" if not ends or None in ends else f" ({words.between(ends)})")
        axis.annotate(text, (0.0, place), xycoords=("axes fraction", "data"), xytext=(2, 9),
                      textcoords="offset points", fontsize=8.5, va="bottom",
                      bbox={"facecolor": "white", "linewidth": 0, "pad": 0.6})
    axis.axvline(0.5, color=style.GREY, linewidth=0.8)
    axis.axvline(1.0, color=style.INK, linewidth=0.8)
    values = [end for found in auroc.values() for end in (*(found["interval90"] or ()), found["value"])
              if end is not None]
    axis.set(xlim=(min(0.45, *values, 0.45) - 0.02, 1.02), ylim=(len(auroc) - 0.5, -0.9), yticks=[],
             xlabel="area under the curve: ½ is a coin, 1 is perfect (90 % interval)")
    axis.grid(False, axis="y")
