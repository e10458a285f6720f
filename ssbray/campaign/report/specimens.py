"""The reference and the best design side by side: what fills space, and where the current goes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ssbray import units
from ssbray.campaign.report import scale, style, words
from ssbray.campaign.report.evidence import Picture
from ssbray.domain import FloatArray, PhaseMap, TransportSolution
from ssbray.materials import Materials

PANEL_IN = 3.1
DECADES = 6  #: of dissipated power that are told apart
Norm = Normalize


@style.drawn
def draw(pictures: Sequence[Picture], tables: Materials) -> Figure:
    """Draw phases, potential, current density and dissipated power, one row per design.

    Colour scales are shared within a column. A design that does not conduct shows its phases, if it
    was made at all, and says why the rest is empty.
    """
    maps = [picture.section for picture in pictures if picture.section is not None]
    phases = list(dict.fromkeys(phase for made in maps for phase in made.phases if made.fraction(phase) > 0))
    aspect = float(np.clip(maps[0].labels.shape[0] / maps[0].labels.shape[1], 0.35, 1.6)) if maps else 0.66
    foot = max(0.6, 0.17 * len(phases) + 0.05)
    figure = style.canvas(4 * PANEL_IN + 0.5, 2 * PANEL_IN * aspect + foot + 0.5, dense=True)
    grid = figure.add_gridspec(3, 4, height_ratios=[PANEL_IN * aspect, PANEL_IN * aspect, foot])
    columns = _columns([picture.solution for picture in pictures if picture.solution and picture.solution.percolates])
    titles = ["phases\nthin dark lines: grain boundaries", *(title for title, *_ in columns)]
    for row, picture in enumerate(pictures):
        axes = [figure.add_subplot(grid[row, column]) for column in range(4)]
        for axis, title in zip(axes, titles, strict=True):
            _bare(axis, title if row == 0 else "")
            axis.set_box_aspect(aspect)
        axes[0].set_ylabel(_row_title(picture), fontsize=10)
        _phases(axes[0], picture, tables)
        for axis, (_, values, norm, colours) in zip(axes[1:], columns, strict=True):
            _field(axis, picture, values, norm, colours)
    legend = figure.add_subplot(grid[2, 0])
    legend.axis("off")
    legend.legend(handles=[Patch(facecolor=_colour(tables, phase), edgecolor=style.INK, linewidth=0.5,
                                 label=words.place(tables, phase)) for phase in phases],
                  loc="upper left", borderaxespad=0, fontsize=8, handlelength=1.4)
    for column, (_, _, norm, colours) in enumerate(columns, 1):
        _bar(figure, figure.add_subplot(grid[2, column]), ScalarMappable(norm, colours), "grey: no current")
    return figure


def _columns(solutions: Sequence[TransportSolution]) -> list[tuple[str, Any, Norm, Any]]:
    """Title, values of a solution, shared norm and colours of each field."""
    def current(solution: TransportSolution) -> FloatArray:
        return np.sqrt((solution.current_density**2).sum(axis=0)) * 1e-4

    def power(solution: TransportSolution) -> FloatArray:
        return solution.dissipation * 1e-6

    return [("potential (V)\nfor 1 V from top to bottom", lambda solution: solution.potential, Normalize(0, 1),
             _map("cividis")),
            ("current density (A/cm²)\nlogarithmic colours", current,
             _log_norm([current(solution) for solution in solutions], 3), _map("viridis")),
            ("where the resistance sits: dissipated power\n(W/cm³), logarithmic colours", power,
             _log_norm([power(solution) for solution in solutions], DECADES), _map("inferno"))]


def _log_norm(fields: Sequence[FloatArray], decades: int) -> Norm:
    """From the first to nearly the last percentile of what is not zero, over at most so many decades."""
    values = np.concatenate([field[field > 0] for field in fields]) if fields else np.empty(0)
    if not len(values):
        return LogNorm(0.1, 1.0)
    low, high = np.percentile(values, [0.5, 99.9])
    return LogNorm(max(low, high * 10.0**-decades, 1e-300), max(high, low * 1.01))


def _map(name: str) -> Any:
    return matplotlib.colormaps[name].with_extremes(bad=style.PALE)


def _bare(axis: Any, title: str) -> None:
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.set_title(title)
    for spine in axis.spines.values():
        spine.set_visible(True)


def _row_title(picture: Picture) -> str:
    conducts = picture.solution is not None and picture.solution.percolates
    asr = f"{words.number(units.ohm_cm2(picture.solution.asr))} {words.ASR_UNIT}" if conducts and picture.solution \
        else "does not conduct"
    return f"{picture.role}\n{asr}"


def _phases(axis: Any, picture: Picture, tables: Materials) -> None:
    if picture.section is None:
        _say(axis, "not solved", picture.failure)
        return
    made = picture.section
    image = np.array([to_rgb(_colour(tables, phase)) for phase in made.phases])[made.labels]
    image[_grain_boundaries(made)] *= 0.55
    axis.imshow(image)
    scale.bar(axis, made.labels.shape, made.pixel_size_nm)


def _field(axis: Any, picture: Picture, values: Any, norm: Norm, colours: Any) -> None:
    if picture.solution is None or not picture.solution.percolates:
        _say(axis, "no current", picture.failure)
        return
    solution = picture.solution
    dead = ~(np.isfinite(solution.potential) & ((solution.current_density**2).sum(axis=0) > 0))
    field = np.ma.masked_where(dead, np.nan_to_num(values(solution)))
    axis.imshow(field, norm=norm, cmap=colours)
    if not isinstance(norm, LogNorm):
        axis.contour(field, levels=np.arange(0.1, 1.0, 0.1), colors="white", linewidths=0.5)


def _grain_boundaries(made: PhaseMap) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is another grain of the same phase."""
    edge = np.zeros(made.labels.shape, dtype=bool)
    if made.grains is None:
        return edge
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1, :], np.s_[1:, :])):
        edge[here] |= (made.labels[here] == made.labels[there]) & (made.grains[here] != made.grains[there])
    return edge


def _say(axis: Any, short: str, why: str | None) -> None:
    axis.set_facecolor(style.PALE)
    note = axis.text(0.5, 0.5, textwrap.fill(f"{short}: {why}" if why else short, 38), transform=axis.transAxes,
                     ha="center", va="center")
    note.set_in_layout(False)


def _bar(figure: Figure, axis: Any, mappable: ScalarMappable, note: str) -> None:
    axis.axis("off")
    inset = axis.inset_axes((0.03, 0.8, 0.94, 0.16))
    bar = figure.colorbar(mappable, cax=inset, orientation="horizontal",
                          extend="both" if isinstance(mappable.norm, LogNorm) else "neither")
    if isinstance(norm := mappable.norm, LogNorm):
        style.plain_log(inset.xaxis, float(norm.vmax or 1.0) / float(norm.vmin or 1.0))
    bar.set_label(note, fontsize=8)


def _colour(tables: Materials, phase: str) -> str:
    key = tables.aliases.get(phase, phase)
    return tables.phases[key].colour if key in tables.phases else style.GREY
