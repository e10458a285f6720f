"""A segmentation as pictures that a browser lays over each other."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COLOURS = {"LLZO": "#0072B2", "t-LLZO": "#74A6EB", "La2Zr2O7": "#D55E00", "coating": "#009E73", "NMC": "#E69F00",
           "pore": "#CC79A7"}
OTHERS = ("#56B4E9", "#F0E442", "#999933", "#882255", "#44AA99", "#DDCC77", "#AA4499", "#117733")
LONGEST = 1024  #: pixels of the longer side


def colours(classes: Sequence[str]) -> dict[str, str]:
    """Class -> #rrggbb; told apart with colour-blind eyes too."""
    rest = iter(OTHERS * (1 + len(classes) // len(OTHERS)))
    return {name: COLOURS.get(name) or next(rest) for name in classes}


def step(shape: tuple[int, ...]) -> int:
    """Every how many pixels one is shown."""
    return max(1, -(-max(shape) // LONGEST))


def overlay_png(labels: NDArray[np.uint8], classes: Sequence[str]) -> bytes:
    """Labels (H, W) as an indexed PNG in the colours of their classes."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(labels[::step(labels.shape), ::step(labels.shape)]), "P")
    picture.putpalette(bytes.fromhex("".join(colour[1:] for colour in colours(classes).values())))
    return _png(picture)


def grey_png(image: NDArray[np.float32]) -> bytes:
    """An image (H, W) of any range as an 8-bit PNG, the darkest and brightest half percent cut off."""
    from PIL import Image

    shown = image[::step(image.shape), ::step(image.shape)]
    low, high = np.percentile(shown, (0.5, 99.5))
    grey = np.clip((shown - low) * (255 / max(float(high - low), 1e-12)), 0, 255)
    return _png(Image.fromarray(np.ascontiguousarray(grey.astype(np.uint8))))


def _png(picture: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)  # type: ignore[attr-defined]
    return buffer.getvalue()
