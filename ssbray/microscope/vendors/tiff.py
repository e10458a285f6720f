"""TIFF: plain, ImageJ, OME, FEI/Thermo and Zeiss. Pages of one shape are a stack, from which the user chooses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import detectors, guard, sidecar
from ssbray.microscope.signal import OTHER, Contents, Layer
from ssbray.microscope.vendors import pixels, stacks
from ssbray.microscope.vendors.tiff_about import About, about

WHITE_IS_ZERO, PALETTE, MASK, SEPARATED = 0, 3, 4, 5


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open a TIFF without decoding it."""
    import tifffile

    beside, place = sidecar.beside(path)
    with tifffile.TiffFile(path, _multifile=False) as tif:  # OME-XML may name other files: they are not opened
        if not tif.pages:
            raise InputError("file", path.name, "TIFF without an image: it is truncated, copy it again")
        levels = [level for one in tif.series for level in one.levels]
        series = [one for one in levels if not one.keyframe.is_reduced] or levels
        for one in series:
            guard.afford("an image of the file", tuple(one.shape), np.uint8, sys.maxsize)  # no length is zero
        declared = int((tif.imagej_metadata or {}).get("images", 1)) if tif.is_imagej else 1
        if declared > sum(int(np.prod(one.shape, dtype=object)) // one.keyframe.size for one in series):
            raise InputError("file", path.name, f"TIFF of ImageJ's with fewer than its {declared} images: it is "
                             "truncated, copy it again")
        said = about(tif, series[0].keyframe)
        detector = beside.get("detector") or said.detector
        size = beside.pop("pixel_size_nm", None)
        notes = [f"{place} was read too"] if place else []
        if size and said.scale_nm and abs(size / min(said.scale_nm) - 1) > 1e-3:
            own = min(said.scale_nm)
            notes.append(f"{place} gives {size:g} nm per pixel and the file {own:g} nm: the former holds")
        scale = (size, size) if size else said.scale_nm
        layers: list[Layer] = []
        for number, one in enumerate(series):
            prefix = "" if len(series) == 1 else f"series {number} "
            layers += _layers(path, one, said, prefix, detector, scale, max_bytes)
        grey = [layer for layer in layers if layer.kind != OTHER]
        if not grey and layers:
            raise InputError("image", path.name, pixels.COLOUR if layers[0].name.endswith("colour") else
                             "holds no image of real intensities (complex numbers or masks)")
        yield Contents(format="TIFF" if said.maker is None else f"TIFF ({said.maker})", layers=layers,
                       notes=tuple(notes), metadata={**said.metadata, **beside}, uncalibrated=said.uncalibrated)


def _layers(path: Path, series: Any, said: About, prefix: str, detector: str | None,
            scale: tuple[float, float] | None, max_bytes: int) -> list[Layer]:
    """The signals in one series of pages of one shape."""
    page = series.keyframe
    axes, shape = series.axes, tuple(int(length) for length in series.shape)
    if "Y" not in axes or "X" not in axes or axes[-1] not in "XS" or "Y" + "X" not in axes.replace("S", ""):
        return [Layer(name=f"{prefix}other", kind=OTHER, shape=shape, load=_refuse)]
    height, width = shape[axes.index("Y")], shape[axes.index("X")]
    samples = shape[axes.index("S")] if "S" in axes else 1
    count = int(np.prod(shape, dtype=object)) // (height * width * samples)
    if page.bitspersample == 1 or page.photometric == MASK:
        raise InputError("image", path.name,
                         "has 1 bit per pixel, a mask or drawing: give the image as it was recorded")
    if page.photometric == SEPARATED:
        raise InputError("image", path.name, "is CMYK, made for print: give the image as it was recorded")
    if np.dtype(page.dtype).kind not in "uif":
        return [Layer(name=f"{prefix}complex", kind=OTHER, shape=shape, load=_refuse)]
    guard.afford("one image of the file", (height, width, samples), page.dtype, max_bytes)
    guard.afford("one image of the file", (height, width), np.float64, max_bytes)
    _check_pieces(path, series)
    rows = said.rows if said.rows and said.rows < height else height
    notes = [f"the data bar below row {rows} was cut off"] if rows < height else []
    if page.photometric == WHITE_IS_ZERO:
        notes.append("white is zero in the file: values were turned over")

    def frame(index: int) -> NDArray[Any]:
        values = _page(path, series, index, count, samples, max_bytes)
        if page.photometric == PALETTE:
            values = pixels.through_palette(values, np.asarray(page.colormap), path.name)
            values = values // 257 if values.dtype == np.uint16 and not np.any(values % 257) else values
        elif page.photometric == WHITE_IS_ZERO:
            top = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 0.0
            values = top - values
        return pixels.grey(values, path.name)[:rows]

    key = detectors.key(detector)
    found = stacks.layers(frame, count, (rows, width), max_bytes, prefix=prefix, title=f"{prefix}{key}", key=key,
                          scale_nm=scale, detector=detector, notes=tuple(notes))
    if samples > 2 and prefix and not _is_grey(frame):
        return [replace(found[0], kind=OTHER, name=f"{prefix}colour", load=_refuse)]
    return found


def _is_grey(frame: Any) -> bool:
    """Whether a picture in three channels is one of grey values: thumbnails beside the image often are not."""
    try:
        frame(0)
    except InputError as error:
        if error.remedy == pixels.COLOUR:
            return False
        raise
    return True


def _page(path: Path, series: Any, index: int, count: int, samples: int, max_bytes: int) -> NDArray[Any]:
    """One page of a series as (H, W) or (H, W, samples)."""
    axes = series.axes
    height, width = series.shape[axes.index("Y")], series.shape[axes.index("X")]
    try:
        if len(series) == count:
            values = series[index].asarray()
        elif samples == 1 and series.dataoffset is not None:  # one page describes a whole ImageJ hyperstack
            size = height * width
            dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
            values = np.fromfile(path, dtype, size, offset=series.dataoffset + index * size * dtype.itemsize)
        else:
            guard.afford("the stack", tuple(series.shape), series.dtype, max_bytes)
            whole = series.asarray()
            if "S" in axes:
                whole = np.moveaxis(whole, axes.index("S"), -1)
            values = whole.reshape(count, *whole.shape[-(3 if "S" in axes else 2):])[index]
            axes = "YXS"
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        values, axes = _by_pillow(path, series, index, count), "YXS"
    if samples == 1:
        return np.asarray(values).reshape(height, width)
    if axes.index("S") < axes.index("Y"):  # colours one plane after the other
        return np.moveaxis(np.asarray(values).reshape(samples, height, width), 0, -1)
    return np.asarray(values).reshape(height, width, samples)


def _by_pillow(path: Path, series: Any, index: int, count: int) -> NDArray[Any]:
    """Decode LZW, JPEG and other compressions that tifffile leaves to a package of its own."""
    from PIL import TiffImagePlugin

    page = series[index] if len(series) == count else series.keyframe
    if series.keyframe.photometric == WHITE_IS_ZERO:
        raise InputError("compression", str(series.keyframe.compression.name), "cannot be read together with 'white is "
                         "zero': save the image without compression")
    with open(path, "rb") as handle:
        image = TiffImagePlugin.TiffImageFile(handle)
        image.seek(page.index)
        image.load()
        if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I", "F", "P"):
            raise InputError("compression", str(series.keyframe.compression.name), f"cannot be read for pixels of kind "
                             f"{image.mode}: save the image without compression")
        return np.asarray(image)


def _check_pieces(path: Path, series: Any) -> None:
    """Refuse a file that ends before the pieces of its images do: they would read as zero."""
    size = path.stat().st_size
    for page in series.pages:
        if page is None:
            raise InputError("file", path.name, "TIFF that lacks pages of its stack: it is truncated, copy it again")
        ends = [offset + length for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if not ends or max(ends) > size or min(page.databytecounts) < 1:
            raise InputError("file", path.name, f"TIFF whose image lies beyond its end at {size} bytes: it is "
                             "truncated, copy it again")
    if series.dataoffset is not None and len(series.pages) == 1:
        needed = series.dataoffset + int(np.prod(series.shape, dtype=object)) * np.dtype(series.dtype).itemsize
        if needed > size and not series.keyframe.compression > 1:
            raise InputError("file", path.name, f"TIFF of {needed} bytes that ends at {size}: it is truncated, copy it "
                             "again")


def _refuse() -> NDArray[Any]:
    """Stands in for loading what is no image."""
    raise InputError("signal", "colour or complex", "is no image of intensities: choose another with --signal NAME")
