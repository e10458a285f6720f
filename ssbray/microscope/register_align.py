"""Frames of a stack brought into register: the drift between them.

A shift is where something in a frame lies, less where it lies in the reference frame, in pixels (y, x):
what is at `p` in the reference is at `p + shift` in the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.microscope import register_pair as pair
from ssbray.microscope.register_average import common_field
from ssbray.microscope.register_solve import solve

REACHES = (1, 2, 3, 5, 8, 13)  #: each frame is compared with those so many frames later
REFINEMENTS = 3  #: rounds against the mean of the other frames
STEP_SHARE = 8  #: default limit of the drift from frame to frame, as a share of the shorter side
FARTHEST = 0.4  #: limit of any shift, as a share of the shorter side: beyond it two frames share too little
DETOUR = 2.0  #: a bad frame may lead the chain of neighbours astray by so many steps
NEAR_PX = 2.0  #: reach of a search that starts from a shift that is known already
LEAST_FIELD = 16  #: pixels of common field that can still be compared
TOLERANCE_PX = 0.5  #: frames that disagree with the others by more, and by `DISTANCE` spreads, are outliers
DISTANCE = 6.0
UNLIKE = 0.7  #: frames whose correlation with the rest is below this share of the median, and so far off, are outliers


@dataclass(frozen=True, eq=False, kw_only=True)
class Alignment:
    """Where the frames of a stack lie against each other."""

    shifts: FloatArray  #: (n, 2) drift of each frame against `reference`, (y, x) [pixels]; NaN for outliers
    residual: FloatArray  #: (n,) rms disagreement of the frame's pairs with `shifts` [pixels]
    outliers: tuple[int, ...]  #: frames that fit no consistent drift, for the caller to leave out
    reference: int  #: first frame that is no outlier


def align(stack: NDArray[Any], *, max_step_px: float | None = None) -> Alignment:
    """Drift of the frames of a stack, to a small part of a pixel.

    Each frame is compared with several later ones by correlation, to a hundredth of a pixel around the peak
    (Guizar-Sicairos et al. 2008, 10.1364/OL.33.000156), with the frequencies weighted by their signal to noise (Knapp
    and Carter 1976, 10.1109/TASSP.1976.1162830). The shifts follow from all pairs by robust least squares, and are
    refined against the mean of the other frames. Of the near-equal peaks of a periodic image the one nearest to no
    drift is taken.

    Parameters
    ----------
    stack : (n, H, W) frames; NaN where a pixel is missing.
    max_step_px : largest plausible drift from one frame to the next [pixels]; an eighth of the shorter side unless
        given. Half a lattice spacing or less makes lattice images unambiguous.

    Raises
    ------
    InputError
        for a stack of another shape, frames without contrast, and frames that share too little field.
    """
    frames = _frames(stack)
    n, height, width = frames.shape
    shorter = min(height, width)
    step = shorter / STEP_SHARE if max_step_px is None else max_step_px
    if not 0 < step <= FARTHEST * shorter:
        raise InputError("max_step_px", max_step_px, f"must lie between 0 and {FARTHEST:g} of the shorter side")
    if n == 1:
        return Alignment(shifts=np.zeros((1, 2)), residual=np.zeros(1), outliers=(), reference=0)
    first, second, between = _compare(frames, step)
    positions, disagreement = solve(first, second, between, n)
    outliers = _outliers(disagreement)
    positions, likeness = _refine(frames, positions, outliers)
    outliers = tuple(sorted({*outliers, *_strangers(likeness)}))
    for _ in range(REFINEMENTS):
        positions, _ = _refine(frames, positions, outliers)
    return _alignment(positions, (first, second, between), outliers)


def _frames(stack: NDArray[Any]) -> NDArray[np.float32]:
    """Frames of mean 0 and variance 1, their missing pixels at zero; refuses what cannot be compared."""
    frames = np.array(stack, dtype=np.float32)
    if frames.ndim != 3 or len(frames) < 1 or min(frames.shape[1:]) < 2 * LEAST_FIELD:
        raise InputError("stack", frames.shape, f"must be (n, H, W), {2 * LEAST_FIELD} pixels or more to a side")
    for index, frame in enumerate(frames):
        finite = np.isfinite(frame)
        if not finite.any() or float(np.ptp(frame[finite])) == 0:
            raise InputError(f"stack[{index}]", "constant" if finite.any() else "no finite pixel",
                             "a frame without contrast cannot be aligned: leave it out")
        frame -= frame[finite].mean(dtype=np.float64)
        frame[~finite] = 0
        frame /= frame.std(dtype=np.float64)
    return frames


def _compare(frames: NDArray[np.float32], step: float) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """(first, second, shift of second against first) for pairs of frames at the distances `REACHES`.

    Neighbours first; they say where to look for the shifts of frames farther apart, and which share too little.
    """
    n, *shape = frames.shape
    weight = pair.weights([pair.spectrum(frame) for frame in frames], (shape[0], shape[1]))
    chain = np.zeros((n, 2))
    first, second, between = [], [], []
    for reach in REACHES:
        for a in range(n - reach):
            b = a + reach
            expected = np.zeros(2) if reach == 1 else chain[b] - chain[a]
            if np.abs(expected).max() > FARTHEST * min(shape):
                continue
            found = _between(frames[a], frames[b], weight, expected, step if reach == 1 else DETOUR * step)
            if reach == 1:
                chain[b] = chain[a] + found
            first.append(a)
            second.append(b)
            between.append(found)
    return np.array(first), np.array(second), np.array(between)


def _between(a: NDArray[np.float32], b: NDArray[np.float32], weight: FloatArray, expected: FloatArray, limit: float
             ) -> FloatArray:
    """Shift of b against a, from what both frames show: the window then moves with the picture, and does not pull."""
    found = expected
    for reach in (limit, NEAR_PX, NEAR_PX):
        whole = np.rint(found).astype(int)
        height, width = np.array(a.shape) - abs(whole)
        (y, x), (v, u) = np.maximum(-whole, 0), np.maximum(whole, 0)
        one, two = a[y:y + height, x:x + width], b[v:v + height, u:u + width]
        size = (int(height), int(width))
        found = whole + pair.shift(pair.spectrum(one), pair.spectrum(two), pair.resample(weight, a.shape, size), size,
                                   min(reach, FARTHEST * min(size)))
        if (np.rint(found).astype(int) == whole).all():
            break
    return np.asarray(found, dtype=np.float64)


def _refine(frames: NDArray[np.float32], positions: FloatArray, outliers: tuple[int, ...]
            ) -> tuple[FloatArray, FloatArray]:
    """Each frame against the mean of the others, over the field that all share; and its correlation with it."""
    good = [index for index in range(len(frames)) if index not in outliers]
    whole = np.rint(positions - positions[good[0]]).astype(int)
    field = common_field(whole[good].astype(float), frames.shape[1:])
    if field is None or min(side.stop - side.start for side in field) < LEAST_FIELD:
        raise InputError("stack", f"{len(frames)} frames", "they drift too far to share a field: align fewer at a time")
    size = (field[0].stop - field[0].start, field[1].stop - field[1].start)
    spectra = {index: pair.spectrum(frames[index][
        field[0].start + whole[index][0]:field[0].stop + whole[index][0],
        field[1].start + whole[index][1]:field[1].stop + whole[index][1]]) for index in good}
    weight = pair.weights(list(spectra.values()), size, against_mean=len(good) - 1)
    rest = positions - positions[good[0]] - whole
    moved = {index: pair.moved(spectra[index], -rest[index], size) for index in good}
    total = np.sum(list(moved.values()), axis=0)
    refined, likeness = positions.copy(), np.full(len(positions), np.nan)
    share = 1 - 1 / len(good)  # the mean of the others moves too, by the rest
    for index in good if len(good) > 1 else ():
        others = total - moved[index]
        refined[index] += share * pair.shift(others, moved[index], weight, size, NEAR_PX)
        likeness[index] = pair.likeness(others, moved[index], weight)
    return refined, likeness


def _outliers(disagreement: FloatArray) -> tuple[int, ...]:
    """Frames whose pairs disagree with the rest; with two frames nobody can say which."""
    if len(disagreement) < 4:
        return ()
    middle = float(np.median(disagreement))
    spread = 1.4826 * float(np.median(abs(disagreement - middle)))
    return tuple(int(i) for i in np.flatnonzero(disagreement > max(TOLERANCE_PX, middle + DISTANCE * spread)))


def _strangers(likeness: FloatArray) -> tuple[int, ...]:
    """Frames that look like none of the others: they may well fit best at one place, but show something else."""
    if len(likeness) < 4:
        return ()
    middle = float(np.nanmedian(likeness))
    spread = 1.4826 * float(np.nanmedian(abs(likeness - middle)))
    return tuple(int(i) for i in np.flatnonzero(likeness < min(UNLIKE * middle, middle - DISTANCE * spread)))


def _alignment(positions: FloatArray, pairs: tuple[NDArray[np.int64], NDArray[np.int64], FloatArray],
               outliers: tuple[int, ...]) -> Alignment:
    first, second, between = pairs
    miss = np.linalg.norm(positions[second] - positions[first] - between, axis=1) ** 2
    n = len(positions)
    bad = np.isin(np.arange(n), outliers)
    residual = np.zeros(n)
    for index in range(n):
        own = (first == index) | (second == index)
        usable = own & ~bad[np.where(first == index, second, first)]
        residual[index] = np.sqrt(miss[usable].mean()) if usable.any() else np.nan
    reference = int(np.flatnonzero(~bad)[0])
    shifts = positions - positions[reference]
    shifts[bad] = np.nan
    return Alignment(shifts=shifts, residual=residual, outliers=outliers, reference=reference)
