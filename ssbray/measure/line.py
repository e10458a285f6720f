"""The outline of a body on a raster: its pixel faces in order along curves, each with a normal and a true length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from ssbray.domain import FloatArray

REACH = 12  #: faces to either side from which a tangent is estimated, under a Hann window
HARD = 6  #: faces that run straight on both sides of a turn make it a corner, across which no tangent is estimated


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """Faces between a body and the rest, one after the other along one or more curves."""

    inside: NDArray[np.int64]  #: (n,) flat index of the pixel of the body
    outside: NDArray[np.int64]  #: (n,) flat index of the pixel beyond
    point: FloatArray  #: (n, 2) y and x of the face's middle, counted from the centre of the first pixel
    face: FloatArray  #: (n, 2) normal of the face itself, out of the body
    normal: FloatArray  #: (n, 2) normal of the outline around the face, out of the body
    length: FloatArray  #: (n,) true length that the face stands for, negative where the outline turns back [pixels]
    curve: NDArray[np.int64]  #: (n,) number of the curve, from 0
    after: NDArray[np.int64]  #: (n,) next face along the curve; -1 where it ends or is cut
    closed: NDArray[np.bool_]  #: (m,) whether each curve returns to its start

    def __len__(self) -> int:
        return len(self.length)

    def spans(self) -> list[slice]:
        """Range of faces of each curve."""
        edge = np.searchsorted(self.curve, np.arange(len(self.closed) + 1))
        return [slice(int(a), int(b)) for a, b in zip(edge[:-1], edge[1:], strict=True)]

    def position(self) -> FloatArray:
        """Distance along its curve from the beginning to the middle of each face, (n,) [pixels]."""
        place = np.cumsum(self.length) - 0.5 * self.length
        for span in self.spans():
            place[span] -= place[span.start] - 0.5 * self.length[span.start]
        return place

    def seen_from(self, distance: float) -> Line:
        """The same faces with the normals, and lengths across them, of the outline over such a distance [pixels]."""
        normal = _normals(self.face, self.after, self.curve, self.closed, reach=max(REACH, round(distance)))
        return replace(self, normal=normal, length=(normal * self.face).sum(axis=1))

    def smooth(self, value: FloatArray, weight: FloatArray) -> FloatArray:
        """Weighted mean of values along each curve under the window of the tangents, (n,); 0 where no weight is."""
        sums = _slide(np.stack([value * weight, weight], axis=1), self.after, np.full(len(self), REACH))
        return np.divide(sums[:, 0], sums[:, 1], out=np.zeros(len(self)), where=sums[:, 1] > 1e-12)


def trace(body: NDArray[np.bool_], apart: NDArray[np.bool_] | None = None) -> Line:
    """Outline a mask (H, W), the border of the image apart.

    Faces against pixels of the mask `apart` are judged without the others, so that either sort keeps its
    length up to where they meet, whatever the angle.

    As in `ssbray.raster`, a face stands for its part along the tangent of the outline around it, so that a
    straight line is exact at every slope. Here it has a sign: the faces of a ragged edge that lead back are
    taken off again, and an edge that is straight but for single pixels keeps its length.
    """
    row = np.flatnonzero(body.any(axis=1) & ~body.all(axis=1) | _changes(body))
    top, bottom = (max(0, int(row[0]) - 1), min(len(body), int(row[-1]) + 2)) if len(row) else (0, 2)
    window = body[top:bottom]
    contours = find_contours(window.astype(np.float32), 0.5) if min(window.shape) > 1 else []
    closed = np.array([bool((each[0] == each[-1]).all()) for each in contours], dtype=bool)
    rings = [each[:-1] if ring else each for each, ring in zip(contours, closed, strict=True)]
    point = np.concatenate([np.zeros((0, 2)), *rings]) + [top, 0]
    size = np.array([len(each) for each in rings], dtype=np.int64)
    curve = np.repeat(np.arange(len(size)), size)

    low, high = np.floor(point).astype(np.int64), np.ceil(point).astype(np.int64)
    first, second = (place[:, 0] * body.shape[1] + place[:, 1] for place in (low, high))
    leads_in = body.reshape(-1)[first]  # the pixel on the low side is the body's
    face = np.where(leads_in[:, None], high - low, low - high).astype(float)  # normal of the face itself
    beyond = np.where(leads_in, second, first)
    after = _cut(_after(curve, size, closed), face, np.zeros(len(face)) if apart is None else apart.reshape(-1)[beyond])
    normal = _normals(face, after, curve, closed, REACH)
    return Line(inside=np.where(leads_in, first, second), outside=beyond, point=point, face=face,
                normal=normal, length=(normal * face).sum(axis=1), curve=curve, after=after, closed=closed)


def _changes(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows next to which the mask changes from one row to the next."""
    differ = (body[1:] != body[:-1]).any(axis=1)
    return np.append(differ, False) | np.append(False, differ)


def _after(curve: NDArray[np.int64], size: NDArray[np.int64], closed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Next face along each curve, back to the first one where it is closed, else -1 at its end."""
    after = np.arange(1, len(curve) + 1)
    end = np.cumsum(size)
    after[end - 1] = np.where(closed, end - size, -1)
    return after


def _cut(after: NDArray[np.int64], face: FloatArray, sort: NDArray[Any]) -> NDArray[np.int64]:
    """Break the curves where the sort changes, and at corners between two runs of at least `HARD` faces in line."""
    n = len(after)
    straight = after >= 0
    straight[straight] = (face[straight] == face[after[straight]]).all(axis=1)
    ahead, behind = np.ones(n, dtype=np.int64), np.ones(n, dtype=np.int64)
    linked = np.flatnonzero(straight)
    for _ in range(HARD - 1):
        longer, trail = np.ones(n, dtype=np.int64), np.ones(n, dtype=np.int64)
        longer[linked] = 1 + ahead[after[linked]]
        trail[after[linked]] = 1 + behind[linked]
        ahead, behind = longer, trail
    turn = np.flatnonzero((after >= 0) & ~straight)
    hard = turn[(behind[turn] >= HARD) & (ahead[after[turn]] >= HARD)]
    meets = np.flatnonzero(after >= 0)
    after = after.copy()
    after[meets[sort[meets] != sort[after[meets]]]] = -1
    after[hard] = -1
    return after


def _normals(face: FloatArray, after: NDArray[np.int64], curve: NDArray[np.int64], closed: NDArray[np.bool_],
             reach: int) -> FloatArray:
    """Unit normals from the faces around each; a closed curve is never seen as more than a quarter of itself."""
    size = np.bincount(curve, minlength=len(closed))
    summed = _slide(face, after, np.where(closed, np.minimum(reach, size // 8), reach)[curve])
    norm = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.where(norm > 1e-9, summed / np.where(norm > 1e-9, norm, 1.0), face)


def _slide(value: FloatArray, after: NDArray[np.int64], reach: NDArray[np.int64]) -> FloatArray:
    """Sum of values (n, k) along the curves under a Hann window of each face's own reach."""
    before = np.full(len(after), -1, dtype=np.int64)
    linked = np.flatnonzero(after >= 0)
    before[after[linked]] = linked
    total = value.astype(float)
    for onward in (after, before):
        alive = np.arange(len(after))
        state = alive
        for k in range(1, int(reach.max(initial=0)) + 1):
            state = onward[state]
            keep = (state >= 0) & (reach[alive] >= k)
            alive, state = alive[keep], state[keep]
            if len(alive) == 0:
                break
            total[alive] += 0.5 * (1 + np.cos(np.pi * k / (reach[alive, None] + 1))) * value[state]
    return total
