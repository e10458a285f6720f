"""Boundaries between regions: how long, which way they face, how far from the middle of either side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.graph.regions import Regions
from ssbray.raster import measure_between


@dataclass(frozen=True, eq=False, kw_only=True)
class Boundaries:
    """One row per pair of touching regions, the lower region first. Lengths in pixel edges."""

    pair: NDArray[np.int64]  #: (2, m) regions
    area: FloatArray  #: (m,) true length (2-D) or area (3-D)
    facing: FloatArray  #: (m, ndim) mean |n . e| for each array axis e
    normal: FloatArray  #: (m, ndim) mean normal from the lower region to the higher: 1 long if flat, 0 if closed
    distance: FloatArray  #: (2, m) mean distance from the boundary to each region's centroid, along the normal
    chord: FloatArray  #: (n, ndim) mean chord of each region along each array axis


def find_boundaries(regions: Regions) -> Boundaries:
    """Gather the pixel faces between regions into boundaries.

    The distance is the flux of (x - centroid) through the boundary over its area: the mean of
    (x - centroid) . n, which a staircase gives exactly because every pixel face enters with its own
    normal. For a region that is star-shaped about its centroid, sum(area * distance) is then ndim
    times its volume (divergence theorem). The centroid of a thin bent layer lies outside it and says
    nothing, so the distance is capped by the region's mean chord along the normal (that of the
    ellipsoid whose mean chords along the axes are the region's), and floored at half a pixel.
    """
    image, faces, n = regions.image, regions.faces, len(regions.label)
    ndim = image.ndim
    side = np.stack([image.reshape(-1)[faces.first], image.reshape(-1)[faces.second]])
    swap = side[0] > side[1]
    code = np.where(swap, side[1], side[0]) * np.int64(n) + np.where(swap, side[0], side[1])
    unique, of_face = np.unique(code, return_inverse=True)
    m = len(unique)
    pair = np.stack([unique // n, unique % n])
    raw = np.bincount(of_face * ndim + faces.axis, minlength=m * ndim).reshape(m, ndim)
    shortest = raw.sum(axis=1) / np.sqrt(ndim)  # sum |n . e| is at most sqrt(ndim) per length
    area = np.maximum(np.bincount(of_face, measure_between(faces, of_face, ~swap), m), shortest)
    facing = np.minimum(raw / area[:, None], 1.0)

    flux, net = np.zeros((2, m)), np.empty((m, ndim))
    begin = np.searchsorted(faces.axis, np.arange(ndim + 1))
    for d in range(ndim):
        here = slice(begin[d], begin[d + 1])
        where = faces.first[here] // math.prod(image.shape[d + 1:]) % image.shape[d] + 1.0
        centre = regions.centroid[:, d]
        below, above = where - centre[side[0, here]], centre[side[1, here]] - where
        turn = swap[here]
        net[:, d] = np.bincount(of_face[here], np.where(turn, -1.0, 1.0), m)
        flux[0] += np.bincount(of_face[here], np.where(turn, above, below), m)
        flux[1] += np.bincount(of_face[here], np.where(turn, below, above), m)

    chord = _mean_chords(regions, side)
    upright = facing / np.linalg.norm(facing, axis=1, keepdims=True)
    cap = 1 / np.linalg.norm(upright / chord[pair], axis=2)
    return Boundaries(pair=pair, area=area, facing=facing, normal=net / area[:, None], chord=chord,
                      distance=np.maximum(np.minimum(np.abs(flux) / area, cap), 0.5))


def _mean_chords(regions: Regions, side: NDArray[np.integer]) -> FloatArray:
    """Volume over projected area, along each axis: a chord begins and ends at a face or at the image's border."""
    n, ndim = regions.centroid.shape
    begin = np.searchsorted(regions.faces.axis, np.arange(ndim + 1))
    ends = np.empty_like(regions.centroid)
    for d in range(ndim):
        inside, border = side[:, begin[d]:begin[d + 1]], regions.image.take([0, -1], axis=d)
        ends[:, d] = np.bincount(inside[0], minlength=n) + np.bincount(inside[1], minlength=n)
        ends[:, d] += np.bincount(border.reshape(-1), minlength=n)
    return regions.pixels[:, None] / (ends / 2)
