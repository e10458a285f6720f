"""The shift between two pictures of the same thing, to a small part of a pixel, under noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from ssbray.domain import FloatArray

Spectrum = NDArray[np.complexfloating[Any, Any]]  #: (H, W // 2 + 1), half of a real picture's

FADE = 0.2  #: share of each side over which the window fades in
FINE = 0.01  #: last step of the search [pixels]
RIVAL = 0.8  #: peaks of at least this share of the highest are its rivals: repeats of a lattice
RINGS = 48  #: rings of frequency over which signal and noise are told apart
OUTER = 0.75  #: beyond this share of the highest frequency all is taken for noise
SURE = 4.0  #: standard deviations of the noise by which a ring must stand out


def spectrum(picture: NDArray[np.floating[Any]]) -> Spectrum:
    """Half spectrum under a window that fades to nothing, so that the sides do not correlate with each other."""
    height, width = picture.shape
    window = np.outer(signal.windows.tukey(height + 2, 2 * FADE)[1:-1], signal.windows.tukey(width + 2, 2 * FADE)[1:-1])
    window = window.astype(np.float32)
    centred = picture - np.float32((picture * window).sum(dtype=np.float64) / window.sum(dtype=np.float64))
    return fft.rfft2(centred * window)


def weights(spectra: Sequence[Spectrum], shape: tuple[int, int], against_mean: int = 1) -> FloatArray:
    """Weight of each frequency in a correlation of two noisy pictures, or of one with the mean of `against_mean`.

    The maximum-likelihood weight of Knapp and Carter 1976 (10.1109/TASSP.1976.1162830), coherence / (1 - coherence)
    over the cross power, with signal and noise from rings of the mean power; the noise is white, as Poisson's is.
    """
    power = np.mean([np.abs(each) ** 2 for each in spectra], axis=0, dtype=np.float64)
    radius = np.hypot(*_frequencies(shape))
    ring = np.minimum((radius / 0.5 * RINGS).astype(int), RINGS - 1)
    members = np.maximum(np.bincount(ring.ravel(), minlength=RINGS), 1)
    total = np.bincount(ring.ravel(), power.ravel(), RINGS) / members
    noise = max(float(np.median(total[int(OUTER * RINGS):])), 1e-9 * float(total.max()))
    ratio = total / noise - 1  # signal to noise
    ratio[ratio < SURE / np.sqrt(members * len(spectra))] = 0  # many rings of a little false signal would drown the few
    # coherence g^2 = S^2 / ((S + N) (S + N / k)); weight g^2 / (1 - g^2) / S, for S in units of N
    k = against_mean
    weight = ratio * k / (1 + ratio * (1 + k))
    weight[0] = 0  # the mean level says nothing of the place
    return weight[ring]


def shift(first: Spectrum, second: Spectrum, weight: FloatArray, shape: tuple[int, int], limit: float) -> FloatArray:
    """Where `second` lies against `first`, (y, x) [pixels], no farther than `limit` to any side."""
    cross = second * np.conj(first) * weight
    correlation = fft.irfft2(cross, s=shape)
    reach = np.minimum(int(np.ceil(limit)), (np.array(shape) - 1) // 2)
    rows, columns = (np.arange(-r, r + 1) for r in reach)
    near = correlation[np.ix_(rows, columns)]
    crest = near == ndimage.maximum_filter(near, size=3, mode="constant", cval=-np.inf)
    rivals = np.argwhere(crest & (near >= RIVAL * near.max()))
    best = rivals[np.argmin(np.linalg.norm(rivals - reach, axis=1))] - reach
    return _climb(cross, best.astype(np.float64), shape)


def likeness(first: Spectrum, second: Spectrum, weight: FloatArray) -> float:
    """Correlation of two pictures that lie on each other, at the frequencies that have weight."""
    together = float((weight * (first * np.conj(second)).real).sum())
    apart = float((weight * np.abs(first) ** 2).sum()) * float((weight * np.abs(second) ** 2).sum())
    return together / apart ** 0.5 if apart > 0 else 0.0


def moved(picture: Spectrum, by: FloatArray, shape: tuple[int, int]) -> Spectrum:
    """The spectrum of the picture moved by (y, x) pixels."""
    y, x = _frequencies(shape)
    return picture * np.exp(-2j * np.pi * (y * by[0] + x * by[1]))


def resample(weight: FloatArray, shape: tuple[int, ...], size: tuple[int, int]) -> FloatArray:
    """Weights at the frequencies of a picture of another size."""
    y, x = _frequencies(size)
    row = np.rint(np.mod(y, 1) * shape[0]).astype(int) % shape[0]
    column = np.minimum(np.rint(x * shape[1]).astype(int), weight.shape[1] - 1)
    return weight[np.broadcast_to(row, np.broadcast_shapes(row.shape, column.shape)), column]


def _climb(cross: Spectrum, start: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Top of the correlation near `start`: its Fourier sum on ever finer grids of 7 x 7 points."""
    y, x = _frequencies(shape)
    twice = np.full(cross.shape[1], 2.0)  # each frequency stands for its mirror image too
    twice[0] = 1.0
    if shape[1] % 2 == 0:
        twice[-1] = 1.0
    centre, step = start, 0.25
    while step > FINE / 8:
        grid = step * np.arange(-3, 4)
        rows = np.exp(2j * np.pi * np.outer(centre[0] + grid, y[:, 0]))
        columns = np.exp(2j * np.pi * np.outer(x[0], centre[1] + grid)) * twice[:, None]
        height = (rows @ cross @ columns).real
        top = np.unravel_index(int(np.argmax(height)), height.shape)
        centre = centre + step * (np.array(top) - 3)
        step /= 3 if 0 < top[0] < 6 and 0 < top[1] < 6 else 1
        if np.linalg.norm(centre - start) > 2:
            return start
    return centre


def _frequencies(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Cycles per pixel along y, as a column, and along x, as a row, of a half spectrum."""
    return fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :]
