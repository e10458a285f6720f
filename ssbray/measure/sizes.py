"""Sizes of separate things in a field of view that cuts some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ssbray.domain import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Sizes:
    """One entry per thing, in the order of its number."""

    number: NDArray[np.int64]  #: (n,) value in the image
    pixels: FloatArray  #: (n,) area [pixels]
    cut: NDArray[np.bool_]  #: (n,) whether the border of the image touches, and probably cuts, it
    weight: FloatArray  #: (n,) one over the chance that it lies whole in the field of view; 0 where it is cut

    @property
    def diameter(self) -> FloatArray:
        """Diameter of a disc of the same area, (n,) [pixels]."""
        return np.sqrt(4 * self.pixels / np.pi)


def find_sizes(image: NDArray[np.integer]) -> Sizes:
    """Measure everything that has a number in an image; zero is nothing.

    A large thing is more often cut than a small one, so what lies whole in view is too small on
    average. Each whole thing is therefore weighted by one over the share of positions at which its
    bounding box fits into the view, ``W H / (W - w) (H - h)`` (Miles 1974 and Lantuejoul 1980).
    """
    boxes = ndimage.find_objects(image)
    found = np.array([k for k, box in enumerate(boxes, start=1) if box is not None], dtype=np.int64)
    if len(found) == 0:
        return Sizes(number=found, pixels=np.zeros(0), cut=np.zeros(0, dtype=bool), weight=np.zeros(0))
    area = np.bincount(image.reshape(-1))[found].astype(float)
    edge = np.array([[(side.start, side.stop) for side in boxes[k - 1]] for k in found])  # (n, 2, 2)
    extent = np.array(image.shape, dtype=float)
    cut = ((edge[:, :, 0] == 0) | (edge[:, :, 1] == extent)).any(axis=1)
    room = np.maximum(extent - 1 - (edge[:, :, 1] - edge[:, :, 0]), 1)  # positions that leave the border free
    return Sizes(number=found, pixels=area, cut=cut, weight=np.where(cut, 0.0, np.prod(extent) / room.prod(axis=1)))


def quantiles(value: FloatArray, weight: FloatArray, levels: ArrayLike) -> FloatArray:
    """Quantiles of weighted values, interpolated between the middles of their weights, shape of levels.

    >>> quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), [0.5]).tolist()
    [2.0]
    """
    order = np.argsort(value, kind="stable")
    share = np.cumsum(weight[order]) - 0.5 * weight[order]
    return np.interp(np.asarray(levels, dtype=float) * weight.sum(), share, value[order])
