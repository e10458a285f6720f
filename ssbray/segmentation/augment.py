"""What one microscope session does differently from the next: orientation, scale, shading, noise, dose, detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ssbray.segmentation.net import STRIDE


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges; a pair is low and high. Brightness is in units of the normalised image, which spans about -1 to 1."""

    any_way_up: bool = True  #: quarter turns and upside down; else left-right only
    rotation: float = 15.0  #: degrees to either side
    zoom: tuple[float, float] = (0.85, 1.2)
    stretch: float = 0.1  #: of one direction against the other, standard deviation of the logarithm
    bend: float = 3.0  #: rms of a smooth displacement [pixels]
    gain: tuple[float, float] = (0.75, 1.3)
    offset: float = 0.2
    gamma: tuple[float, float] = (0.75, 1.35)
    shading: float = 0.25  #: rms of a smooth brightness
    noise: tuple[float, float] = (0.0, 0.12)
    blur: tuple[float, float] = (0.0, 1.2)  #: standard deviation [pixels]
    stripes: float = 0.05  #: rms of columns or rows, as from an ion mill or a flickering beam
    thinning: tuple[float, float] = (0.4, 1.0)  #: share of the X-ray counts kept
    regions: float = 0.0  #: chance that a whole region is of another brightness and texture: where materials vary
    alone: float = 0.2  #: chance that all optional inputs are missing, which is all but the first image
    drop: float = 0.3  #: where they are not: chance that an optional image, or all the element maps, are missing

    @classmethod
    def suited(cls, pixel_size_nm: float | None, **options: Any) -> Self:
        """Ranges for images of one scale, or wider ones for images without: there things may have any size."""
        wide: dict[str, Any] = {} if pixel_size_nm is not None else {"zoom": (0.5, 2.0), "stretch": 0.45}
        return cls(**{**wide, **options})


