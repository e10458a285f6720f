"""Smooth random functions, and small arithmetic of lengths in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]
FWHM = 2 * np.sqrt(2 * np.log(2))  #: full width at half maximum of a Gaussian, in standard deviations
KNOTS = 2.0  #: nodes of a random function per length


def smooth(shape: tuple[int, int], length_px: float, generator: np.random.Generator) -> Image:
    """Random function of mean zero, unit variance and a given length, (H, W).

    Normal numbers on a coarse grid, joined by cubic B-splines; the grid does not depend on the pixel size, so
    the same stream gives the same function on finer pixels.
    """
    step = max(length_px / KNOTS, 1e-6)
    height, width = (int(np.ceil(side / step)) + 4 for side in shape)
    nodes = generator.standard_normal((height, width))
    rows, columns = _splines(shape[0], step, height), _splines(shape[1], step, width)
    return (rows @ nodes @ columns.T).astype(np.float32)


def _splines(count: int, step: float, nodes: int) -> NDArray[np.float64]:
    """Cubic B-splines at the centres of pixels, scaled to unit variance, (count, nodes); banded but small."""
    at = (np.arange(count) + 0.5) / step + 1.0
    distance = np.abs(at[:, None] - np.arange(nodes)[None, :])
    near = (4 - 6 * distance**2 + 3 * distance**3) / 6
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weight = np.where(distance < 1, near, far)
    return weight / np.sqrt((weight**2).sum(axis=1, keepdims=True))


def blurred(image: Image, fwhm_px: float) -> Image:
    """Convolve with a Gaussian of a full width at half maximum; the border is continued by its nearest value."""
    sigma = fwhm_px / FWHM
    if sigma < 0.05:
        return image
    return ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=4.0)
