"""Straight walks through a labelled image from many points at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray

STEP = 0.5  #: distance between two looks [pixels]
GOLDEN = 0.6180339887498949  #: shifts the looks of each ray against its neighbours', which spreads them most evenly
BLOCK = 32  #: looks between two checks of who has arrived


@dataclass(frozen=True, eq=False, kw_only=True)
class Walk:
    """What each ray met."""

    passed: FloatArray  #: (n, n_labels) length within each label before the end [pixels]
    end: NDArray[np.int64]  #: (n,) label at which the ray stopped; -1 where it left the image


def walk(image: NDArray[np.uint8], start: FloatArray, direction: FloatArray, *, stops: NDArray[np.bool_],
         grace: float = 0.0) -> Walk:
    """Walk from each point until a label that stops.

    Parameters
    ----------
    image : (H, W) labels.
    start : (n, 2) y and x, counted from the centre of the first pixel [pixels].
    direction : (n, 2) unit vectors.
    stops : (n_labels,) labels at which a ray ends.
    grace : distance [pixels] from the start within which nothing stops a ray, so that it can leave a staircase.
    """
    n, kinds = len(start), len(stops)
    passed = np.zeros(n * kinds)
    end = np.full(n, -1, dtype=np.int64)
    alive = np.arange(n)
    looks = np.arange(BLOCK)
    shift = np.arange(n) * GOLDEN % 1.0
    begun = 0.0
    shape = np.array(image.shape)
    while len(alive):
        along = begun + STEP * (looks + shift[alive, None])
        place = np.floor(start[alive, None] + direction[alive, None] * along[..., None] + 0.5).astype(np.int64)
        outside: NDArray[np.bool_] = np.any((place < 0) | (place >= shape), axis=2)
        place[outside] = 0
        label = image[place[..., 0], place[..., 1]].astype(np.int64)
        halt = outside | stops[label] & (along >= grace)
        first = np.where(halt.any(axis=1), halt.argmax(axis=1), BLOCK)
        within = np.arange(BLOCK) < first[:, None]
        passed += STEP * np.bincount((alive[:, None] * kinds + label)[within], minlength=n * kinds)
        arrived = np.flatnonzero(first < BLOCK)
        last = label[arrived, first[arrived]]
        end[alive[arrived]] = np.where(outside[arrived, first[arrived]], -1, last)
        alive = np.delete(alive, arrived)
        begun += STEP * BLOCK
    return Walk(passed=passed.reshape(n, kinds), end=end)
