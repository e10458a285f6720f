"""What a file of a microscope holds, before anyone has chosen from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

IMAGE, PAGE, MEAN = "image", "page of a stack", "mean of a stack"
EDS_MAP, SPECTRUM_IMAGE, OTHER = "eds map", "spectrum image", "other"
CHOOSABLE = (IMAGE, PAGE, MEAN)  #: kinds that can become an image of a micrograph


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing that a file holds, as a user chooses it."""

    name: str  #: what `signal=` and `--signal` take
    kind: str  #: "image", "page of a stack", "mean of a stack", "eds map", "spectrum image" or "other"
    shape: tuple[int, ...]  #: (H, W) of images and maps; (H, W, channels) of spectrum images
    pixel_size_nm: float | None  #: the smaller edge of a pixel; None where the file does not say
    detector: str | None  #: as the file spells it


class Spectra(Protocol):
    """A spectrum at each pixel, however it is stored."""

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        ...

    @property
    def channels(self) -> int:
        """How many energies."""
        ...

    @property
    def offset_eV(self) -> float:
        """Energy of channel 0."""
        ...

    @property
    def dispersion_eV(self) -> float:
        """Energy from channel to channel."""
        ...

    @property
    def counts(self) -> bool:
        """Whether the values are numbers of X-rays."""
        ...

    def integrate(self, windows: list[tuple[int, int]]) -> tuple[NDArray[np.float64], list[str], int]:
        """Sum channels first..last-1 of each window: (n, h, w), what was decided, and how many frames."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """A signal with the way to load it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    load: Callable[[], NDArray[Any]]  #: (H, W), as stored
    scale_nm: tuple[float, float] | None = None  #: (y, x) edges of a pixel
    detector: str | None = None
    key: str = "image"  #: name of the image in a micrograph
    element: str | None = None
    frames: int = 1
    spectra: Spectra | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)  #: what this signal alone says
    notes: tuple[str, ...] = ()

    def signal(self) -> Signal:
        """The part that a user sees."""
        return Signal(name=self.name, kind=self.kind, shape=self.shape, detector=self.detector,
                      pixel_size_nm=min(self.scale_nm) if self.scale_nm else None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Contents:
    """Everything that one file holds."""

    format: str  #: e.g. "Velox EMD"
    layers: list[Layer]
    metadata: Mapping[str, Any] = field(default_factory=dict)  #: what holds for all signals
    notes: tuple[str, ...] = ()
    whole: Any = None  #: a `Micrograph` that `write` stored, which is returned as it was
    uncalibrated: str = "the file states no pixel size"  #: why, where it has none
