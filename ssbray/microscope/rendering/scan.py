"""Where the probe really was when it recorded a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from ssbray.domain import FloatArray
from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering.fields import Image
from ssbray.rng import stream


@dataclass(frozen=True, eq=False, kw_only=True)
class Scan:
    """Displacement of the probe from the pixel it is filed under, in pixels: positive to the right and down."""

    row_y: FloatArray  #: (H,) of each row
    row_x: FloatArray  #: (H,)
    column_x: FloatArray  #: (W,) of each column

    def positions(self) -> tuple[FloatArray, FloatArray]:
        """Rows and columns (H, W) of the specimen that the image's pixels show."""
        shape = (len(self.row_y), len(self.column_x))
        y = np.arange(shape[0]) + self.row_y
        x = np.arange(shape[1]) + self.column_x
        return np.broadcast_to(y[:, None], shape), x[None, :] + self.row_x[:, None]

    def nearest(self) -> NDArray[np.intp]:
        """Flat index of the specimen's pixel that each pixel of the image shows, (H, W)."""
        y, x = self.positions()
        row = np.clip(np.rint(y), 0, y.shape[0] - 1).astype(np.intp)
        column = np.clip(np.rint(x), 0, x.shape[1] - 1).astype(np.intp)
        return row * x.shape[1] + column

    def record(self, image: Image) -> Image:
        """The image as scanned, linear between pixels; beyond the border its nearest value."""
        if not (self.row_y.any() or self.row_x.any() or self.column_x.any()):
            return image
        return ndimage.map_coordinates(image, np.stack(self.positions()), order=1, mode="nearest").astype(np.float32)


def line_time_s(width: int, settings: Settings) -> float:
    """Time from the start of one row to that of the next [s]."""
    return 1e-6 * (width * settings.image_dwell_us + settings.flyback_us)


def draw_scan(shape: tuple[int, int], pixel_size_nm: float, settings: Settings, seed: int) -> Scan:
    """All faults of one frame together; the middle row is where it should be, but for jitter and hum."""
    height, width = shape
    time: FloatArray = (np.arange(height, dtype=np.float64) - (height - 1) / 2) * line_time_s(width, settings)
    drift_y, drift_x = drift(time, settings, seed)
    return Scan(row_y=drift_y / pixel_size_nm,
                row_x=drift_x / pixel_size_nm + jitter(height, settings, seed) + hum(time, settings, seed),
                column_x=flyback(width, settings))


def drift(time_s: FloatArray, settings: Settings, seed: int) -> tuple[FloatArray, FloatArray]:
    """Displacement along y and x of a specimen that moves with a velocity and an acceleration [nm]."""
    first, second = 2 * np.pi * stream(seed, "render drift").random(2)
    steady, growing = settings.drift_nm_per_s * time_s, settings.drift_nm_per_s2 * time_s**2 / 2
    return (np.sin(first) * steady + np.sin(second) * growing, np.cos(first) * steady + np.cos(second) * growing)


def jitter(height: int, settings: Settings, seed: int) -> FloatArray:
    """First-order autoregressive displacement of rows along x, of a given rms, (H,) [px]."""
    normal = stream(seed, "render jitter").standard_normal(height)
    keep = settings.jitter_correlation
    driven = normal * np.sqrt(1 - keep**2)
    driven[0] = normal[0]
    return settings.jitter_px * np.asarray(signal.lfilter([1.0], [1.0, -keep], driven), dtype=np.float64)


def hum(time_s: FloatArray, settings: Settings, seed: int) -> FloatArray:
    """Displacement along x by the mains, (H,) [px]."""
    phase = 2 * np.pi * stream(seed, "render hum").random()
    return settings.hum_px * np.sin(2 * np.pi * settings.mains_Hz * time_s + phase)


def flyback(width: int, settings: Settings) -> FloatArray:
    """Displacement at the start of rows, where the coils still follow, (W,) [px]."""
    return settings.flyback_px * np.exp(-np.arange(width) / settings.flyback_length_px)
