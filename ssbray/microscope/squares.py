"""Square pixels from oblong ones. Images are interpolated; counts are shared out, and none is lost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3  #: edges that differ by less are square: calibrations are no better


def is_oblong(scale_nm: tuple[float, float]) -> bool:
    """Whether the edges (y, x) of a pixel differ by more than a calibration is worth."""
    return abs(math.log(scale_nm[0] / scale_nm[1])) > TOLERANCE


def square_shape(shape: tuple[int, int], scale_nm: tuple[float, float]) -> tuple[int, int]:
    """Numbers of square pixels, of the smaller edge, that cover the same field of view to half a pixel."""
    edge = min(scale_nm)
    height, width = (max(1, round(n * size / edge)) for n, size in zip(shape, scale_nm, strict=True))
    return height, width


def resample(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate an image linearly onto another grid over the same field of view; edges are held."""
    result = np.asarray(image, dtype=np.float64)
    for axis, count in enumerate(shape):
        if count == result.shape[axis]:
            continue
        place = (np.arange(count) + 0.5) * result.shape[axis] / count - 0.5
        place = np.clip(place, 0, result.shape[axis] - 1)
        low = np.minimum(place.astype(int), max(0, result.shape[axis] - 2))
        high = np.minimum(low + 1, result.shape[axis] - 1)
        weight = (place - low)[:, None] if axis == 0 else (place - low)
        result = np.take(result, low, axis) * (1 - weight) + np.take(result, high, axis) * weight
    return result.astype(np.float32)


def share_out(counts: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Divide counts among the pixels of another grid by overlapping area; the total stays.

    >>> share_out(np.array([[3.0, 1.0]], np.float32), (1, 4)).tolist()
    [[1.5, 1.5, 0.5, 0.5]]
    """
    result = np.asarray(counts, dtype=np.float64)
    for axis, count in enumerate(shape):
        if count == result.shape[axis]:
            continue
        size = result.shape[axis]
        cumulated = np.concatenate([np.zeros_like(np.take(result, [0], axis)), np.cumsum(result, axis)], axis)
        edge = np.arange(count + 1) * size / count
        low = np.minimum(edge.astype(int), size - 1)
        weight = (edge - low)[:, None] if axis == 0 else (edge - low)
        at = np.take(cumulated, low, axis) * (1 - weight) + np.take(cumulated, low + 1, axis) * weight
        result = np.diff(at, axis=axis)
    return result.astype(np.float32)
