"""Where the resistance sits: by grain, by pixel, and in which places most of all."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from ssbray.domain import FloatArray, PhaseMap, TransportSolution

SPOT = 5  #: pixels along the side of the square (or cube) that counts as one place
EXCESS = 1.05  #: a place is no hot spot unless its loss density is this much above the mean


def loss_share(solution: TransportSolution) -> FloatArray:
    """Share of the whole loss that belongs to each pixel, half of a thin face's to either side; sums to 1.

    It is also the sensitivity -d ln sigma_eff / d ln(resistance) of what is in that pixel
    (Cohn's theorem: Cohn, Proc. IRE 38, 316 (1950)). All zero where nothing percolates.

    Returns
    -------
    Shape of the map [-].
    """
    whole = float(solution.dissipation.sum())
    in_pixels = sum(share for key, share in solution.dissipation_fraction.items() if key.startswith("phase:"))
    share: FloatArray = solution.dissipation * (in_pixels / whole if whole > 0 else 0.0)
    at_faces = solution.faces.across + solution.faces.along
    for side in (solution.faces.first, solution.faces.second):
        share += np.bincount(side, weights=at_faces / 2, minlength=share.size).reshape(share.shape)
    return share


def by_grain(phase_map: PhaseMap, solution: TransportSolution) -> dict[int, float]:
    """Share of the loss in each grain, half of a boundary's to either side; grain 0 is what belongs to none.

    Empty where the map has no grains; else the shares sum to 1 (to 0 where nothing percolates).
    """
    if phase_map.grains is None:
        return {}
    number, place = np.unique(phase_map.grains, return_inverse=True)
    share = np.bincount(place.reshape(-1), weights=loss_share(solution).reshape(-1), minlength=len(number))
    return dict(zip(number.tolist(), share.tolist(), strict=True))


def focusing(solution: TransportSolution) -> dict[str, float] | None:
    """How much the current is bundled: |j| at pixel centres over the mean current density along the axis.

    ``max`` and ``p99`` are over all pixels of the map, those without current included; 1 and 1 in a
    uniform map. The maximum next to a corner of two conductors grows as the pixels shrink. None
    where nothing percolates.
    """
    if not solution.percolates:
        return None
    ratio = np.linalg.norm(solution.current_density, axis=0) * solution.asr
    return {"max": float(ratio.max()), "p99": float(np.percentile(ratio, 99))}


def bottleneck(solution: TransportSolution) -> FloatArray:
    """Loss density over its mean: `loss_share` times the number of pixels, so 1 is a pixel like any other.

    A place at 50 matters for the resistance fifty times as much as its volume would suggest.
    """
    return loss_share(solution) * solution.dissipation.size


def hot_spots(phase_map: PhaseMap, solution: TransportSolution, count: int = 5) -> list[dict[str, float]]:
    """Find the most resistive places, the worst first.

    A place is a square (cube) of `SPOT` pixels, cut at the sides of the map; `share` is the share
    of the whole loss in it. Places are local maxima, do not overlap, and lie above the mean: a
    uniform map has none, and along an even resistive layer they only say which layer.

    Parameters
    ----------
    phase_map : for the size of its pixels.
    solution : of this map.
    count : how many at most.

    Returns
    -------
    {x_nm, y_nm[, z_nm], share} each; positions are pixel centres from the first corner of the image.
    """
    share = loss_share(solution)
    shape = np.array(share.shape)
    mode = "wrap" if solution.boundary == "periodic" else "constant"
    box = share
    around = np.ones(share.shape)  # how many pixels the square has within the map
    for axis in range(share.ndim):  # weights, not a running sum: that would leave dust beside a hot spot
        box = ndimage.correlate1d(box, np.ones(SPOT), axis=axis, mode=mode)
        around = ndimage.correlate1d(around, np.ones(SPOT), axis=axis, mode=mode)
    peak = box >= ndimage.maximum_filter(box, size=SPOT, mode=mode) * (1 - 1e-9)
    places = np.argwhere(peak & (box > EXCESS * around / share.size))
    places = places[np.argsort(-box[tuple(places.T)], kind="stable")]
    spots: list[dict[str, float]] = []
    while len(places) and len(spots) < count:
        here = places[0]
        spot = {f"{name}_nm": (float(i) + 0.5) * phase_map.pixel_size_nm
                for name, i in zip("xyz", here[::-1], strict=False)}
        spots.append({**spot, "share": float(box[tuple(here)])})
        apart = np.abs(places - here)
        if mode == "wrap":
            apart = np.minimum(apart, shape - apart)
        places = places[(apart >= SPOT).any(axis=1)]
    return spots


def tables(phase_map: PhaseMap, solution: TransportSolution) -> dict[str, Any]:
    """Grains and hot spots in one, for a report; grains are null where the map has none."""
    return {"grains": by_grain(phase_map, solution) or None, "hot_spots": hot_spots(phase_map, solution)}
