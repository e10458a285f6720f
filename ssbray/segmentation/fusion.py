"""What a region is made of, from all of its X-ray counts together.

A pixel has less than one count of each element: telling La/Zr = 1.5 from 1.0 at three standard deviations takes some
330 pixels. A region has them. Given their total, the counts of a region fall on the elements with the shares of its
phase (a multinomial law, whatever the dose, the thickness and the detector), and these shares differ a little from
image to image, which a Dirichlet law around their mean takes up: the evidence of a region grows with its counts and
levels off where the phase's own spread begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray, Micrograph
from ssbray.segmentation.segmentation import Segmentation

LEAST_PIXELS = 30  #: of a region that is judged
LEAST_COUNTS = 20.0  #: of all elements in it
POSSIBLE = 1e-3  #: mean probability inside a region from which a class is weighed there
STRONGEST = 20.0  #: factor by which a region's counts change the odds at most
CONCENTRATION = (20.0, 5e4)  #: range of the Dirichlet laws: at most this sure of a phase's shares


@dataclass(frozen=True, eq=False, kw_only=True)
class Composition:
    """Shares of the counts by class, and how steady they are."""

    elements: tuple[str, ...]
    shares: FloatArray  #: (C, e) mean shares, each row sums to one; NaN for a class that was not seen
    concentration: FloatArray  #: (C,) of the Dirichlet law

    def plain(self) -> dict[str, Any]:
        """For a model's card."""
        return {"elements": list(self.elements), "concentration": self.concentration.tolist(),
                "shares": [[None if np.isnan(x) else float(x) for x in row] for row in self.shares]}

    @classmethod
    def of(cls, card: dict[str, Any]) -> Composition:
        """From a model's card."""
        shares = [[np.nan if x is None else x for x in row] for row in card["shares"]]
        return cls(elements=tuple(card["elements"]), shares=np.array(shares),
                   concentration=np.array(card["concentration"]))


def learn(counts: Sequence[FloatArray], elements: Sequence[str]) -> Composition:
    """Shares and their spread from the counts of each class in each image.

    Parameters
    ----------
    counts : for each image (C, e), sums over the pixels of a class.

    The concentration follows from the variance between images beyond that of the counts themselves (moments).
    """
    table = np.stack(counts)
    total = table.sum(axis=2)
    shares = np.full(table.shape[1:], np.nan)
    concentration = np.full(table.shape[1], CONCENTRATION[0])
    for c in range(table.shape[1]):
        used = total[:, c] >= LEAST_COUNTS
        if not used.any():
            continue
        mean = table[used, c].sum(axis=0) + 0.5
        mean /= mean.sum()
        shares[c] = mean
        if used.sum() >= 3:
            own = table[used, c] / total[used, c][:, None]
            spread = ((own - mean) ** 2).sum(axis=1)
            chance = (mean * (1 - mean)).sum() / total[used, c]
            extra = max(float(np.mean(spread - chance)), 1e-9)
            concentration[c] = np.clip((mean * (1 - mean)).sum() / extra - 1, *CONCENTRATION)
    return Composition(elements=tuple(elements), shares=shares, concentration=concentration)


def class_counts(micrograph: Micrograph, labels: NDArray[np.integer], classes: int, elements: Sequence[str]
                 ) -> FloatArray:
    """Counts of each element in the pixels of each class, (C, e); each pixel of the maps goes where its centre lies."""
    index = _at_centres(labels, next(iter(micrograph.eds.values())).shape).reshape(-1)
    known = index < classes
    return np.stack([np.bincount(index[known], weights=np.maximum(micrograph.eds[name].reshape(-1)[known], 0),
                                 minlength=classes) for name in elements], axis=1)


def fused(found: Segmentation, micrograph: Micrograph, learnt: Composition) -> Segmentation:
    """The segmentation with the probabilities in each region raised or lowered by what its counts say.

    Regions are the connected parts of the most probable map. Only classes that the net thinks possible in the inside
    of a region are weighed against each other; at its edge the neighbours keep their odds against its own class, so
    that boundaries stay as sharp or as vague as they were. No weight goes beyond `STRONGEST`, since a region may be
    two that were not told apart. A micrograph without all the maps, or whose maps are not counts, comes back as it was.
    """
    if not micrograph.eds_are_counts or any(name not in micrograph.eds for name in learnt.elements):
        return found
    labels = found.labels
    regions, own = _regions(labels)
    inner = np.where(_inside(labels), regions, len(own))  # what lies at an edge counts for no region
    place = _at_centres(inner, next(iter(micrograph.eds.values())).shape).reshape(-1)
    counts: FloatArray = np.stack([np.bincount(place, weights=np.maximum(micrograph.eds[name].reshape(-1), 0),
                                   minlength=len(own) + 1)[:-1] for name in learnt.elements], axis=1)
    sizes = np.bincount(inner.reshape(-1), minlength=len(own) + 1)[:-1].astype(np.float64)
    prior = np.stack([np.bincount(inner.reshape(-1), weights=share.reshape(-1), minlength=len(own) + 1)[:-1]
                      for share in found.probability], axis=1) / np.maximum(sizes, 1)[:, None]
    weighed = (prior > POSSIBLE) & ((sizes >= LEAST_PIXELS) & (counts.sum(axis=1) >= LEAST_COUNTS))[:, None]
    evidence = _evidence(counts, learnt)
    against = evidence - evidence[np.arange(len(own)), own][:, None]
    weight = np.where(weighed, np.exp(np.clip(against, -np.log(STRONGEST), np.log(STRONGEST))), 1.0)
    if np.allclose(weight, 1.0):
        return found
    share = found.probability * weight.T.astype(np.float32)[:, regions]
    return replace(found, probability=share / share.sum(axis=0))


def _evidence(counts: FloatArray, learnt: Composition) -> FloatArray:
    """Log likelihood of the counts of regions (r, e) for each class (r, C), up to a constant of the region.

    Dirichlet-multinomial (Minka 2000). A class whose composition is not known is worth the mean of the known ones.
    """
    from scipy.special import gammaln

    total = counts.sum(axis=1)
    found = np.full((len(counts), len(learnt.shares)), np.nan)
    for c, (shares, concentration) in enumerate(zip(learnt.shares, learnt.concentration, strict=True)):
        if not np.isnan(shares).any():
            alpha = concentration * shares
            found[:, c] = (gammaln(concentration) - gammaln(concentration + total)
                           + (gammaln(alpha + counts) - gammaln(alpha)).sum(axis=1))
    return np.where(np.isnan(found), np.nanmean(found, axis=1, keepdims=True), found)


def _regions(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Numbers of the connected parts of each class, and the class of each."""
    from skimage.measure import label

    regions = np.asarray(label(labels, background=-1, connectivity=1), dtype=np.int32) - 1
    own = np.zeros(int(regions.max()) + 1, dtype=np.int64)
    own[regions.reshape(-1)] = labels.reshape(-1)
    return regions, own


def _inside(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels that are two or more away from another label."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return np.asarray(maximum_filter(labels, 5) == minimum_filter(labels, 5))


def _at_centres(image: NDArray[np.integer], grid: tuple[int, ...]) -> NDArray[np.int64]:
    """Values of an image at the centres of the pixels of another grid over the same field of view."""
    rows, columns = (np.minimum((np.arange(count) * side + side // 2) // count, side - 1)
                     for side, count in zip(image.shape, grid, strict=True))
    return image[rows[:, None], columns].astype(np.int64)
