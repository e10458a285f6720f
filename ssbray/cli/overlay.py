"""A micrograph with its segmentation over it: legend, scale bar, and where the model is in doubt."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssbray.files import write_bytes
from ssbray.segmentation import Segmentation
from ssbray.service import picture

LONGEST = 2400  #: pixels of the longer side of the picture
STRENGTH = 0.38  #: of the colours over the image


def colours(classes: Sequence[str]) -> NDArray[np.float64]:
    """One colour for each class, (C, 3) in 0..1."""
    return np.array([[int(name[k : k + 2], 16) / 255 for k in (1, 3, 5)] for name in picture.colours(classes).values()])


def draw(path: Path, image: NDArray[np.float32], found: Segmentation, numbers: Mapping[str, str], calibrated: bool
         ) -> None:
    """Write the picture.

    Parameters
    ----------
    image : (H, W) what was segmented.
    numbers : lines beside the picture, name -> text.
    calibrated : whether the image has a scale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    step = max(1, -(-max(image.shape) // LONGEST))
    grey, labels = image[::step, ::step], found.labels[::step, ::step]
    low, high = np.percentile(grey, (0.5, 99.5))
    grey = np.clip((grey - low) / max(high - low, 1e-12), 0, 1)[..., None]
    palette = colours(found.classes)
    mixed = np.clip((1 - STRENGTH) * grey + STRENGTH * palette[labels], 0, 1)
    edge = np.zeros(labels.shape, dtype=bool)
    edge[1:] |= labels[1:] != labels[:-1]
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    mixed[edge] = 1.0
    height, width = labels.shape
    shape = height / width
    figure = Figure(figsize=(11, min(14.0, max(3.2, 7.2 * shape + 0.6))), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 1), height_ratios=(1, 1), left=0.02, right=0.98, top=0.95,
                               bottom=0.03, wspace=0.05, hspace=0.12)
    main = figure.add_subplot(grid[:, 0])
    main.imshow(mixed, interpolation="nearest")
    main.set_title("most probable phases", fontsize=10, loc="left")
    main.set_axis_off()
    present = [k for k in range(len(found.classes)) if (labels == k).any()]
    main.legend(handles=[Patch(color=palette[k], label=found.classes[k]) for k in present], loc="upper right",
                fontsize=8, framealpha=0.85)
    if calibrated:
        _scale_bar(main, width, found.pixel_size_nm * step, height)
    doubt = figure.add_subplot(grid[0, 1])
    shown = doubt.imshow(1 - found.probability[:, ::step, ::step].max(axis=0), cmap="magma", vmin=0, vmax=0.5)
    doubt.set_title("chance of another phase", fontsize=9, loc="left")
    doubt.set_axis_off()
    figure.colorbar(shown, ax=doubt, orientation="horizontal", fraction=0.06, pad=0.04).ax.tick_params(labelsize=7)
    text = figure.add_subplot(grid[1, 1])
    text.set_axis_off()
    for row, (name, value) in enumerate(numbers.items()):
        text.text(0, 1 - 0.085 * row, f"{name}: {value}", fontsize=7.5, va="top", transform=text.transAxes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_bytes(path, buffer.getvalue())


def _scale_bar(axes: object, width: int, pixel_nm: float, height: int) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    wanted = 0.2 * width * pixel_nm
    power = 10 ** np.floor(np.log10(wanted))
    length = max(value * power for value in (1, 2, 5) if value * power <= wanted)
    name = f"{length:g} nm" if length < 1000 else f"{length / 1000:g} um"
    left, bar = 0.03 * width, length / pixel_nm
    axes.plot([left, left + bar], [0.95 * height] * 2, color="black", lw=5, solid_capstyle="butt")
    axes.plot([left, left + bar], [0.95 * height] * 2, color="white", lw=3, solid_capstyle="butt")
    axes.text(left + bar / 2, 0.93 * height, name, color="white", ha="center", va="bottom", fontsize=9,
              bbox={"facecolor": "black", "alpha": 0.4, "pad": 1.5, "edgecolor": "none"})
