"""An image and maps of counts on grids that fit each other, and what they say of each other at every offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from ssbray.domain import FloatArray, Micrograph
from ssbray.errors import InputError

SEARCH_SHARE = 16  #: default reach of the search, as a share of the shorter side
SEARCH_PX = 12.0  #: least default reach [pixels of the image]
SMOOTH_PX = 1.0  #: the image is smoothed by so much before it is compared [pixels of the image]
LEAST_SIDE = 8  #: pixels of the maps that must be left between the margins
KEEP = 1e-6  #: eigenvalues of the correlation of the elements below this share of the largest are dropped


@dataclass(frozen=True, eq=False, kw_only=True)
class Views:
    """Image and maps on grids of which one is a whole multiple of the other."""

    image: FloatArray  #: (kh, kw) image, each pixel the mean over one pixel of the maps that begins there
    maps: FloatArray  #: (m, h, w) standardised
    factor: tuple[int, int]  #: pixels of `image` per pixel of the maps
    pitch_nm: FloatArray  #: (2,) of `image`
    margin: tuple[int, int]  #: pixels of the maps left out on every side, so that the search stays within the image


def views_of(micrograph: Micrograph, reach_nm: float | None) -> Views:
    if micrograph.haadf is None:
        raise InputError("images", ", ".join(micrograph.images), "the maps are compared with a 'haadf' image: add it")
    maps = [np.asarray(counts, dtype=np.float64) for counts in micrograph.eds.values()]
    maps = [(each - each.mean()) / each.std() for each in maps if np.isfinite(each).all() and each.std() > 0]
    image = np.asarray(micrograph.haadf, dtype=np.float64)
    if not maps or not np.isfinite(image).all() or image.std() == 0:
        raise InputError("micrograph", f"{len(maps)} maps that vary", "needs a finite image with contrast, and a map")
    grid = np.array(maps[0].shape)
    factor = np.maximum(1, np.rint(np.array(image.shape) / grid)).astype(int)
    fine = factor * grid
    pitch = np.array(image.shape) * micrograph.pixel_size_nm / fine
    if (fine != image.shape).any():  # an image may be interpolated, counts may not
        image = ndimage.zoom(image, fine / image.shape, order=3, mode="nearest", grid_mode=True)
    image = ndimage.gaussian_filter((image - image.mean()) / image.std(), SMOOTH_PX, mode="nearest")
    for axis, k in enumerate(factor):  # the mean over k pixels from each on
        image = ndimage.uniform_filter1d(image, int(k), axis=axis, mode="nearest", origin=-(int(k) // 2))
    side = float(min(fine * pitch))
    reach = max(side / SEARCH_SHARE, SEARCH_PX * micrograph.pixel_size_nm) if reach_nm is None else reach_nm
    margin = np.ceil(reach / pitch / factor).astype(int) + 1
    if not reach > 0 or (grid - 2 * margin < LEAST_SIDE).any():
        raise InputError("reach_nm", reach, f"must be positive and leave {LEAST_SIDE} pixels of maps of {tuple(grid)}")
    return Views(image=image, maps=np.array(maps), factor=(int(factor[0]), int(factor[1])), pitch_nm=pitch,
                  margin=(int(margin[0]), int(margin[1])))


def whitened(views: Views) -> FloatArray:
    """(m, n) the maps within the margins, whitened: uncorrelated, of mean 0 and variance 1."""
    (y, x), (h, w) = views.margin, views.maps.shape[1:]
    inner = views.maps[:, y:h - y, x:w - x].reshape(len(views.maps), -1)
    inner = inner - inner.mean(axis=1, keepdims=True)
    value, vector = np.linalg.eigh(np.atleast_2d(inner @ inner.T / inner.shape[1]))
    kept = value > KEEP * value.max()
    return (vector[:, kept] / np.sqrt(value[kept])).T @ inner


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """Sums over pixels of the maps, at every whole offset within reach."""

    pixels: int
    both: FloatArray  #: (m, Y, X) sums of maps times image
    image: FloatArray  #: (Y, X) sums of the image
    square: FloatArray  #: (Y, X) sums of its square

    @property
    def r_squared(self) -> FloatArray:
        """(Y, X) squared multiple correlation of the image with the maps, which are uncorrelated and of mean 0."""
        n = self.pixels
        variance = np.maximum(self.square / n - (self.image / n) ** 2, 1e-12)
        return np.asarray(np.clip(((self.both / n) ** 2).sum(axis=0) / variance, 0, 1 - 1e-9))

    @property
    def gain(self) -> FloatArray:
        """(Y, X) log-likelihood that the maps add about the image: pixels times mutual information."""
        return np.asarray(-0.5 * self.pixels * np.log1p(-self.r_squared))


def correlate(views: Views, inner: FloatArray) -> Sums:
    """Sums over the inner pixels."""
    (ky, kx), (my, mx) = views.factor, views.margin
    h, w = views.maps.shape[1] - 2 * my, views.maps.shape[2] - 2 * mx
    shape = views.image.shape
    lattice = np.s_[ky * my:ky * (my + h):ky, kx * mx:kx * (mx + w):kx]
    rows, columns = -np.arange(-ky * (my - 1), ky * (my - 1) + 1), -np.arange(-kx * (mx - 1), kx * (mx - 1) + 1)
    first, second = fft.rfft2(views.image), fft.rfft2(views.image ** 2)

    def along(values: NDArray[Any], spectrum: NDArray[np.complexfloating[Any, Any]]) -> FloatArray:
        sparse = np.zeros(shape)
        sparse[lattice] = values
        return np.asarray(fft.irfft2(spectrum * np.conj(fft.rfft2(sparse)), s=shape)[np.ix_(rows, columns)])

    ones = np.ones((h, w))
    return Sums(pixels=h * w, both=np.array([along(each.reshape(h, w), first) for each in inner]),
                image=along(ones, first), square=along(ones, second))


def seen(views: Views, at: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Rows and columns of the image that the inner pixels of the maps show, when they lie `at` pixels off."""
    (ky, kx), (my, mx), (h, w) = views.factor, views.margin, views.maps.shape[1:]
    return ky * np.arange(my, h - my) - at[0], kx * np.arange(mx, w - mx) - at[1]


def blocks(h: int, w: int, number: int) -> NDArray[np.integer]:
    """(h * w,) which of number x number blocks each pixel is in."""
    return ((np.arange(h) * number // h)[:, None] * number + (np.arange(w) * number // w)[None, :]).ravel()
