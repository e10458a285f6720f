"""Each searched parameter against the objective: where the good designs lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from ssbray import rng
from ssbray.campaign.report import style, words
from ssbray.campaign.report.evidence import Evaluated
from ssbray.campaign.spec import Choices, FloatRange, Spec

STAR = "#F0E442"


@style.drawn
def draw(spec: Spec, summary: Mapping[str, Any], evaluated: Sequence[Evaluated]) -> Figure:
    """Draw one small panel per searched parameter, coloured by coating where that is searched."""
    names = list(spec.search)
    columns = len(names) if len(names) < 3 else 2 if len(names) == 4 else 3
    rows = math.ceil(len(names) / columns)
    figure = style.canvas(9.6, 2.6 * rows + 0.8)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).reshape(-1)
    kinds = _kinds(spec)
    for axis, name in zip(axes, names, strict=False):
        for kind, (colour, marker) in kinds.items():
            mine = [design for design in evaluated if kind is None or design.parameters["coating"] == kind]
            _points(axis, spec, name, mine, colour, marker)
        _horizontal(axis, spec, name)
        _mark(axis, spec, name, summary)
    values = [design.objective for design in evaluated if design.objective is not None]
    axes[0].set_yscale("log")
    style.plain_log(axes[0].yaxis, max(values) / min(values) if values else 1.0)
    for axis in axes[len(names):]:
        axis.axis("off")
    handles = _legend(kinds, reference=summary["reference"]["objective"] is not None,
                      failed=any(design.objective is None for design in evaluated))
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    figure.supylabel(words.objective(spec), fontsize=9)
    return figure


def _kinds(spec: Spec) -> dict[str | None, tuple[str, str]]:
    """Colour and marker of each coating."""
    entry = spec.search.get("coating")
    if not isinstance(entry, Choices):
        return {None: (style.COLOURS[0], "o")}
    return {name: (style.COLOURS[place % len(style.COLOURS)], style.MARKERS[place % len(style.MARKERS)])
            for place, name in enumerate(entry.choices)}


def _points(axis: Any, spec: Spec, name: str, designs: Sequence[Evaluated], colour: str, marker: str) -> None:
    """Designs that have the parameter: a bare interface has no coating thickness."""
    found = [(place, design.objective) for design in designs
             if (place := _place(spec, name, design.parameters)) is not None]
    if isinstance(spec.search[name], Choices):
        jitter = rng.stream(spec.seed, "report", name, colour).uniform(-0.25, 0.25, len(found))
        found = [(place + shift, value) for (place, value), shift in zip(found, jitter, strict=True)]
    solved = [(place, value) for place, value in found if value is not None]
    if solved:
        axis.scatter(*zip(*solved, strict=True), s=26, c=colour, marker=marker, alpha=0.8, linewidths=0, zorder=3)
    if failed := [place for place, value in found if value is None]:
        top = blended_transform_factory(axis.transData, axis.transAxes)
        axis.scatter(failed, np.full(len(failed), 0.97), transform=top, marker="x", s=22, c=style.INK, linewidths=0.9)


def _place(spec: Spec, name: str, parameters: Mapping[str, Any]) -> float | None:
    entry = spec.search[name]
    if isinstance(entry, Choices):
        return float(entry.choices.index(parameters[name])) if parameters[name] in entry.choices else None
    if name == "coating_thickness_nm" and parameters["coating"] == "bare":
        return None
    return float(parameters[name])


def _horizontal(axis: Any, spec: Spec, name: str) -> None:
    entry = spec.search[name]
    label = words.titled(name)
    if isinstance(entry, FloatRange):
        axis.set_xscale("log" if entry.log else "linear")
        margin = 0.04
        low, high = (math.log(end) if entry.log else end for end in (entry.low, entry.high))
        ends = [low - margin * (high - low), high + margin * (high - low)]
        axis.set_xlim([math.exp(end) for end in ends] if entry.log else ends)
        if entry.log:
            style.plain_log(axis.xaxis, entry.high / entry.low)
        if name == "coating_thickness_nm" and "coating" in spec.search:
            label += ", coated only"
    else:
        axis.set_xticks(range(len(entry.choices)), entry.choices)
        axis.set_xlim(-0.5, len(entry.choices) - 0.5)
        axis.grid(False, axis="x")
    axis.set_xlabel(label)


def _mark(axis: Any, spec: Spec, name: str, summary: Mapping[str, Any]) -> None:
    """The confirmed best and the reference, on their fresh specimens."""
    for role, marker, size, colour in (("reference", "d", 60, "white"), ("best", "*", 170, STAR)):
        design = summary[role]
        place = _place(spec, name, design["parameters"])
        if place is not None and design["objective"] is not None:
            axis.scatter([place], [design["objective"]], marker=marker, s=size, c=colour, edgecolors="black",
                         linewidths=1.0, zorder=5)


def _legend(kinds: Mapping[str | None, tuple[str, str]], *, reference: bool, failed: bool) -> list[Line2D]:
    handles = [Line2D([], [], linestyle="", marker=marker, color=colour, label=_kind_name(kind))
               for kind, (colour, marker) in kinds.items()]
    handles.append(Line2D([], [], linestyle="", marker="*", markersize=12, markerfacecolor=STAR,
                          markeredgecolor="black", label="best, on fresh specimens"))
    if reference:
        handles.append(Line2D([], [], linestyle="", marker="d", markersize=7, markerfacecolor="white",
                              markeredgecolor="black", label="reference, on fresh specimens"))
    if failed:
        handles.append(Line2D([], [], linestyle="", marker="x", color=style.INK, label="failed: no value"))
    return handles


def _kind_name(kind: str | None) -> str:
    if kind is None:
        return "design"
    return "no coating (bare)" if kind == "bare" else f"{kind} coating"
