"""Phase maps drawn from the probabilities of the pixels.

Pixels drawn one by one would average out over any length or area: the doubt of a segmentation lies in
boundaries that are displaced and regions that are mistaken as a whole. Each class therefore gets a
smooth random field with Gumbel marginals, and a pixel takes the class where log probability plus field
is highest: every pixel then has its own probabilities, those under `LEAST` apart (the Gumbel-max trick: Gumbel 1954;
Maddison et al. 2014, arXiv 1411.0030), and neighbours agree over the fields' correlation length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ssbray import rng
from ssbray.segmentation.segmentation import Segmentation

LEAST = 2e-3  #: probabilities below this are taken for none: no calibration set is large enough to vouch for them
FINENESS = 3.0  #: nodes of the noise for each correlation length, at least


def samples(found: Segmentation, count: int, *, correlation_px: float, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Draw label maps, (H, W) each.

    Parameters
    ----------
    correlation_px : standard deviation of the Gaussian kernel that smooths the fields [pixels].
    seed : the k-th of more maps is the same.
    """
    sure = found.labels
    rows, columns, logs = _open(found.probability)
    for k in range(count):
        labels = sure.copy()
        best = np.full(len(rows), -np.inf, dtype=np.float32)
        winner = labels[rows, columns]
        for c, log in enumerate(logs):
            some = np.flatnonzero(log > -np.inf)
            field = gumbel(sure.shape, rows[some], columns[some], correlation_px, rng.stream(seed, "posterior", k, c))
            value = log[some] + field
            better = value > best[some]
            best[some[better]], winner[some[better]] = value[better], c
        labels[rows, columns] = winner
        yield labels


def _open(probability: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.float32]]]:
    """Rows and columns of the pixels with more than one possible class, and the log probabilities there, by class."""
    possible = np.zeros(probability.shape[1:], dtype=np.uint8)
    for share in probability:
        possible += share >= LEAST
    rows, columns = np.nonzero(possible > 1)
    with np.errstate(divide="ignore"):
        return rows, columns, [np.where(share[rows, columns] >= LEAST, np.log(share[rows, columns]), -np.inf)
                               for share in probability]


def gumbel(shape: tuple[int, int], rows: NDArray[np.int64], columns: NDArray[np.int64], correlation_px: float,
           random: np.random.Generator) -> NDArray[np.float32]:
    """Standard Gumbel numbers at pixels, whose Gaussian copula is white noise smoothed by a Gaussian kernel.

    Drawn on nodes as far apart as the kernel allows, and interpolated between them with the variance kept.

    Parameters
    ----------
    shape : of the image; rows, columns : (n,) where the numbers are wanted.
    correlation_px : standard deviation of the kernel [pixels].
    """
    from scipy.ndimage import gaussian_filter
    from scipy.special import ndtr

    spacing = max(1.0, correlation_px / FINENESS)
    width = correlation_px / spacing
    margin = int(np.ceil(4 * width)) + 1
    noise = random.standard_normal([int(np.ceil(side / spacing)) + 2 * margin + 2 for side in shape], dtype=np.float32)
    if width > 0.2:
        noise = gaussian_filter(noise, width, mode="wrap")[margin:-margin, margin:-margin]
        noise /= _kernel(width)[0]
    else:
        noise = noise[margin:-margin, margin:-margin]
    value = (noise[rows, columns].astype(np.float64) if spacing == 1.0 else
             _between(noise, rows / spacing, columns / spacing, _kernel(width)[1]))
    uniform = np.clip(ndtr(value), 1e-12, 1 - 1e-12)
    return (-np.log(-np.log(uniform))).astype(np.float32)


def _between(nodes: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64], neighbour: float
             ) -> NDArray[np.float64]:
    """Bilinear interpolation of unit variance, given the correlation of neighbouring nodes."""
    row, column = y.astype(np.int64), x.astype(np.int64)
    down, right = y - row, x - column
    value = ((1 - down) * ((1 - right) * nodes[row, column] + right * nodes[row, column + 1])
             + down * ((1 - right) * nodes[row + 1, column] + right * nodes[row + 1, column + 1]))
    shrunk = [1 - 2 * part * (1 - part) * (1 - neighbour) for part in (down, right)]
    return np.asarray(value / np.sqrt(shrunk[0] * shrunk[1]))


def _kernel(width: float) -> tuple[float, float]:
    """Standard deviation of white noise smoothed in the plane, and the correlation of neighbours along an axis."""
    reach = int(4 * width + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= kernel.sum()
    square = float((kernel**2).sum())
    return square, float((kernel[1:] * kernel[:-1]).sum()) / square
