"""How the two searches went: the best so far of the one that knows the layer and of the one that overlooks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssbray.campaign import objective
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.report import style, words
from ssbray.campaign.spec import Spec
from ssbray.domain import FloatArray
from ssbray.study.report import blank, roles


def trajectory(directory: Path, spec: Spec) -> FloatArray | None:
    """Objective of every design of a campaign in the order of its evaluation, in field units; NaN where it failed.

    None where its ledger is not kept.
    """
    if not (directory / "ledger.sqlite").exists():
        return None
    with Ledger(directory, write=False) as ledger:
        initial, steps = ledger.events("initial"), ledger.events("step")
    decided = {(event["step"], event["chain"]): event for event in steps}  # one decided twice counts once
    values = [event["value"] for event in [*initial, *(event for _, event in sorted(decided.items()))]]
    return np.array([np.nan if value is None else objective.in_field_units(spec, value) for value in values])


@style.drawn
def draw(spec: Spec, runs: Mapping[str, FloatArray], designs: Mapping[str, Mapping[str, Any]], initial: int) -> Figure:
    """Draw every design and the best so far, by the laws that each search believes; and what became of both.

    Parameters
    ----------
    runs : role of the design that came of it -> objective of each evaluation.
    designs : role -> the design under all laws, on fresh specimens.
    initial : designs before annealing began.
    """
    figure = style.canvas(9.0, 4.6)
    axis, truth = figure.subplots(1, 2, width_ratios=[2.4, 1], sharey=True)
    better = np.fmin if spec.objective.minimise else np.fmax
    shown = _window(spec, runs, designs)
    for role, values in runs.items():
        numbers = np.arange(1, len(values) + 1)
        colour = roles.COLOURS[role]
        axis.scatter(numbers, values, s=14, color=colour, marker=roles.MARKERS[role], alpha=0.5, linewidths=0)
        if np.isfinite(values).any():
            best = better.accumulate(values)
            axis.step(numbers, best, where="post", color=colour, linewidth=2,
                      linestyle="-" if role == roles.ORDER[0] else "--")
            axis.annotate(words.number(float(best[-1])), (numbers[-1], best[-1]), xytext=(5, 0), color=style.INK,
                          textcoords="offset points", va="center", fontsize=8.5, annotation_clip=False)
    axis.axvline(initial + 0.5, color=style.GREY, linewidth=0.8, linestyle=":")
    axis.annotate("annealing →", (initial + 0.5, 0.99), xycoords=("data", "axes fraction"), xytext=(4, 0),
                  textcoords="offset points", fontsize=8, color=style.GREY, va="top")
    axis.set(xlabel="design, in the order of the search", ylabel=words.objective(spec))
    axis.set_title("what each search believes,\nby its own laws")
    axis.margins(x=0.06)
    if shown:  # else nothing has ever conducted, and there is nothing to scale
        axis.set(yscale="log", ylim=shown)
        style.plain_log(axis.yaxis, shown[1] / shown[0])
    _truth(truth, spec, designs)
    figure.legend(handles=_handles(runs), loc="outside upper left", ncols=4)
    return figure


def _window(spec: Spec, runs: Mapping[str, FloatArray], designs: Mapping[str, Mapping[str, Any]]
            ) -> tuple[float, float] | None:
    """Range of the axis: all that is good, and not the worst half of what is bad."""
    values = np.concatenate([*runs.values(), np.empty(0)])
    marks = np.array([each["objective"] for each in designs.values() if each["objective"] is not None])
    finite = values[np.isfinite(values) & (values > 0)]
    if not len(finite) and not len(marks):
        return None
    bulk = np.percentile(finite, [0, 75] if spec.objective.minimise else [25, 100]) if len(finite) else marks
    both = np.concatenate([bulk, marks])
    return float(both.min() / 1.25), float(both.max() * max(1.25, (both.max() / both.min()) ** 0.12))


def _truth(axis: Any, spec: Spec, designs: Mapping[str, Mapping[str, Any]]) -> None:
    """The designs as they are under all laws."""
    height_cm = spec.specimen.size_nm[1] * 1e-7
    for place, (role, design) in enumerate(designs.items()):
        value, colour = design["objective"], roles.COLOURS[role]
        if value is None:
            axis.annotate("does not\nconduct", (place, 0.5), xycoords=("data", "axes fraction"), ha="center",
                          va="center", fontsize=8, color=style.INK)
            continue
        if design["interval90"] is not None:
            ends = [height_cm / end for end in design["interval90"]] if spec.objective.name == "asr_ohm_cm2" \
                else design["interval90"]
            axis.plot([place, place], ends, color=colour, linewidth=2)
        axis.plot(place, value, marker=roles.MARKERS[role], color=colour, markersize=8, linestyle="")
        axis.annotate(words.number(value), (place, value), xytext=(0, 8), textcoords="offset points", ha="center",
                      fontsize=8.5)
    axis.set_xticks(range(len(designs)), [roles.PLAIN[role].replace(" ", "\n") for role in designs], fontsize=8)
    axis.set_xlim(-0.6, max(0, len(designs) - 1) + 0.6)
    axis.grid(False, axis="x")
    axis.set_title("in truth: all laws,\nfresh specimens")


def _handles(runs: Mapping[str, Sequence[float] | FloatArray]) -> list[Any]:
    handles: list[Any] = []
    for role in runs:
        handles.append(Line2D([], [], color=roles.COLOURS[role], linewidth=2,
                              linestyle="-" if role == roles.ORDER[0] else "--",
                              label=f"{roles.PLAIN[role]}: best so far"))
        handles.append(Line2D([], [], linestyle="", marker=roles.MARKERS[role], color=roles.COLOURS[role], alpha=0.5,
                              markersize=4, label="a design"))
    return handles


def figure(directory: Path, spec: Spec, blind: Spec, designs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The figure, or why there is none."""
    found = {roles.ORDER[0]: trajectory(directory / spec.name, spec),
             roles.ORDER[1]: trajectory(directory / blind.name, blind)}
    runs = {role: values for role, values in found.items() if values is not None}
    if not runs:
        return blank.draw("The ledgers of the two campaigns are not in the study's directory.")
    return draw(spec, runs, designs, spec.annealing.initial)
