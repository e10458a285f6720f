"""How every figure looks: sizes, fonts, colours that survive colour blindness, and the way to PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from ssbray.campaign.report import words

P = ParamSpec("P")

DPI = 200
#: Okabe and Ito's palette without its yellow, which is too light for points on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  #: colour never carries a meaning alone
INK, GREY, PALE = "#222222", "#767676", "#D9D9D9"
ROLE_COLOURS = {"reference": GREY, "best": "#D55E00", "best without its coating": "#0072B2"}

RC = {
    "font.family": "DejaVu Sans", "font.size": 9.0, "axes.titlesize": 9.5, "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0, "ytick.labelsize": 8.0, "legend.fontsize": 8.0, "figure.titlesize": 11.0,
    "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.titlelocation": "left",
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E6E6E6", "grid.linewidth": 0.6,
    "legend.frameon": False, "lines.linewidth": 1.4, "image.interpolation": "nearest",
    "text.parse_math": False,  # a dollar sign in somebody's name is a dollar sign
}


def drawn(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the report's style, and leave the process's own as it was."""
    # what a user set is undone, but for the backend, which a context would not give back
    clean = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")}

    @wraps(draw)
    def styled(*arguments: P.args, **keywords: P.kwargs) -> Figure:
        with matplotlib.rc_context({**clean, **RC}):
            figure = draw(*arguments, **keywords)
            FigureCanvasAgg(figure).draw()  # what is laid out late must be laid out in this style
            figure.set_layout_engine("none")  # once is enough
            return figure
    return styled


def canvas(width_in: float, height_in: float, *, dense: bool = False) -> Figure:
    """An empty figure that needs no pyplot; `dense` leaves less room between its panels."""
    pad, space = (0.03, 0.005) if dense else (0.06, 0.02)
    layout = ConstrainedLayoutEngine(h_pad=pad, w_pad=pad, hspace=space, wspace=space)
    figure = Figure(figsize=(width_in, height_in), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def plain_log(axis: Any, span: float) -> None:
    """Label a logarithmic axis with plain numbers, at more places where it spans (high / low) little."""
    subs = (1.0, 2.0, 3.0, 5.0, 7.0) if span < 8 else (1.0, 2.0, 5.0) if span < 60 else (1.0,)
    axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]) if span < 3 else LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: words.given(value)))
    if span < 3:
        axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
