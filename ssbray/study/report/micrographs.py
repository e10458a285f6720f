"""Micrographs, the truth behind them, what the segmenter finds in them, and where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ssbray.campaign.report import scale, style, words
from ssbray.service import picture
from ssbray.study.report.sights import Look, agreement, present

PANEL_IN = 2.35
WRONG = "#000000"
TITLES = ("micrograph (HAADF)", "truth", "found by the segmenter", "black: found wrong")


@style.drawn
def draw(looks: Sequence[Look]) -> Figure:
    """Draw one row per image, on the scale of that image; colours mean the same in all rows."""
    aspect = float(np.clip(looks[0].image.shape[0] / looks[0].image.shape[1], 0.35, 1.6))
    figure = style.canvas(4 * PANEL_IN, len(looks) * ((PANEL_IN - 0.15) * aspect + 0.22) + 0.6, dense=True)
    axes = np.atleast_2d(figure.subplots(len(looks), 4))
    names = present(looks)
    table = picture.colours(tuple(dict.fromkeys(name for look in looks for name in look.classes)))
    for row, look in zip(axes, looks, strict=True):
        for axis, title, shown in zip(row, TITLES, _panels(look, table), strict=True):
            axis.imshow(shown)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.set_title(title if look is looks[0] else "")
            for spine in axis.spines.values():
                spine.set_visible(True)
        row[0].set_ylabel(f"{look.rank}\n{look.stem}", fontsize=8)
        row[1].set_xlabel(f"{_sigma(look.true_S_per_cm)}", fontsize=8)
        row[2].set_xlabel(f"{_sigma(look.seen_S_per_cm)}", fontsize=8)
        row[3].set_xlabel(f"{words.number(100 * agreement(look))} % of the pixels are right", fontsize=8)
        scale.bar(row[0], look.image.shape, look.pixel_size_nm, size=1.36, font=7.5)
    figure.legend(handles=[Patch(facecolor=table[name], edgecolor=style.INK, linewidth=0.5, label=name)
                           for name in names], loc="outside lower left", ncols=max(1, len(names)))
    return figure


def _panels(look: Look, table: dict[str, str]) -> tuple[NDArray[Any], ...]:
    """RGB of the four panels."""
    low, high = np.percentile(look.image, (0.5, 99.5))
    grey = np.clip((look.image - low) / max(high - low, 1e-12), 0, 1)[..., None].repeat(3, axis=2)
    colours = np.ones((256, 3))
    colours[: len(look.classes)] = [to_rgb(table[name]) for name in look.classes]
    wrong = (look.truth != look.found) & (look.truth != 255)
    pale = 0.25 * colours[look.truth] + 0.75
    pale[wrong] = to_rgb(WRONG)
    return grey, colours[look.truth], colours[look.found], pale


def _sigma(value: float | None) -> str:
    return f"{words.number(value)} {words.SIGMA_UNIT}" if value else "does not conduct"
