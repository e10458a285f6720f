"""Where the resistance of the three designs sits, by phase and by thin interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ssbray.campaign.report import style, words
from ssbray.campaign.report.budget import OTHER, SMALL
from ssbray.materials import Materials
from ssbray.study.report import roles

THIN = " (interface)"
INTERFACES = ("#5B2A86", "#0B6E8A", "#8A6D0B", "#8A0B3C")  #: charge transfer, grain boundaries, thin layers ...
NARROW = 0.035  #: of the axis: narrower parts carry no number


def parts(designs: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Share of the resistance in each part, design by design, the largest first; small ones are pooled.

    >>> parts([{"budget": {"NMC811": 0.991, "a": 0.006, "b": 0.003}}])
    {'NMC811': [0.991], 'other': [0.009]}
    """
    names = {name for design in designs for name in design["budget"]}
    large = {name for name in names if max(design["budget"].get(name, 0.0) for design in designs) >= SMALL}
    rows = {name: [design["budget"].get(name, 0.0) for design in designs] for name in large}
    small = [round(sum(value for name, value in design["budget"].items() if name not in large), 12)
             for design in designs]
    ordered = dict(sorted(rows.items(), key=lambda pair: (-max(pair[1]), pair[0])))
    return ordered | ({OTHER: small} if any(small) else {})


@style.drawn
def draw(designs: Mapping[str, Mapping[str, Any]], tables: Materials) -> Figure:
    """Draw a bar in ohm cm2 and a bar in per cent for each design, cut by where the resistance sits."""
    names = parts(list(designs.values()))
    looks = _looks(list(names), tables)
    figure = style.canvas(9.0, 2.2 + 0.5 * len(designs) + 0.19 * ((len(names) + 2) // 3))
    absolute, share = figure.subplots(1, 2, sharey=True)
    longest = max((design["asr_ohm_cm2"] or 0.0 for design in designs.values()), default=0.0)
    for place, design in enumerate(designs.values()):
        resistance = design["asr_ohm_cm2"]
        if resistance is None or not design["budget"]:
            for axis in (absolute, share):
                axis.annotate(words.resistance(design), (0, place), xytext=(4, 0), textcoords="offset points",
                              va="center", fontsize=8.5)
            continue
        _bar(absolute, place, [resistance * row[place] for row in names.values()], looks, longest, "{}")
        _bar(share, place, [100 * row[place] for row in names.values()], looks, 100.0, "{} %")
        absolute.annotate(words.resistance(design), (resistance, place), xytext=(5, 0), textcoords="offset points",
                          va="center", fontsize=9, fontweight="bold")
    absolute.set_yticks(range(len(designs)), [roles.PLAIN[role] for role in designs])
    absolute.set_ylim(len(designs) - 0.45, -0.55)
    absolute.set(xlim=(0, 1.38 * (longest or 1.0)), xlabel=f"area-specific resistance ({words.ASR_UNIT})")
    absolute.xaxis.set_major_locator(MaxNLocator(5))
    absolute.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.given(value)))
    share.set(xlim=(0, 100), xlabel="share of the design's resistance (%)")
    for axis in (absolute, share):
        axis.grid(False, axis="y")
        axis.tick_params(axis="y", length=0)
    if names:
        figure.legend(handles=[Patch(facecolor=colour, hatch=hatch, edgecolor=_line(colour), linewidth=0,
                                     label=words.place(tables, name))
                               for name, (colour, hatch) in looks.items()], loc="outside lower left", ncols=2)
    return figure


def _bar(axis: Any, place: int, values: Sequence[float], looks: Mapping[str, tuple[str, str]], full: float, form: str
         ) -> None:
    left = 0.0
    for value, (colour, hatch) in zip(values, looks.values(), strict=True):
        axis.barh(place, value, left=left, height=0.62, color=colour, hatch=hatch, edgecolor=_line(colour),
                  linewidth=0.6)
        text = form.format(words.number(value, 2))
        if value > (NARROW + 0.012 * len(text)) * full:
            axis.text(left + value / 2, place, text, ha="center", va="center", fontsize=7.5, color=style.INK,
                      bbox={"facecolor": "white", "alpha": 0.82, "linewidth": 0, "pad": 1.2})
        left += value


def _line(colour: str) -> str:
    """What hatching shows up on a colour."""
    red, green, blue = to_rgb(colour)
    return style.GREY if 0.3 * red + 0.59 * green + 0.11 * blue > 0.7 else "white"


def _looks(names: Sequence[str], tables: Materials) -> dict[str, tuple[str, str]]:
    """Colour of each phase, and colour with hatching of each thin interface: where it is thin, it is hatched."""
    thin = iter(INTERFACES * len(names))
    looks = {}
    for name in names:
        what = name.removesuffix(THIN)
        key = tables.aliases.get(what, what)
        known = tables.phases[key].colour if key in tables.phases else None
        if name == OTHER:
            looks[name] = (style.PALE, "")
        elif name.endswith(THIN):
            looks[name] = (known or next(thin), "////")
        else:
            looks[name] = (known or style.GREY, "")
    return looks
