"""Windows of examples, changed as other sessions would have, stacked into what a step learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ssbray.segmentation import augment
from ssbray.segmentation.augment import Augmentation, Geometry, Repaint, Session
from ssbray.segmentation.example import NOTHING, Example, targets
from ssbray.segmentation.net import HEADS, LINES, STRIDE

LEVELS, BRIGHTEST = 1024, 3.0  #: of brightness that are told apart in ranking, from -3 to 3
LARGE = 0.08  #: share of an image from which a region has a look of its own


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooled:
    """An example with its averages over cells of `STRIDE` pixels at hand."""

    example: Example
    images: Tensor  #: (k, h, w)
    elements: Tensor  #: (e, h, w)
    fractions: Tensor  #: (C, h, w) share of the cell's pixels with each class; they sum to the share that is known
    lines: Tensor  #: (`LINES`, h, w) 1 where a line runs through the cell, NaN where unknown
    regions: np.ndarray  #: (H, W) number of the region, see `regions_of`
    brightness: Tensor  #: (k, regions) mean of each


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """Cells of whole windows, and pixels of crops of them."""

    cells: Tensor  #: (n, channels, h, w): input of the coarse part
    fractions: Tensor  #: (n, C, h, w)
    lines: Tensor  #: (n, `LINES`, h, w), NaN where unknown
    corners: tuple[tuple[int, int, int], ...]  #: window, row and column [cells] of each of m crops
    pixels: Tensor | None = None  #: (m, 2 k, H, W): input of the fine part
    labels: Tensor | None = None  #: (m, H, W)
    extra: Tensor | None = None  #: (m, heads, H, W)


def pooled(example: Example, classes: int) -> Pooled:
    """Average an example over cells; a last cell that is not full is dropped."""
    height, width = (side // STRIDE * STRIDE for side in example.labels.shape)
    labels = torch.from_numpy(example.labels[:height, :width])
    one_hot = torch.stack([(labels == k).float() for k in range(classes)])
    images = torch.from_numpy(example.planes.images[:, :height, :width])
    elements = torch.from_numpy(example.planes.elements[:, : height // STRIDE, : width // STRIDE])
    known = targets(example.labels, example.grains, example.dislocations, None)
    lines = torch.from_numpy(known[[HEADS.index(name) for name in LINES], :height, :width])
    regions = regions_of(example.labels)
    pixels = np.bincount(regions.reshape(-1))
    brightness = np.stack([np.bincount(regions.reshape(-1), weights=image.reshape(-1)) / np.maximum(pixels, 1)
                           for image in example.planes.images])
    return Pooled(example=example, images=F.avg_pool2d(images, STRIDE), elements=elements,
                  fractions=F.avg_pool2d(one_hot, STRIDE), lines=F.max_pool2d(lines, STRIDE), regions=regions,
                  brightness=torch.from_numpy(brightness.astype(np.float32)))


def regions_of(labels: np.ndarray) -> np.ndarray:
    """Large connected parts of a class by themselves, the small ones of a class together; (H, W) from zero."""
    from scipy.ndimage import label

    found = np.zeros(labels.shape, dtype=np.int32)
    count = 0
    for value in np.unique(labels):
        parts, _ = label(labels == value)
        area = np.bincount(parts.reshape(-1))
        area[0] = 0
        numbers = np.full(len(area), count, dtype=np.int32)
        large = np.flatnonzero(area >= LARGE * labels.size)
        numbers[large] = count + 1 + np.arange(len(large))
        found = np.where(parts > 0, numbers[parts], found)
        count += 1 + len(large)
    return found


def assemble(images: Tensor, elements: Tensor, has_image: Tensor, has_element: Tensor) -> Tensor:
    """Input of the coarse part, (n, 3 k + 2 e [+ 1], h, w): images, ranks, presence, counts, presence, dose.

    images (n, k, h, w) averaged over cells; elements (n, e, h, w) counts per pixel; has_... (n, k) and (n, e).
    Counts enter as the square root of their ratio to the mean total, with the total beside them: roots of Poisson
    counts have one variance, and that is the dose's.
    """
    n, _, height, width = images.shape
    here = has_image[:, :, None, None]
    parts = [images, ranks(images) * here, here.expand(-1, -1, height, width)]
    if elements.shape[1]:
        elements = elements.clamp(min=0)  # counts less their background fall below zero now and then
        total = elements.sum(dim=1).mean(dim=(1, 2))
        scale = torch.where(total > 0, total, torch.ones_like(total))[:, None, None, None]
        dose = torch.log10(1 + STRIDE**2 * total)[:, None, None, None].expand(n, 1, height, width)
        parts += [torch.sqrt(elements / scale), has_element[:, :, None, None].expand(-1, -1, height, width), dose]
    return torch.cat(parts, dim=1)


def ranks(images: Tensor) -> Tensor:
    """Share of an image's cells that are darker, -1..1, (n, k, h, w): histogram equalisation, by image.

    Two phases that differ little are apart however bright a third is, and whatever the detector's gain and gamma.
    """
    flat = images.reshape(-1, images.shape[2] * images.shape[3])
    level = ((flat + BRIGHTEST) * (LEVELS / (2 * BRIGHTEST))).long().clamp_(0, LEVELS - 1)
    level += LEVELS * torch.arange(len(flat), device=flat.device)[:, None]
    count = torch.bincount(level.reshape(-1), minlength=LEVELS * len(flat)).reshape(len(flat), LEVELS)
    middle = (count.cumsum(dim=1) - count / 2) * (2 / flat.shape[1]) - 1
    return middle.reshape(-1)[level].to(images.dtype).reshape(images.shape)


def with_presence(images: Tensor, has_image: Tensor) -> Tensor:
    """Input of the fine part, (n, 2 k, H, W)."""
    return torch.cat([images, has_image[:, :, None, None].expand(-1, -1, *images.shape[-2:])], dim=1)


def draw(chosen: Sequence[Pooled], window: tuple[int, int], how: Augmentation, random: np.random.Generator, *,
         crop: int | None = None, crops: int = 1, pore: int | None = None) -> Batch:
    """Draw a window from each example, and `crops` parts of it of `crop` pixels a side in full resolution.

    Windows (rows, columns) of a batch are all as they are, or all turned by a quarter, where there is no way up.
    """
    turned = how.any_way_up and random.random() < 0.5
    parts = [_one(pool, window[::-1] if turned else window, how, random, turned, crop, crops, pore) for pool in chosen]
    images, elements, has_image, has_element, fractions, lines = (torch.stack([part[k] for part in parts])
                                                                  for k in range(6))
    batch = Batch(cells=assemble(images, elements, has_image, has_element), fractions=fractions, lines=lines,
                  corners=tuple((k, *corner) for k, part in enumerate(parts) for corner in part[6]))
    if crop is None:
        return batch
    pixels, labels, extra = (torch.stack([each[k] for part in parts for each in part[7]]) for k in range(3))
    there = has_image.repeat_interleave(crops, dim=0)
    return replace(batch, pixels=with_presence(pixels, there), labels=labels, extra=extra)


def _one(pool: Pooled, window: tuple[int, int], how: Augmentation, random: np.random.Generator, turned: bool,
         crop: int | None, crops: int, pore: int | None) -> tuple[Any, ...]:
    planes, shape = pool.example.planes, pool.example.labels.shape
    where = augment.geometry(shape, window, how, random, turned=turned)
    x, y = where.coordinates(STRIDE)
    inside = ((x > 0) & (x < shape[1]) & (y > 0) & (y < shape[0])).float()
    has_image, has_element = augment.kept(torch.from_numpy(planes.has_image), torch.from_numpy(planes.has_element),
                                          how, random)
    sessions = [augment.session(how, random) for _ in range(len(pool.images))]
    images = augment.sample(pool.images, x, y, STRIDE, "bilinear")
    paints = [augment.repaint(mean, how, random) for mean in pool.brightness] if how.regions else []
    if paints:
        region = _nearest(pool.regions, x, y)
        images = torch.stack([paint(image, region) for paint, image in zip(paints, images, strict=True)])
    images = torch.stack([each.rough(each.smooth(image, (0, 0, 1, 1)), random, STRIDE)
                          for each, image in zip(sessions, images, strict=True)]) * has_image[:, None, None]
    if has_element.any():
        elements = augment.sample(pool.elements, x, y, STRIDE, "nearest")
        elements = augment.thinned(elements, how, random) * has_element[:, None, None]
    else:
        elements = torch.zeros(len(has_element), *x.shape)
    fractions = augment.sample(pool.fractions, x, y, STRIDE, "bilinear") * inside
    lines = augment.sample(pool.lines, x, y, STRIDE, "nearest")
    lines = torch.where(inside > 0, lines, torch.nan)
    corners, fine = [], []
    for _ in range(crops if crop is not None else 0):
        assert crop is not None
        room = [(side - crop) // STRIDE + 1 for side in window]
        corners.append((int(random.integers(room[0])), int(random.integers(room[1]))))
        fine.append(_crop(pool, where, corners[-1], crop, sessions, paints, has_image, random, pore))
    return images, elements, has_image, has_element, fractions, lines, corners, fine


def _nearest(array: np.ndarray, x: Tensor, y: Tensor) -> Tensor:
    source = torch.from_numpy(array.astype(np.float32))[None]  # exact up to 2^24
    return augment.sample(source, x, y, 1, "nearest")[0]


def _crop(pool: Pooled, where: Geometry, corner: tuple[int, int], crop: int, sessions: list[Session],
          paints: list[Repaint], has_image: Tensor, random: np.random.Generator, pore: int | None
          ) -> tuple[Tensor, Tensor, Tensor]:
    example = pool.example
    start = (corner[0] * STRIDE, corner[1] * STRIDE)
    x, y = where.coordinates(1, start, crop)
    rows, columns = where.window
    place = (start[0] / rows, start[1] / columns, (start[0] + crop) / rows, (start[1] + crop) / columns)
    images = augment.sample(torch.from_numpy(example.planes.images), x, y, 1, "bilinear")
    if paints:
        region = _nearest(pool.regions, x, y)
        images = torch.stack([paint(image, region) for paint, image in zip(paints, images, strict=True)])
    images = torch.stack([each.rough(each.smooth(image, place), random)
                          for each, image in zip(sessions, images, strict=True)]) * has_image[:, None, None]

    height, width = example.labels.shape
    inside = ((x > 0) & (x < width) & (y > 0) & (y < height)).numpy()
    labels = np.where(inside, _nearest(example.labels, x, y).numpy(), NOTHING).astype(np.uint8)
    grains = None if example.grains is None else _nearest(example.grains, x, y).numpy().astype(np.int32)
    lines = None if example.dislocations is None else _nearest(example.dislocations, x, y).numpy() > 0
    return images, torch.from_numpy(labels), torch.from_numpy(targets(labels, grains, lines, pore))
