"""The mean of frames that drifted, over the field that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssbray.domain import FloatArray
from ssbray.errors import InputError


@dataclass(frozen=True, eq=False, kw_only=True)
class Average:
    """Mean of frames in register, on the grid of the reference frame."""

    image: FloatArray  #: (H, W) mean; NaN where no frame has been
    count: NDArray[np.int64]  #: (H, W) frames that contribute
    field: tuple[slice, slice]  #: rectangle that every frame saw

    @property
    def common(self) -> FloatArray:
        """The mean where every frame contributes, but for their missing pixels."""
        return self.image[self.field]


def average(stack: NDArray[Any], shifts: FloatArray) -> Average:
    """Mean of the frames, each moved back by its shift. Nothing wraps around; NaN pixels and NaN shifts do not count.

    Parameters
    ----------
    stack : (n, H, W) frames.
    shifts : (n, 2) as `align` gives them [pixels].
    """
    frames = np.asarray(stack)
    shifts = np.asarray(shifts, dtype=np.float64)
    if frames.ndim != 3 or shifts.shape != (len(frames), 2):
        raise InputError("shifts", shifts.shape, f"must be one (y, x) per frame, {(len(frames), 2)}")
    used = np.flatnonzero(np.isfinite(shifts).all(axis=1))
    field = common_field(shifts[used], frames.shape[1:]) if len(used) else None
    if field is None:
        raise InputError("shifts", f"{len(used)} frames", "no field is common to them: average fewer frames")
    total, count = np.zeros(frames.shape[1:]), np.zeros(frames.shape[1:], dtype=np.int64)
    for index in used:
        moved, seen = _moved(np.asarray(frames[index], dtype=np.float64), shifts[index])
        total[seen] += moved[seen]
        count += seen
    image = np.full(total.shape, np.nan)
    np.divide(total, count, out=image, where=count > 0)
    return Average(image=image, count=count, field=field)


def common_field(shifts: FloatArray, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rectangle of the reference grid that all frames saw; None if there is none."""
    low = np.ceil(np.maximum(-shifts.min(axis=0), 0) - 1e-9).astype(int)
    high = np.array(shape) - np.ceil(np.maximum(shifts.max(axis=0), 0) - 1e-9).astype(int)
    if (low >= high).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _moved(frame: FloatArray, shift: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The frame on the reference grid by cubic splines, and where it has been seen."""
    missing = ~np.isfinite(frame)
    filled = np.where(missing, np.mean(frame, where=~missing) if not missing.all() else 0.0, frame)
    moved = ndimage.shift(filled, -shift, order=3, mode="nearest") if shift.any() else filled
    seen = np.ones(frame.shape, dtype=bool)
    for axis, length in enumerate(frame.shape):
        there = np.arange(length) + shift[axis]
        inside = (there >= -1e-9) & (there <= length - 1 + 1e-9)
        seen &= inside[:, None] if axis == 0 else inside[None, :]
    if missing.any():
        seen &= ndimage.shift(missing.astype(float), -shift, order=1, mode="nearest") < 1e-6
    return moved, seen
