"""Where the resistance sits, in ohm cm2, by phase and by thin interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from ssbray.campaign.report import style, words
from ssbray.materials import Materials

SMALL = 0.01  #: shares below this in every design are pooled
OTHER = "other"


def shares(designs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[float | None]]]:
    """Resistance of each part in each design [ohm cm2], largest first; None where a design does not conduct.

    >>> shares([{"asr_ohm_cm2": 200.0, "budget": {"NMC811": 0.991, "a": 0.006, "b": 0.003}}])
    [('NMC811', [198.2]), ('other', [1.8])]
    """
    names = {name for design in designs for name in design["budget"]}
    large = {name for name in names if max(design["budget"].get(name, 0.0) for design in designs) >= SMALL}
    rows: dict[str, list[float | None]] = {}
    for name in [*sorted(large), OTHER]:
        pooled = [name] if name in large else sorted(names - large)
        rows[name] = [None if design["asr_ohm_cm2"] is None else
                      round(design["asr_ohm_cm2"] * sum(design["budget"].get(part, 0.0) for part in pooled), 9)
                      for design in designs]
    present = [(name, row) for name, row in rows.items() if any(row)]
    return sorted(present, key=lambda pair: (pair[0] == OTHER, -max(value or 0.0 for value in pair[1])))


@style.drawn
def draw(designs: Sequence[Mapping[str, Any]], tables: Materials) -> Figure:
    """Draw horizontal bars grouped by part, one per design, each with its number.

    The axis is logarithmic when the designs differ so much that one would vanish beside the other.
    """
    rows = shares(designs)
    group = 0.19 * len(designs)
    figure = style.canvas(9.0, 1.5 + (group + 0.12) * max(1, len(rows)))
    axis = figure.subplots()
    totals = [design["asr_ohm_cm2"] for design in designs if design["asr_ohm_cm2"] is not None]
    log = bool(totals) and max(totals) > 5 * min(totals)
    positive = [value for _, row in rows for value in row if value]
    left = min(positive) / 2 if log and positive else 0.0
    for place, (_, row) in enumerate(rows):
        for number, (design, value) in enumerate(zip(designs, row, strict=True)):
            y = place + (number - (len(designs) - 1) / 2) * 0.8 / len(designs)
            axis.barh(y, max(0.0, (value or 0.0) - left), left=left, height=0.72 / len(designs),
                      color=style.ROLE_COLOURS[design["role"]], hatch=("", "", "////")[number % 3], edgecolor="white",
                      linewidth=0)
            _label(axis, y, value, left)
    _finish(axis, designs, rows, tables, log, left, max(positive, default=1.0))
    return figure


def _label(axis: Any, y: float, value: float | None, left: float) -> None:
    text = "–" if value is None else words.number(value) if value else "none"
    where = value if value and value > left else left
    transform = axis.transData if where > 0 else blended_transform_factory(axis.transAxes, axis.transData)
    axis.annotate(text, (where, y), xycoords=transform, xytext=(4, 0), textcoords="offset points", va="center",
                  fontsize=8, color=style.INK if value else style.GREY)


def _finish(axis: Any, designs: Sequence[Mapping[str, Any]], rows: Sequence[tuple[str, Any]], tables: Materials,
            log: bool, left: float, right: float) -> None:
    axis.set_yticks(range(len(rows)), [words.place(tables, name) for name, _ in rows], fontsize=8.5)
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)
    if log:
        axis.set_xscale("log")
        axis.set_xlim(left, right * (right / left) ** 0.12)
        style.plain_log(axis.xaxis, right / left)
    else:
        axis.set_xlim(0, 1.12 * right)
    axis.set_xlabel(f"share of the resistance × area-specific resistance ({words.ASR_UNIT}"
                    f"{', logarithmic' if log else ''})")
    handles = [axis.barh([0], [0], color=style.ROLE_COLOURS[design["role"]], hatch=("", "", "////")[number % 3],
                         edgecolor="white", linewidth=0, label=f"{design['role']}: {words.resistance(design)}")
               for number, design in enumerate(designs)]
    axis.figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
