"""The stream of X-ray events of a Velox file: each value is the channel of one count, 65535 moves to the next pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import guard

NEXT_PIXEL = 65535
BLOCK = 1 << 21  #: events read at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class EventStream:
    """The events of one or several detectors over one scan; maps come straight from them, never through a cube."""

    data: tuple[Any, ...]  #: per detector (n, 1) or (n,) uint16, sliceable: h5py datasets or arrays
    shape: tuple[int, int]  #: (h, w) of the scan
    channels: int
    offset_eV: float
    dispersion_eV: float
    max_bytes: int
    frames_wanted: int | None = None  #: frames that the operator kept; None: all
    counts: bool = True

    def integrate(self, windows: list[tuple[int, int]]) -> tuple[NDArray[np.float64], list[str], int]:
        """Sum channels first..last-1 of each window over all frames and detectors.

        Returns
        -------
        maps, notes, frames : (n, h, w) counts; what was decided; how many frames were summed.
        """
        edges = np.unique([0, NEXT_PIXEL + 1, *(edge for window in windows for edge in window)])
        kept = np.array([any(first <= edge < last for first, last in windows) for edge in edges[:-1]])
        segment = np.full(NEXT_PIXEL + 1, -1, dtype=np.int32)
        for number, which in enumerate(np.flatnonzero(kept)):
            segment[edges[which]:edges[which + 1]] = number
        segment[NEXT_PIXEL] = -1
        size = self.shape[0] * self.shape[1]
        guard.afford("the element maps", (int(kept.sum()) + 2 * len(windows), *self.shape), np.float64, self.max_bytes)
        counted = np.zeros(int(kept.sum()) * size, dtype=np.uint32)
        notes: list[str] = []
        frames = [self._count(data, segment, counted, size, notes) for data in self.data]
        if len(set(frames)) > 1:
            notes.append(f"the detectors recorded different numbers of frames ({', '.join(map(str, frames))})")
        parts = counted.reshape(-1, *self.shape)
        begin = edges[:-1][kept]
        maps = np.stack([parts[(first <= begin) & (begin < last)].sum(axis=0, dtype=np.float64)
                         for first, last in windows]) if windows else np.zeros((0, *self.shape))
        return maps, notes, max(frames, default=0)

    def _count(self, data: Any, segment: NDArray[np.int32], counted: NDArray[np.uint32], size: int,
               notes: list[str]) -> int:
        """Add one detector's events; returns its number of frames, a begun one included."""
        limit = None if self.frames_wanted is None else self.frames_wanted * size
        passed = 0
        for start in range(0, data.shape[0], BLOCK):
            events = np.asarray(data[start:start + BLOCK], dtype=np.uint16).reshape(-1)
            steps = events == NEXT_PIXEL
            pixel = passed + np.cumsum(steps)
            passed = int(pixel[-1])
            use = segment[events] >= 0
            if limit is not None:
                use &= pixel < limit
            np.add.at(counted, segment[events[use]].astype(np.int64) * size + pixel[use] % size, 1)
            if limit is not None and passed >= limit:
                break
        if passed == 0:
            raise InputError("event stream", f"{data.shape[0]} events", "never moves to a next pixel: it is damaged")
        if limit is None and passed % size:
            notes.append(f"the event stream ends within frame {passed // size + 1}, after {passed % size} of "
                         f"{size} pixels: the counts of that frame are kept")
        if limit is not None and passed < limit:
            notes.append(f"the event stream holds {passed / size:.2f} frames, the settings speak of "
                         f"{self.frames_wanted}")
        return -(-passed // size)


def pixels_passed(data: Any) -> int:
    """Number of steps to a next pixel in a stream."""
    return sum(int(np.count_nonzero(np.asarray(data[start:start + BLOCK]) == NEXT_PIXEL))
               for start in range(0, data.shape[0], BLOCK))


@dataclass(frozen=True, eq=False, kw_only=True)
class Cube:
    """Spectra stored as an array, energy last or first."""

    data: Any  #: (h, w, channels), or (channels, h, w) if `energy_first`; sliceable
    shape: tuple[int, int]
    channels: int
    offset_eV: float
    dispersion_eV: float
    max_bytes: int
    energy_first: bool = False
    counts: bool = True

    def integrate(self, windows: list[tuple[int, int]]) -> tuple[NDArray[np.float64], list[str], int]:
        """Sum channels first..last-1 of each window: (n, h, w), nothing to say, one frame."""
        guard.afford("the element maps", (len(windows), *self.shape), np.float64, self.max_bytes)
        if chunks := getattr(self.data, "chunks", None):
            guard.afford("a piece of the spectra", chunks, self.data.dtype, self.max_bytes)
        maps = np.zeros((len(windows), *self.shape))
        for number, (first, last) in enumerate(windows):
            if self.energy_first:
                for channel in range(first, last):
                    maps[number] += self.data[channel]
            else:
                for row in range(self.shape[0]):
                    maps[number, row] = np.asarray(self.data[row, :, first:last], dtype=np.float64).sum(axis=-1)
        return maps, [], 1
