"""Several frames of one shape: each is offered, and their mean; none is chosen for the user."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.microscope import guard
from ssbray.microscope.signal import IMAGE, MEAN, PAGE, Layer

Frame = Callable[[int], NDArray[Any]]


def layers(frame: Frame, count: int, shape: tuple[int, int], max_bytes: int, *, prefix: str = "",
           title: str | None = None, **common: Any) -> list[Layer]:
    """One image, or the pages of a stack and their mean.

    Parameters
    ----------
    frame : number of a frame -> (H, W).
    prefix : goes before "page 0" and "mean" where a file holds several stacks.
    title : name of a single image; its key if None.
    common : fields of `Layer` that all share.
    """
    if count == 1:
        name = title or common.get("key", "image")
        return [Layer(name=name, kind=IMAGE, shape=shape, load=partial(frame, 0), **common)]
    pages = [Layer(name=f"{prefix}page {number}", kind=PAGE, shape=shape, load=partial(frame, number), **common)
             for number in range(count)]
    notes = (*common.pop("notes", ()), f"mean of {count} frames, not registered to each other: drift blurs it")
    return [*pages, Layer(name=f"{prefix}mean", kind=MEAN, shape=shape, frames=count, notes=notes,
                          load=partial(_mean, frame, count, shape, max_bytes), **common)]


def _mean(frame: Frame, count: int, shape: tuple[int, int], max_bytes: int) -> NDArray[np.float64]:
    """Average the frames one after the other."""
    guard.afford("the mean", (2, *shape), np.float64, max_bytes)
    total = np.zeros(shape)
    for number in range(count):
        total += frame(number)
    return total / count
