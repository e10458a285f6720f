"""A micrograph as the planes that the net is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.segmentation.net import STRIDE

Plane = NDArray[np.float32]
TRANSMITTED = ("bf", "abf")  #: detectors that see what passes through
FLOOR = 0.01  #: of the brightest, added before the logarithm: below it there is but noise


@dataclass(frozen=True, eq=False, kw_only=True)
class Planes:
    """Images by pixel and counts by cell of `STRIDE` pixels; what is absent is zero and said to be absent."""

    images: Plane  #: (k, H, W), normalised
    elements: Plane  #: (e, H / 4, W / 4), counts per pixel of the images
    has_image: Plane  #: (k,) 1 where there is one
    has_element: Plane  #: (e,)


def planes(micrograph: Micrograph, images: Sequence[str], elements: Sequence[str]) -> Planes:
    """Normalise the images, and gather the counts on the coarse grid.

    Sides that are no multiple of `STRIDE` leave a last cell that is narrower; its counts are per pixel as well.
    """
    height, width = micrograph.shape
    cells = (-(-height // STRIDE), -(-width // STRIDE))
    picture = np.zeros((len(images), height, width), dtype=np.float32)
    for k, name in enumerate(images):
        if name in micrograph.images:
            image = micrograph.images[name]
            picture[k] = normalised(levelled(image) if name in TRANSMITTED else image)
    counts = np.zeros((len(elements), *cells), dtype=np.float32)
    for k, element in enumerate(elements):
        if element in micrograph.eds:
            counts[k] = gathered(micrograph.eds[element], (height, width))
    return Planes(images=picture, elements=counts, has_image=_has(images, micrograph.images),
                  has_element=_has(elements, micrograph.eds))


def named(micrograph: Micrograph, wanted: Sequence[str]) -> Micrograph:
    """The micrograph, its single image under the first wanted name where the detector is not known, or does not matter.

    InputError where the first wanted image is not there: a bright field is no dark field.
    """
    if wanted[0] in micrograph.images:
        return micrograph
    name = next(iter(micrograph.images))
    if len(micrograph.images) == 1 and "image" in (name, wanted[0]) and name not in wanted:
        return replace(micrograph, images={wanted[0]: micrograph.images[name]})
    raise InputError("images", ", ".join(micrograph.images), f"the model needs a {wanted[0]} image")


def _has(names: Sequence[str], present: Mapping[str, object]) -> Plane:
    return np.array([name in present for name in names], dtype=np.float32)


def levelled(image: Plane) -> Plane:
    """Logarithm of a transmitted intensity, so that grains of a heavy phase differ as much as those of a light one.

    What passes falls as exp(-thickness / mean free path); in a phase that lets little pass all contrast is small.
    """
    scale = max(float(np.percentile(image, 98)), 1e-12)
    return np.log(np.maximum(image, 0) / np.float32(scale) + np.float32(FLOOR))


def normalised(image: Plane) -> Plane:
    """Map the second and 98th percentile of the image, averaged over cells, to -1 and 1.

    Of the averaged image, so that the noise of single pixels does not move the scale.

    >>> normalised(np.tile(np.float32([0.0, 0.0, 5.0, 5.0]).repeat(4), (8, 1)))[0, ::4].tolist()
    [-1.0, -1.0, 1.0, 1.0]
    """
    height, width = (max(STRIDE, side // STRIDE * STRIDE) for side in image.shape)
    part = image[:height, :width].astype(np.float32)
    if min(image.shape) >= STRIDE:
        part = part.reshape(height // STRIDE, STRIDE, width // STRIDE, STRIDE).mean(axis=(1, 3))
    low, high = np.percentile(part, (2, 98))
    scale = max(float(high - low), 1e-6 * max(1.0, abs(float(high))))
    return ((image - np.float32(low)) * np.float32(2 / scale) - np.float32(1)).astype(np.float32)


def gathered(counts: Plane, shape: tuple[int, int]) -> Plane:
    """Counts of any grid over the same field of view -> counts per image pixel on cells of `STRIDE` pixels.

    Counts are shared out by overlap of areas, so their sum is kept.

    >>> gathered(np.full((2, 2), 16.0, dtype=np.float32), (8, 8)).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    rows = _overlap(counts.shape[0], shape[0])
    columns = _overlap(counts.shape[1], shape[1])
    pixels = np.outer(_widths(shape[0]), _widths(shape[1]))
    return ((rows @ counts.astype(np.float64) @ columns.T) / pixels).astype(np.float32)


def _widths(side: int) -> NDArray[np.float64]:
    """Pixels in each cell along a side."""
    edges = np.minimum(np.arange(0, side + STRIDE, STRIDE), side)[: -(-side // STRIDE) + 1]
    return np.diff(edges).astype(np.float64)


def _overlap(count: int, side: int) -> NDArray[np.float64]:
    """Share of each of `count` pixels of a coarser or finer grid that lies in each cell, (cells, count)."""
    cells = np.concatenate([[0.0], np.cumsum(_widths(side))])
    grid = np.linspace(0, side, count + 1)
    low = np.maximum(cells[:-1, None], grid[None, :-1])
    high = np.minimum(cells[1:, None], grid[None, 1:])
    return np.clip(high - low, 0, None) / (side / count)
