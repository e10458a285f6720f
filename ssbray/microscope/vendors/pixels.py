"""Grey values out of decoded pictures; colour is refused, because an overlay or annotation is no micrograph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError

COLOUR = "is in colour: an overlay or annotation is no micrograph, give the image as it was recorded"


def grey(values: NDArray[Any], name: str) -> NDArray[Any]:
    """One channel of (H, W, channels) whose colours are equal and whose alpha hides nothing."""
    if values.ndim == 2:
        return values
    colours = values.shape[-1] - (values.shape[-1] in (2, 4))
    first = values[..., 0]
    for channel in range(1, colours):
        if not np.array_equal(first, values[..., channel]):
            raise InputError("image", name, COLOUR)
    if colours < values.shape[-1] and np.any(values[..., -1] != _opaque(values.dtype)):
        raise InputError("image", name, "is transparent in places: give the image as it was recorded")
    return first


def _opaque(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0


def through_palette(values: NDArray[Any], palette: NDArray[Any], name: str) -> NDArray[Any]:
    """Grey values of an indexed picture, (3, n) palette; refused if an entry in use has a colour."""
    used = np.unique(values)
    if used[-1] >= palette.shape[1]:
        raise InputError("image", name, "refers to colours that its palette lacks: it is damaged")
    if np.any(palette[0, used] != palette[1, used]) or np.any(palette[0, used] != palette[2, used]):
        raise InputError("image", name, COLOUR)
    return palette[0][values]
