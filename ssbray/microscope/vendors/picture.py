"""PNG and JPEG: grey values only; a sidecar or the user says what they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import detectors, guard, sidecar
from ssbray.microscope.signal import IMAGE, Contents, Layer
from ssbray.microscope.vendors import pixels


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open a picture without decoding it."""
    about, place = sidecar.beside(path)
    with open(path, "rb") as handle:
        is_png = handle.read(8).startswith(b"\x89PNG")
    width, height, depth, channels = _declared(path, is_png)
    if channels > 3 and not is_png:
        raise InputError("image", path.name, "is CMYK, made for print: give the image as it was recorded")
    if is_png and depth == 1:
        raise InputError("image", path.name,
                         "has 1 bit per pixel, a mask or drawing: give the image as it was recorded")
    guard.afford("the picture", (height, width, channels), np.dtype(f"u{max(1, depth // 8)}"), max_bytes)
    guard.afford("the picture", (height, width), np.float64, max_bytes)
    size = about.pop("pixel_size_nm", None)
    detector = about.get("detector")
    key = detectors.key(detector)
    notes = [f"{place} was read too"] if place else []
    if not is_png:
        notes.append("JPEG is lossy: fine grain and sharp edges carry its artefacts")
    layer = Layer(name=key, kind=IMAGE, shape=(height, width), scale_nm=(size, size) if size else None,
                  detector=detector,
                  key=key, load=partial(_decode, path, is_png))
    yield Contents(format="PNG" if is_png else "JPEG", layers=[layer], metadata=about, notes=tuple(notes),
                   uncalibrated=f"a picture states no pixel size: add {path.stem}.yaml with pixel_size_nm")


def _declared(path: Path, is_png: bool) -> tuple[int, int, int, int]:
    """Width, height, bits and channels, from the header alone."""
    with open(path, "rb") as handle:
        if is_png:
            head = handle.read(33)
            if len(head) < 33 or head[12:16] != b"IHDR":
                raise InputError("file", path.name, "PNG that ends within its header: copy it again")
            width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
            return width, height, depth, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 4)
        handle.seek(2)
        while True:
            marker = handle.read(2)
            if len(marker) < 2 or marker[0] != 0xFF:
                raise InputError("file", path.name, "JPEG without a frame: it is truncated or damaged, copy it again")
            if marker[1] == 0xFF:
                handle.seek(-1, 1)
                continue
            if marker[1] in (0x01, *range(0xD0, 0xD9)):
                continue
            length = handle.read(2)
            if len(length) < 2:
                raise InputError("file", path.name, "JPEG without a frame: it is truncated, copy it again")
            if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
                frame = handle.read(6)
                if len(frame) < 6:
                    raise InputError("file", path.name, "JPEG that ends within its header: copy it again")
                depth, height, width, channels = struct.unpack(">BHHB", frame)
                return width, height, depth, channels
            handle.seek(max(0, struct.unpack(">H", length)[0] - 2), 1)


def _decode(path: Path, is_png: bool) -> NDArray[Any]:
    """The grey values. The plug-ins are called directly: the size was checked against the caller's own limit."""
    from PIL import JpegImagePlugin, PngImagePlugin

    with open(path, "rb") as handle:
        image = PngImagePlugin.PngImageFile(handle) if is_png else JpegImagePlugin.JpegImageFile(handle)
        if getattr(image, "n_frames", 1) > 1:
            raise InputError("image", path.name, "is an animation: give single images")
        image.load()
        if image.mode == "CMYK":
            raise InputError("image", path.name, "is CMYK, made for print: give the image as it was recorded")
        if image.mode == "P":
            palette = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3).T
            if "transparency" in image.info:
                raise InputError("image", path.name, "is transparent in places: give the image as it was recorded")
            return pixels.through_palette(np.asarray(image), palette, path.name)
        if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I"):
            raise InputError("image", path.name, f"has pixels of kind {image.mode}: give 8 or 16 bits of grey")
        if image.mode in ("RGB", "L") and "transparency" in image.info:
            raise InputError("image", path.name, "is transparent in places: give the image as it was recorded")
        return pixels.grey(np.asarray(image), path.name)
