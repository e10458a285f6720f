"""One labelled image as arrays, ready to be learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.segmentation.inputs import Planes

NOTHING = 255  #: label of pixels that say nothing
DISTANCE = 16.0  #: pixels at which the distance to a boundary is cut off


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """An image, its labels, and what else is known of it."""

    name: str
    group: str  #: specimen: examples of one group never straddle a split
    planes: Planes
    labels: NDArray[np.uint8]  #: (H, W) index of the class, `NOTHING` where unknown
    grains: NDArray[np.int32] | None = None  #: (H, W), 0 for none
    dislocations: NDArray[np.bool_] | None = None  #: (H, W)
    sha256: str = ""  #: of the image file


def targets(labels: NDArray[np.uint8], grains: NDArray[np.int32] | None, dislocations: NDArray[np.bool_] | None,
            pore: int | None) -> NDArray[np.float32]:
    """What the other heads learn, (5, H, W) in the order of `net.HEADS`; NaN where nothing is known.

    Boundaries are the pixels on both sides of a face; the distance to the nearest of them is in units of `DISTANCE`.
    """
    from scipy.ndimage import distance_transform_edt

    shape, unclear = labels.shape, labels == NOTHING
    if unclear.any():
        unclear = unclear | beside(unclear.astype(np.uint8))  # what the other side of this edge is, nobody knows
    phase_boundary = beside(labels) & ~unclear
    grain_boundary = np.full(shape, np.nan, dtype=np.float32)
    if grains is not None:
        grain_boundary = (beside(grains) & ~phase_boundary & (grains > 0)).astype(np.float32)
    walls = phase_boundary | (grain_boundary == 1)
    away = distance_transform_edt(~walls) if walls.any() else np.full(shape, DISTANCE)
    unknown = np.full(shape, np.nan, dtype=np.float32)
    found = np.stack([
        grain_boundary, phase_boundary.astype(np.float32),
        unknown if pore is None else (labels == pore).astype(np.float32),
        unknown if dislocations is None else dislocations.astype(np.float32),
        np.minimum(away / DISTANCE, 1.0).astype(np.float32)])
    found[:, unclear] = np.nan
    return found


def beside(image: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels with a neighbour of another value."""
    found = np.zeros(image.shape, dtype=bool)
    for axis in (0, 1):
        low = [slice(None), slice(None)]
        high = [slice(None), slice(None)]
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        differ = image[tuple(low)] != image[tuple(high)]
        found[tuple(low)] |= differ
        found[tuple(high)] |= differ
    return found
