"""How the gain would change if the process laws were other ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ssbray.campaign.report import style, words
from ssbray.study.report import blank, roles

UNITS = {"C": "°C", "h": "h", "nm": "nm", "eV": "eV", "mol": "kJ/mol"}
LOST = "#B00020"  #: where the design is no longer the best


@style.drawn
def draw(content: Mapping[str, Any], gain_over: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the gain at the low and at the high end of each law, over each of the other designs.

    content : rows of `gains.sensitivity`; gain_over : the gains by the laws as they are, with their intervals.
    """
    others = [role for role in roles.ORDER if role in gain_over]
    laws = ordered(content["rows"])
    if not laws or not others:
        return blank.draw("No process law was varied in this study.")
    figure = style.canvas(9.0, 1.5 + 0.42 * len(laws))
    panels = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
    for axis, role in zip(panels, others, strict=True):
        _panel(axis, role, laws, gain_over[role])
    panels[0].set_yticks(range(len(laws)), [label(name) for name, _ in laws], fontsize=8)
    panels[0].set_ylim(len(laws) - 0.4, -0.6)
    figure.legend(handles=[
        Line2D([], [], linestyle="", marker="<", color=style.INK, label="law at its low end"),
        Line2D([], [], linestyle="", marker=">", color=style.INK, label="at its high end"),
        Line2D([], [], linestyle="", marker="X", color=LOST, markersize=9,
               label="there the design is no longer the best of the three"),
        Line2D([], [], color=style.INK, linewidth=1.2, label="laws as they are (band: 90 %)")],
        loc="outside upper left", ncols=4)
    return figure


def ordered(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows by law, from the low value to the high one; laws that move the gain most come first."""
    laws = {name: sorted((row for row in rows if row["law"] == name), key=lambda row: float(row["value"]))
            for name in dict.fromkeys(row["law"] for row in rows)}

    def reach(ends: Sequence[Mapping[str, Any]]) -> float:
        spread = 0.0
        for role in ends[0]["gain_over_percent"]:
            values = [row["gain_over_percent"][role] for row in ends]
            known = [value for value in values if value is not None]
            spread = max(spread, max(known) - min(known) if len(known) == len(values) else float("inf"))
        return spread

    return sorted(laws.items(), key=lambda pair: -reach(pair[1]))


def label(name: str) -> str:
    """A law's name in words, with its unit.

    >>> label("blocking_onset_air_C"), label("coating_loss_factor")
    ('blocking onset air (°C)', 'coating loss factor')
    """
    plain = name.replace("_kJ_per_mol", "_mol").replace("cosintering", "co-sintering")
    stem, _, unit = plain.rpartition("_")
    return f"{stem.replace('_', ' ')} ({UNITS[unit]})" if unit in UNITS else plain.replace("_", " ")


def _panel(axis: Any, role: str, laws: Sequence[tuple[str, list[Mapping[str, Any]]]], gain: Mapping[str, Any]) -> None:
    centre = gain["percent"]
    if gain["interval90"] is not None:
        axis.axvspan(*gain["interval90"], color=style.GREY, alpha=0.22, linewidth=0)
    if centre is not None:
        axis.axvline(centre, color=style.INK, linewidth=1.2)
    axis.axvline(0, color=style.INK, linewidth=0.8, linestyle=":")
    for place, (_, ends) in enumerate(laws):
        values = [row["gain_over_percent"].get(role) for row in ends]
        known = [value for value in values if value is not None]
        if known:
            axis.plot([min(known), max(known)], [place, place], color=roles.COLOURS[role], linewidth=5, alpha=0.55,
                      solid_capstyle="butt", zorder=2)
        for k, (row, value) in enumerate(zip(ends, values, strict=True)):
            outwards = -1 if value is not None and value == min(known) and (k == 0 or value != known[0]) else 1
            _end(axis, place, row, value, k == 0, roles.COLOURS[role], outwards)
    axis.margins(x=0.2)
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.given(value)))
    axis.set(xlabel="gain in conductivity (%)", title=f"over: {roles.PLAIN[role]}")


def _end(axis: Any, place: int, row: Mapping[str, Any], value: float | None, low: bool, colour: str, outwards: int
         ) -> None:
    """One end of one law, its value on the outer side; where one design does not conduct, it is said at the edge."""
    held = row["still_best"]
    if value is None:
        axis.annotate(f"{words.given(row['value'])}: one blocks{'' if held else ' ✕'}", (0.99, place),
                      xycoords=("axes fraction", "data"), xytext=(0, 4 if low else -6), textcoords="offset points",
                      ha="right", va="center", fontsize=7.5)
        return
    marker, size = ("<" if low else ">", 6) if held else ("X", 9)
    axis.plot(value, place, linestyle="", marker=marker, color=colour if held else LOST, markersize=size, zorder=3)
    axis.annotate(words.given(row["value"]), (value, place), xytext=(8 * outwards, 0), textcoords="offset points",
                  ha="left" if outwards > 0 else "right", va="center", fontsize=7.5)