@dataclass(frozen=True, eq=False, kw_only=True)
class Geometry:
    """Where the pixels of a window lie in an image."""

    window: tuple[int, int]  #: rows, columns
    matrix: np.ndarray  #: (2, 2), window to image
    centre: np.ndarray  #: (2,) x, y in the image [pixels]
    knots: Tensor  #: (1, 2, 5, 5) displacement [pixels]

    def coordinates(self, spacing: int, corner: tuple[int, int] = (0, 0), size: int | None = None
                    ) -> tuple[Tensor, Tensor]:
        """Image coordinates x, y [pixels] of `size` x `size` cells of `spacing` pixels, from `corner` (row, column)."""
        sides = [(first + torch.arange(size or side // spacing, dtype=torch.float32) + 0.5) * spacing
                 for first, side in zip(corner, self.window, strict=True)]
        at = (2 * along / side - 1 for along, side in zip(sides, self.window, strict=True))
        place = torch.stack(torch.meshgrid(*at, indexing="ij"), dim=-1)
        bend = F.grid_sample(self.knots, place.flip(-1)[None], mode="bicubic", align_corners=True)[0]
        y = place[..., 0] * self.window[0] / 2 + bend[1]
        x = place[..., 1] * self.window[1] / 2 + bend[0]
        (a, b), (c, d) = self.matrix
        return a * x + b * y + self.centre[0], c * x + d * y + self.centre[1]


def geometry(shape: tuple[int, int], window: tuple[int, int], how: Augmentation, random: np.random.Generator, *,
             turned: bool = False) -> Geometry:
    """Draw where a window of a session lies in an image of a shape (rows, columns); `turned` is by a quarter."""
    angle = np.deg2rad(random.uniform(-how.rotation, how.rotation)) + turned * np.pi / 2
    if how.any_way_up:
        angle += np.pi * random.integers(2)
    zoom = np.exp(random.uniform(*np.log(how.zoom)))
    mirror = -1.0 if random.random() < 0.5 else 1.0
    pull = np.exp(0.5 * random.normal(0, how.stretch) * np.array([1.0, -1.0])) / zoom
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag(pull) @ turn @ np.diag([mirror, 1.0])
    extent = np.array(window if turned else window[::-1])  # along x and y of the image
    room = np.maximum(0.0, (np.array(shape[::-1]) - extent * pull) / 2)
    knots = torch.from_numpy(random.normal(0, how.bend, (1, 2, 5, 5)).astype(np.float32))
    return Geometry(window=window, matrix=matrix, centre=np.array(shape[::-1]) / 2 + random.uniform(-room, room),
                    knots=knots)


def sample(planes: Tensor, x: Tensor, y: Tensor, spacing: int, mode: str) -> Tensor:
    """Values of planes (k, h, w) of cells of `spacing` pixels at image coordinates [pixels]; reflected at the edge."""
    height, width = planes.shape[-2:]
    grid = torch.stack([2 * x / (width * spacing) - 1, 2 * y / (height * spacing) - 1], dim=-1)
    return F.grid_sample(planes[None], grid[None], mode=mode, padding_mode="reflection", align_corners=False)[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Session:
    """One detector's setting, and the noise of one acquisition."""

    gamma: float
    gain: float
    offset: float
    shading: Tensor  #: (1, 1, 4, 4)
    noise: float
    blur: float
    stripes: float
    down: bool  #: stripes run down the image

    def smooth(self, image: Tensor, place: tuple[float, float, float, float]) -> Tensor:
        """Brightness, contrast and shading of the part `place` (top, left, bottom, right in 0..1) of the window."""
        unit = ((image + 1.5) / 3).clamp(1e-3, 1.5)
        image = (3 * unit**self.gamma - 1.5) * self.gain + self.offset
        rows, columns = (torch.linspace(2 * low - 1, 2 * high - 1, count) for low, high, count in
                         ((place[0], place[2], image.shape[0]), (place[1], place[3], image.shape[1])))
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)
        return image + F.grid_sample(self.shading, grid[None], mode="bicubic", align_corners=True)[0, 0]

    def rough(self, image: Tensor, random: np.random.Generator, averaged: int = 1) -> Tensor:
        """Blur, stripes and noise; in an image averaged over `averaged` pixels a side there is less of each."""
        if self.blur / averaged > 0.3:
            image = _blurred(image, self.blur / averaged)
        if self.stripes:
            lines = random.normal(0, self.stripes / averaged**0.5, image.shape[1 if self.down else 0])
            stripe = torch.from_numpy(lines.astype(np.float32))
            image = image + (stripe[None, :] if self.down else stripe[:, None])
        noise = torch.from_numpy(random.standard_normal(tuple(image.shape), dtype=np.float32))
        return image + noise * (self.noise / averaged)


def session(how: Augmentation, random: np.random.Generator) -> Session:
    """Draw a session."""
    shading = random.random() * random.normal(0, how.shading, (1, 1, 4, 4)) if how.shading else np.zeros((1, 1, 4, 4))
    return Session(gamma=float(np.exp(random.uniform(*np.log(how.gamma)))), gain=random.uniform(*how.gain),
                   offset=random.normal(0, how.offset), shading=torch.from_numpy(shading.astype(np.float32)),
                   noise=random.uniform(*how.noise), blur=random.uniform(*how.blur) * (random.random() < 0.5),
                   stripes=how.stripes * (random.random() < 0.3), down=bool(random.random() < 0.5))


def _blurred(image: Tensor, width: float) -> Tensor:
    at = torch.arange(-4, 5, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / width) ** 2)
    kernel = kernel / kernel.sum()
    wide = F.pad(image[None, None], (4, 4, 4, 4), mode="reflect")
    return F.conv2d(F.conv2d(wide, kernel[None, None, None, :]), kernel[None, None, :, None])[0, 0]


def thinned(counts: Tensor, how: Augmentation, random: np.random.Generator) -> Tensor:
    """Fewer counts per pixel, as if the dose had been lower.

    With the mean and the variance of binomial thinning, which keeps Poisson counts Poisson; drawn as normal numbers,
    twenty times faster.
    """
    share = random.uniform(*how.thinning)
    cell = counts.clamp(min=0) * STRIDE**2
    noise = torch.from_numpy(random.standard_normal(tuple(counts.shape), dtype=np.float32))
    return (share * cell + (share * (1 - share) * cell).sqrt() * noise).clamp(min=0) / STRIDE**2


def kept(has_image: Tensor, has_element: Tensor, how: Augmentation, random: np.random.Generator
         ) -> tuple[Tensor, Tensor]:
    """Take optional inputs away, now and then: all of them, or each image but the first, and all the maps together."""
    least = torch.zeros_like(has_image)
    least[int(torch.argmax((has_image > 0).float()))] = 1.0
    if random.random() < how.alone:
        return has_image * least, torch.zeros_like(has_element)
    keep = torch.from_numpy((random.random(len(has_image)) >= how.drop).astype(np.float32))
    return has_image * torch.maximum(keep, least), has_element * float(random.random() >= how.drop)


@dataclass(frozen=True, eq=False, kw_only=True)
class Repaint:
    """Other brightness and texture for each region of an image."""

    mean: Tensor  #: (regions,)
    contrast: Tensor  #: (regions,)
    shift: Tensor  #: (regions,)

    def __call__(self, image: Tensor, region: Tensor) -> Tensor:
        """Change an image (h, w) whose pixels belong to regions (h, w)."""
        index = region.long()
        return (image - self.mean[index]) * self.contrast[index] + self.mean[index] + self.shift[index]


def repaint(mean: Tensor, how: Augmentation, random: np.random.Generator) -> Repaint:
    """Draw what each region looks like; mean (regions,) is the brightness of each as it is."""
    n = len(mean)
    other = random.random(n) < how.regions
    contrast = np.where(other, np.exp(random.uniform(np.log(0.08), np.log(1.5), n)), 1.0)
    shift = np.where(other, random.normal(0, 0.5, n), 0.0)
    return Repaint(mean=mean, contrast=torch.from_numpy(contrast.astype(np.float32)),
                   shift=torch.from_numpy(shift.astype(np.float32)))
