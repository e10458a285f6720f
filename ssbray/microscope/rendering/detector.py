"""From expected electrons to the numbers in a file."""

from __future__ import annotations

import numpy as np
from scipy import signal

from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering.fields import Image
from ssbray.rng import stream

ELECTRONS_PER_PA_US = 6.241509  #: 1e-12 A times 1e-6 s, over the elementary charge
BRIGHTEST = 99.0  #: percentile by which the operator sets the gain


def electrons(current_pA: float, dwell_us: float) -> float:
    """Electrons of a beam in a time.

    >>> round(electrons(200, 20 * 20) / 1e5, 2)
    4.99
    """
    return ELECTRONS_PER_PA_US * current_pA * dwell_us


def counted(expected: Image, generator: np.random.Generator) -> Image:
    """Poisson numbers of given expectation."""
    return generator.poisson(expected).astype(np.float32)


def digitised(fraction: Image, settings: Settings, seed: int, detector: str) -> Image:
    """Numbers of the file for the share of the beam that reaches a detector, (H, W) each.

    ``gain * Poisson(Ne f DQE)``, lagging along the row, times the gain of each line, plus black level and
    read noise, cut off at full scale and rounded. The gain puts the brightest parts of the noiseless image at
    `exposure` of full scale.
    """
    generator = stream(seed, "render detector", detector)
    full = float(2**settings.bits - 1)
    dose = electrons(settings.image_current_pA, settings.image_dwell_us) * settings.detector_efficiency
    expected = np.maximum(fraction, 0) * np.float32(dose)
    brightest = max(float(np.percentile(expected[::2, ::2], BRIGHTEST)), 1e-6)
    gain = max(settings.exposure - settings.black_level, 0.05) * full / brightest
    recorded = np.float32(gain) * counted(expected, generator)
    recorded = afterglow(recorded, settings)
    recorded *= 1 + np.float32(settings.line_gain_std) * generator.standard_normal((len(recorded), 1), dtype=np.float32)
    recorded += np.float32(settings.read_noise_share * full) * generator.standard_normal(
        recorded.shape, dtype=np.float32)
    return np.rint(np.clip(recorded + np.float32(settings.black_level * full), 0, full)).astype(np.float32)


def afterglow(recorded: Image, settings: Settings) -> Image:
    """Light of earlier pixels of the row: exponential lag, which keeps the mean."""
    if settings.afterglow_us == 0:
        return recorded
    keep = float(np.exp(-settings.image_dwell_us / settings.afterglow_us))
    state = keep * recorded[:, :1]
    lagged, _ = signal.lfilter([1 - keep], [1.0, -keep], recorded, axis=1, zi=state)
    return lagged.astype(np.float32)
