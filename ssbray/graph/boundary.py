"""Boundaries between regions: how long, which way they face, how far from the middle of either side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.graph.regions import Regions
from ssbray.raster import Facets, facets, measure


@dataclass(frozen=True, eq=False, kw_only=True)
class Boundaries:
    """One row per pair of touching regions, the lower region first. Lengths in pixel edges."""

    pair: NDArray[np.int64]  #: (2, m) regions
    area: FloatArray  #: (m,) true length (2-D) or area (3-D)
    facing: FloatArray  #: (m, ndim) mean |n . e| for each array axis e
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
    image = regions.image
    n = len(regions.label)
    faces = facets(image)
    side = np.stack([image.reshape(-1)[faces.first], image.reshape(-1)[faces.second]])
    unique, of_face = np.unique(side.min(axis=0) * n + side.max(axis=0), return_inverse=True)
    m = len(unique)
    pair = np.stack([unique // n, unique % n])
    raw = np.stack([np.bincount(of_face, faces.axis == d, m) for d in range(image.ndim)], axis=1)
    shortest = raw.sum(axis=1) / np.sqrt(image.ndim)  # sum |n . e| is at most sqrt(ndim) per length
    area = np.maximum(np.bincount(of_face, measure(faces, image), m), shortest)
    facing = np.minimum(raw / area[:, None], 1.0)

    stride = np.array([int(np.prod(image.shape[d + 1:])) for d in range(image.ndim)], dtype=np.int64)
    where = (faces.first // stride[faces.axis]) % np.array(image.shape)[faces.axis] + 1.0
    outward = np.stack([where - regions.centroid[side[0], faces.axis], regions.centroid[side[1], faces.axis] - where])
    swap = side[0] > side[1]
    outward[:, swap] = outward[::-1, swap]
    flux = np.stack([np.bincount(of_face, one, m) for one in outward])

    chord = _mean_chords(regions, faces, side)
    normal = facing / np.linalg.norm(facing, axis=1, keepdims=True)
    cap = 1 / np.linalg.norm(normal / chord[pair], axis=2)
    return Boundaries(pair=pair, area=area, facing=facing, chord=chord,
                      distance=np.maximum(np.minimum(np.abs(flux) / area, cap), 0.5))


def _mean_chords(regions: Regions, faces: Facets, side: NDArray[np.int64]) -> FloatArray:
    """Volume over projected area, along each axis: a chord begins and ends at a face or at the image's border."""
    n = len(regions.label)
    chord = np.empty_like(regions.centroid)
    for d in range(chord.shape[1]):
        ends = [side[:, faces.axis == d], regions.image.take([0, -1], axis=d)]
        chord[:, d] = regions.pixels / (np.bincount(np.concatenate([e.reshape(-1) for e in ends]), minlength=n) / 2)
    return chord
