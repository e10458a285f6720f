"""The rough line between electrolyte and cathode, and where along it there is contact.

Heights and gaps are sums of Fourier modes whose period is the width of the specimen (or, for a narrow
one, a multiple of it), each mode with its own random numbers: the line does not depend on any pixel
size, a layer of uniform normal thickness on a whole period has exactly the area thickness times arc
length, and a longer correlation length only damps modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ssbray.domain import FloatArray
from ssbray.rng import stream

SAMPLE_NM = 2.0  #: spacing of the points that stand for the line; the tangent at a point corrects to second order
LEAST_PERIOD = 6.0  #: correlation lengths in a period, so that a narrow specimen is not given a wide one's relief
CUTOFF = 6.0  #: wave number times correlation length at which the Gaussian spectrum is cut


@dataclass(frozen=True, eq=False, kw_only=True)
class Modes:
    """A periodic function of x: ``sum_k c_k cos(2 pi k x / P) + s_k sin(2 pi k x / P)``."""

    period_nm: float
    cosine: FloatArray  #: (n,) amplitude of mode 1..n
    sine: FloatArray  #: (n,)

    def __call__(self, x_nm: FloatArray) -> FloatArray:
        """Value at x, shape of x."""
        phase = np.multiply.outer(x_nm, self._wave)
        return np.cos(phase) @ self.cosine + np.sin(phase) @ self.sine

    def slope(self, x_nm: FloatArray) -> FloatArray:
        """Derivative at x, shape of x [1/nm times the unit of the value]."""
        phase = np.multiply.outer(x_nm, self._wave)
        return np.cos(phase) @ (self.sine * self._wave) - np.sin(phase) @ (self.cosine * self._wave)

    @property
    def _wave(self) -> FloatArray:
        return 2 * np.pi / self.period_nm * np.arange(1.0, len(self.cosine) + 1)


def draw_modes(seed: int, purpose: str, *, width_nm: float, rms: float, length_nm: float) -> Modes:
    """Gaussian random function with autocovariance ``rms^2 exp(-(x / length)^2)``, less its mean over a period.

    The ensemble has the rms asked for; one draw has more or less, as one field of view does.
    """
    period_nm = width_nm * float(np.ceil(max(1.0, LEAST_PERIOD * length_nm / width_nm)))
    count = int(np.ceil(CUTOFF * period_nm / (2 * np.pi * length_nm)))
    wave = 2 * np.pi * np.arange(1, count + 1) / period_nm
    power = np.exp(-((wave * length_nm) ** 2) / 4)
    amplitude = rms * np.sqrt(power / power.sum())
    normal = stream(seed, purpose).standard_normal((count, 2))
    return Modes(period_nm=period_nm, cosine=amplitude * normal[:, 0], sine=amplitude * normal[:, 1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Interface:
    """The cathode's surface, y(x) downwards, and the gaps on its cathode side."""

    mean_nm: float  #: mean y of the line
    height: Modes  #: y - mean [nm]
    gap: Modes  #: open where it exceeds `gap_level`
    gap_level: float  #: infinite when closed everywhere
    gap_thickness_nm: float  #: opening in the middle of a wide gap

    def y(self, x_nm: FloatArray) -> FloatArray:
        """Position of the line [nm], shape of x."""
        return self.mean_nm + self.height(x_nm)

    def opening(self, x_nm: FloatArray, least_nm: float) -> FloatArray:
        """Normal width of the gap at x [nm], zero where there is contact, never below `least_nm` elsewhere."""
        excess = self.gap(x_nm) - self.gap_level
        width = self.gap_thickness_nm * (0.5 + 0.5 * np.tanh(np.maximum(excess, 0)))
        return np.where(excess > 0, np.maximum(width, least_nm), 0.0)

    def steepness(self) -> float:
        """Upper bound of the vertical over the normal distance to the line, as seen on its samples."""
        x = np.arange(0.0, self.height.period_nm, SAMPLE_NM)
        return float(np.sqrt(1 + (self.height.slope(x) ** 2).max()))

    def arc_length_nm(self) -> float:
        """Length of the line over one period [nm]."""
        count = int(np.ceil(self.height.period_nm / SAMPLE_NM))
        x = np.arange(count) * self.height.period_nm / count
        return float(np.sqrt(1 + self.height.slope(x) ** 2).mean() * self.height.period_nm)

    def distance(self, x_nm: FloatArray, y_nm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Signed distance to the line [nm], positive in the electrolyte, and x of the foot [nm]; all (m,)."""
        if len(x_nm) == 0:
            return np.zeros(0), np.zeros(0)
        reach = float(np.abs(self.y(x_nm) - y_nm).max())
        x = np.arange(float(x_nm.min()) - reach, float(x_nm.max()) + reach + SAMPLE_NM, SAMPLE_NM)
        y = self.y(x)
        near = cKDTree(np.column_stack([x, y])).query(np.column_stack([x_nm, y_nm]))[1]
        slope = self.height.slope(x)[near]
        dx, dy = x_nm - x[near], y_nm - y[near]
        norm = np.sqrt(1 + slope**2)
        return (slope * dx - dy) / norm, x[near] + (dx + slope * dy) / norm**2


def draw_interface(seed: int, *, size_nm: tuple[float, float], position: float, rms_nm: float, length_nm: float,
                   contact_fraction: float, gap_length_nm: float, gap_thickness_nm: float) -> Interface:
    """Draw the line and open the share `1 - contact_fraction` of its arc length.

    A random function of its own correlation length is cut at the level that opens this share exactly,
    so that gaps only widen, and others appear, as contact falls.
    """
    width, total = size_nm
    height = draw_modes(seed, "specimen interface height", width_nm=width, rms=rms_nm, length_nm=length_nm)
    gap = draw_modes(seed, "specimen interface gaps", width_nm=width, rms=1.0, length_nm=gap_length_nm)
    x: FloatArray = np.linspace(0, width, max(4096, int(width)), endpoint=False)
    value, arc = gap(x), np.sqrt(1 + height.slope(x) ** 2)
    return Interface(mean_nm=position * total, height=height, gap=gap,
                     gap_level=_level(value, arc, contact_fraction), gap_thickness_nm=gap_thickness_nm)


def _level(value: FloatArray, weight: FloatArray, share: float) -> float:
    """Level below which lies the given share of the weight; infinite for all of it."""
    if share >= 1:
        return float("inf")
    order: NDArray[np.intp] = np.argsort(value)
    below = np.cumsum(weight[order]) - 0.5 * weight[order]
    return float(np.interp(share * weight.sum(), below, value[order]))
