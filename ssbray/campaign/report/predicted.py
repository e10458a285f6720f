"""What the surrogate said of specimens it had not seen, against what the finite elements gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssbray import units
from ssbray.campaign.report import style, words

Z90 = 1.6449  #: half of a 90 % interval, in standard deviations


@style.drawn
def draw(check: Mapping[str, Any], best_role: str) -> Figure:
    """Draw predictions with 90 % intervals against computed conductivity, and their ratio, by role.

    `best_role` is the role under which the best design went into the confirmation.
    """
    figure = style.canvas(9.0, 4.6)
    axis, ratio = figure.subplots(1, 2, width_ratios=[1.25, 1])
    if not check.get("n"):
        for panel in (axis, ratio):
            panel.axis("off")
        axis.text(0.5, 0.5, "no fresh specimen conducts:\nnothing to compare", ha="center", va="center")
        return figure
    truth = units.S_per_cm(1.0) * np.exp(check["ln_sigma_S_per_m"])
    mean = units.S_per_cm(1.0) * np.exp(check["mean_ln"])
    spread = np.exp(Z90 * np.asarray(check["std_ln"]))
    roles = np.array(_roles(check["roles"], best_role))
    usable = np.isfinite(mean) & (mean > 0)
    handles = []
    names = list(dict.fromkeys(roles.tolist()))
    for place, role in enumerate(names):
        mine = (roles == role) & usable
        colour, marker = style.COLOURS[place % len(style.COLOURS)], style.MARKERS[place % len(style.MARKERS)]
        look = {"fmt": marker, "color": colour, "markersize": 5, "linewidth": 0, "elinewidth": 0.8, "alpha": 0.85}
        axis.errorbar(truth[mine], mean[mine], yerr=_bars(mean[mine], spread[mine]), **look)
        relative = mean[mine] / truth[mine]
        offset = np.linspace(-0.32, 0.32, mine.sum()) if mine.sum() > 1 else np.zeros(mine.sum())
        ratio.errorbar(place + offset, relative, yerr=_bars(relative, spread[mine]), **look)
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=role))
    _finish(axis, ratio, truth[usable], mean[usable], spread[usable], names, handles)
    lost = f"; {int((~usable).sum())} expected not to conduct" if not usable.all() else ""
    covered, error = words.number(100 * check["coverage90"]), words.number(check["mape_percent"], 2)
    figure.suptitle(f"{check['n']} fresh specimens: {covered} % of the 90 % intervals hold the computed value; "
                    f"mean error {error} %{lost}", fontsize=9.5)
    return figure


def _roles(roles: Sequence[str], best_role: str) -> list[str]:
    """Roles to tell apart; many finalists become two kinds."""
    many = len(set(roles)) > len(style.COLOURS) - 1
    return ["best" if role == best_role else "other finalists" if many and role.startswith("finalist") else role
            for role in roles]


def _bars(centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Lengths of the intervals below and above, (2, n)."""
    return np.array([centre - centre / spread, centre * spread - centre])


def _finish(axis: Any, ratio: Any, truth: np.ndarray, mean: np.ndarray, spread: np.ndarray, names: list[str],
            handles: list[Any]) -> None:
    if len(truth):
        ends = [min(truth.min(), (mean / spread).min()) / 1.15, max(truth.max(), (mean * spread).max()) * 1.15]
        axis.plot(ends, ends, color=style.INK, linewidth=0.9, zorder=1)
        handles.append(Line2D([], [], color=style.INK, linewidth=0.9, label="prediction = computed"))
        axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        ratio.set_yscale("log")
        for side in (axis.xaxis, axis.yaxis):
            style.plain_log(side, ends[1] / ends[0])
        relative = np.concatenate([mean / truth / spread, mean / truth * spread])
        style.plain_log(ratio.yaxis, float(relative.max() / relative.min()))
    axis.set_aspect("equal")
    axis.set_xlabel(f"computed conductivity ({words.SIGMA_UNIT})")
    axis.set_ylabel(f"predicted conductivity ({words.SIGMA_UNIT})")
    ratio.axhline(1, color=style.INK, linewidth=0.9, zorder=1)
    ratio.set_ylabel("predicted / computed")
    ratio.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    ratio.grid(False, axis="x")
    axis.legend(handles=handles, loc="upper left", fontsize=7.5)
