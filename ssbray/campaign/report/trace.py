"""How the search went: every design in its order, the best so far, and the temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from ssbray.campaign.report import style, words
from ssbray.campaign.report.evidence import Evaluated
from ssbray.campaign.spec import Spec

NAMED_CHAINS = len(style.MARKERS) - 1  #: more of them share one colour


@style.drawn
def draw(spec: Spec, summary: Mapping[str, Any], evaluated: Sequence[Evaluated]) -> Figure:
    """Draw the objective and the temperature against the number of the evaluation."""
    figure = style.canvas(9.0, 5.4)
    axis, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    values = np.array([np.nan if design.objective is None else design.objective for design in evaluated])
    numbers = np.arange(1, len(evaluated) + 1)
    reference = summary["reference"]["objective"]
    edge, outside = _window(values, reference, spec.objective.minimise is not None)
    inside = np.where(outside, edge, values)
    handles = _designs(axis, evaluated, numbers, inside, spec)
    better = np.fmin if spec.objective.minimise else np.fmax
    axis.step(numbers, better.accumulate(inside), where="post", color=style.INK, zorder=2)
    handles.append(Line2D([], [], color=style.INK, label="best so far"))
    if reference is not None:
        axis.axhline(reference, color=style.GREY, linestyle="--", zorder=1)
        handles.append(Line2D([], [], color=style.GREY, linestyle="--",
                              label=f"reference, {words.number(reference)}"))
    axis.set_yscale("log")
    shown = np.append(inside[np.isfinite(inside)], [] if reference is None else [reference])
    style.plain_log(axis.yaxis, float(shown.max() / shown.min()) if len(shown) else 1.0)
    axis.set_ylabel(words.objective(spec))
    axis.set_title(f"{'lower' if spec.objective.minimise else 'higher'} is better"
                   + ("" if reference is not None else "; the reference does not conduct")
                   + (f"; {int(outside.sum())} worse designs are drawn at the edge" if outside.any() else ""))
    figure.legend(handles=handles, loc="outside right upper")
    _temperature(below, evaluated, numbers)
    begin = spec.annealing.initial + 0.5
    for panel in (axis, below):
        panel.axvline(begin, color=style.GREY, linewidth=0.8, linestyle=":")
    below.annotate("annealing →", (begin, 0.5), xycoords=("data", "axes fraction"), xytext=(-4, 0),
                   textcoords="offset points", fontsize=8, color=style.GREY, ha="right", va="center")
    return figure


def _window(values: np.ndarray, reference: float | None, minimise: bool) -> tuple[float, np.ndarray]:
    """Where the view ends towards the worse, so that the good designs can be told apart; and what lies beyond."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.nan, np.zeros(len(values), dtype=bool)
    marks = [np.median(finite), *([] if reference is None else [reference])]
    edge = 2.0 * max(marks) if minimise else 0.5 * min(marks)
    return edge, np.isfinite(values) & ((values > edge) if minimise else (values < edge))


def _designs(axis: Any, evaluated: Sequence[Evaluated], numbers: np.ndarray, values: np.ndarray, spec: Spec
             ) -> list[Any]:
    """Points by chain; accepted filled, refused hollow, failed at the upper edge."""
    size = 34 if len(evaluated) < 120 else 16
    handles: list[Any] = []
    for chain in [None, *range(spec.annealing.chains)]:
        colour, marker = _look(chain, spec.annealing.chains)
        mine = np.array([design.chain == chain for design in evaluated], dtype=bool)
        taken = np.array([design.accepted or chain is None for design in evaluated], dtype=bool)
        axis.scatter(numbers[mine & taken], values[mine & taken], s=size, c=colour, marker=marker, linewidths=0.9,
                     edgecolors=colour, zorder=3)
        axis.scatter(numbers[mine & ~taken], values[mine & ~taken], s=size, facecolors="white", marker=marker,
                     linewidths=1.1, edgecolors=colour, zorder=3)
        name = "initial design" if chain is None else f"chain {chain + 1}"
        if chain is None or spec.annealing.chains <= NAMED_CHAINS:
            handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=name))
        elif chain == 0:
            handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label="all chains"))
    handles += [Line2D([], [], linestyle="", marker="o", color=style.INK, label="accepted: filled"),
                Line2D([], [], linestyle="", marker="o", color=style.INK, markerfacecolor="white",
                       label="refused: hollow")]
    failed = ~np.isfinite(values)
    if failed.any():
        top = blended_transform_factory(axis.transData, axis.transAxes)
        axis.scatter(numbers[failed], np.full(failed.sum(), 0.975), transform=top, marker="x", s=size, c=style.INK,
                     linewidths=1.1, zorder=4)
        handles.append(Line2D([], [], linestyle="", marker="x", color=style.INK, label="failed: no value"))
    return handles


def _look(chain: int | None, chains: int) -> tuple[str, str]:
    if chain is None:
        return "#9A9A9A", "o"
    place = chain % NAMED_CHAINS if chains <= NAMED_CHAINS else 0
    return style.COLOURS[place], style.MARKERS[place + 1]


def _temperature(axis: Any, evaluated: Sequence[Evaluated], numbers: np.ndarray) -> None:
    steps = [(number, design.temperature) for number, design in zip(numbers, evaluated, strict=True)
             if design.temperature is not None]
    if steps:
        axis.step(*zip(*steps, strict=True), where="mid", color=style.INK)
        axis.set_yscale("log")
        temperatures = [temperature for _, temperature in steps]
        style.plain_log(axis.yaxis, max(temperatures) / min(temperatures))
    axis.set_ylabel("temperature\n(relative)")
    axis.set_xlabel("evaluation number")
