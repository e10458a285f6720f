"""How good a segmentation is: overlap, boundaries, honesty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ssbray.segmentation.example import NOTHING, beside

BINS = 15  #: of confidence
TOLERANCE = 2.0  #: pixels by which a boundary may be off


class Tally:
    """Counts over images, from which all scores follow."""

    def __init__(self, classes: Sequence[str], tolerance: float = TOLERANCE) -> None:
        self.classes, self.tolerance, self.images = tuple(classes), tolerance, 0
        n = len(self.classes)
        self.confusion = np.zeros((n, n), dtype=np.int64)  # truth, found
        self.contour = np.zeros((n, 4), dtype=np.int64)  # found and near truth, found, true and near found, true
        self.confidence = np.zeros((BINS, 3))  # pixels, sum of confidence, right ones

    def add(self, labels: NDArray[np.uint8], truth: NDArray[np.uint8], probability: NDArray[np.floating] | None = None
            ) -> None:
        """Count one image: labels and truth (H, W), probability (C, H, W) for the honesty."""
        n, known = len(self.classes), truth != NOTHING
        self.images += 1
        pairs = truth[known].astype(np.int64) * n + labels[known]
        self.confusion += np.bincount(pairs, minlength=n * n).reshape(n, n)
        clear = known if known.all() else _far_from(~known, self.tolerance)
        for k in range(n):
            self.contour[k] += _contours(labels == k, truth == k, self.tolerance, clear)
        if probability is not None:
            best = probability.max(axis=0)[known]
            slot = np.minimum((best * BINS).astype(np.int64), BINS - 1)
            right = (probability.argmax(axis=0) == truth)[known]
            for column, weight in enumerate((None, best, right)):
                self.confidence[:, column] += np.bincount(slot, weights=weight, minlength=BINS)

    def __add__(self, other: Self) -> Self:
        """The counts of both."""
        both = type(self)(self.classes, self.tolerance)
        both.images = self.images + other.images
        both.confusion = self.confusion + other.confusion
        both.contour = self.contour + other.contour
        both.confidence = self.confidence + other.confidence
        return both

    def scores(self) -> dict[str, Any]:
        """iou and boundary_f1 by class (None for a class that the truth does not have), their means, ece.

        Pixels taken for a class that the truth does not have count against the class that they are.
        """
        both, true = np.diag(self.confusion), self.confusion.sum(axis=1)
        either = self.confusion.sum(axis=0) + true - both
        iou = {name: float(both[k] / either[k]) if true[k] else None for k, name in enumerate(self.classes)}
        found = [score for score in iou.values() if score is not None]
        f1 = {name: _f1(self.contour[k]) if true[k] else None for k, name in enumerate(self.classes)}
        near = [score for score in f1.values() if score is not None]
        pixels = self.confidence[:, 0]
        used = pixels > 0
        gap = np.abs(self.confidence[used, 1] - self.confidence[used, 2])
        return {"iou": iou, "mean_iou": float(np.mean(found)) if found else None, "boundary_f1": f1,
                "mean_boundary_f1": float(np.mean(near)) if near else None,
                "ece": float(gap.sum() / pixels.sum()) if used.any() else None,
                "accuracy": float(both.sum() / max(1, self.confusion.sum())), "images": self.images}


def _contours(found: NDArray[np.bool_], true: NDArray[np.bool_], tolerance: float, clear: NDArray[np.bool_]
              ) -> tuple[int, int, int, int]:
    """Pixels of both contours in the clear, and how many of each are near the other contour."""
    from scipy.ndimage import distance_transform_edt

    here, there = contour(found), contour(true)
    counts = [int((here & clear).sum()), int((there & clear).sum())]
    if not counts[0] or not counts[1]:
        return 0, counts[0], 0, counts[1]
    near_true = distance_transform_edt(~there)[here & clear] <= tolerance
    near_found = distance_transform_edt(~here)[there & clear] <= tolerance
    return int(near_true.sum()), counts[0], int(near_found.sum()), counts[1]


def _far_from(unknown: NDArray[np.bool_], tolerance: float) -> NDArray[np.bool_]:
    """Pixels whose boundaries can be judged: the edge of what is unknown is no contour, nor is what lies beside it."""
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~unknown) > tolerance + 1)


def contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask with a neighbour outside it; the border of the image is no neighbour."""
    wide = np.pad(mask, 1, mode="edge")
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask & ~inner


def _f1(counts: NDArray[np.int64]) -> float | None:
    near_true, found, near_found, true = (int(count) for count in counts)
    if not found and not true:
        return None
    precision, recall = near_true / max(1, found), near_found / max(1, true)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def grain_boundary_f1(found: NDArray[np.floating], grains: NDArray[np.integer], labels: NDArray[np.uint8],
                      tolerance: float) -> float | None:
    """Boundary F1 of the lines between grains of one phase; None where there are none and none were found.

    found : (H, W) probability of the line. Pixels within the tolerance of a phase boundary count for neither side.
    """
    from scipy.ndimage import distance_transform_edt

    from ssbray.segmentation.instances import ridge

    walls = beside(labels)
    open_ = distance_transform_edt(~walls) > tolerance if walls.any() else np.ones(labels.shape, dtype=bool)
    if (labels == NOTHING).any():
        open_ &= _far_from(labels == NOTHING, tolerance)
    true = beside(grains) & (grains > 0) & open_
    here = ridge(found) & open_
    if not true.any() and not here.any():
        return None
    near_true = distance_transform_edt(~true)[here] <= tolerance if true.any() else np.zeros(int(here.sum()), bool)
    near_found = distance_transform_edt(~here)[true] <= tolerance if here.any() else np.zeros(int(true.sum()), bool)
    return _f1(np.array([near_true.sum(), here.sum(), near_found.sum(), true.sum()]))
