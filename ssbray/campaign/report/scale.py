"""A bar that says how long so many nanometres are."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.patches import Rectangle

from ssbray.campaign.report import style


def bar(axis: Any, shape: tuple[int, int], pixel_size_nm: float, *, size: float = 1.0, font: float = 8.0) -> None:
    """Draw a scale bar of a round length into the lower left of an image of (height, width) pixels.

    size : of the bar and of what is around it, relative to the image.
    """
    height, width = shape
    wanted = 0.22 * size * width * pixel_size_nm
    power = 10.0 ** math.floor(math.log10(wanted))
    length_nm = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    length, x, y = length_nm / pixel_size_nm, 0.04 * size * width, (1 - 0.06 * size) * height
    axis.add_patch(Rectangle((x - 0.015 * size * width, y - 0.10 * size * height), length + 0.03 * size * width,
                             0.135 * size * height, facecolor="white", alpha=0.85, linewidth=0))
    axis.add_patch(Rectangle((x, y), length, 0.018 * size * height, facecolor=style.INK, linewidth=0))
    axis.text(x + length / 2, y - 0.015 * height, f"{length_nm:g} nm", ha="center", va="bottom", fontsize=font)
