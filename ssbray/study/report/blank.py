"""A figure that cannot be drawn says why, in its place."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.figure import Figure

from ssbray.campaign.report import style


@style.drawn
def draw(why: str) -> Figure:
    """Draw nothing but the reason."""
    figure = style.canvas(9.0, 1.2)
    axis = figure.subplots()
    note(axis, why)
    return figure


def note(axis: Any, why: str) -> None:
    """Leave a panel empty but for the reason."""
    axis.set(xticks=[], yticks=[], facecolor=style.PALE)
    axis.grid(False)
    axis.text(0.5, 0.5, textwrap.fill(why, 60), ha="center", va="center",
              transform=axis.transAxes)
