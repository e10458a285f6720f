"""DM3 and DM4 of Gatan's DigitalMicrograph, its tags parsed by ncempy (used under its MIT licence)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import detectors, guard
from ssbray.microscope.calibration import is_reciprocal, number, pixel_nm
from ssbray.microscope.signal import OTHER, SPECTRUM_IMAGE, Contents, Layer
from ssbray.microscope.stream import Cube
from ssbray.microscope.vendors import stacks

TYPES: dict[int, Any] = {1: np.int16, 2: np.float32, 6: np.uint8, 7: np.int32, 9: np.int8, 10: np.uint16, 11: np.uint32,
                         12: np.float64, 39: np.int64, 40: np.uint64}
COLOUR = (8, 23)  #: RGB, thumbnails among them


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open a DM file: tags now, values when they are asked for."""
    from ncempy.io import dm

    with open(path, "rb") as handle, dm.fileDM(handle) as file:  # from a map of memory it cannot close what it refuses
        tags: dict[str, Any] = file.allTags
        numbers = sorted({int(found[1]) for name in tags if (found := re.match(r"\.ImageList\.(\d+)\.", name))})
        layers: list[Layer] = []
        for image in numbers:
            layers += _layers(path, tags, f".ImageList.{image}.", max_bytes)
    if not layers:
        raise InputError("file", path.name, "DigitalMicrograph file without an image of intensities")
    with open(path, "rb") as handle:
        version = handle.read(4)[3]
    yield Contents(format=f"DM{version}", layers=layers)


def _layers(path: Path, tags: dict[str, Any], at: str, max_bytes: int) -> list[Layer]:
    """The signals in one entry of the list of images."""
    data = f"{at}ImageData."
    shape: list[int] = []
    while f"{data}Dimensions.{len(shape) + 1}" in tags:
        shape.append(int(tags[f"{data}Dimensions.{len(shape) + 1}"]))
    kind = number(tags.get(f"{data}DataType"))
    if not shape or kind is None or f"{data}Data.arrayOffset" not in tags or int(kind) in COLOUR:
        return []
    shape = shape[::-1]  # dimension 1 is x
    title = guard.one_line(tags.get(f"{at}Name") or "", 60)
    places = [f"{data}Calibrations.Dimension.{axis}." for axis in range(len(shape), 0, -1)]
    calibration = [(tags.get(f"{place}Scale"), _unit(tags.get(f"{place}Units"))) for place in places]
    if tags.get(f"{at}ImageTags.Meta Data.Signal") == "X-ray" and len(shape) == 3:
        return _spectra(path, tags, at, shape, calibration, max_bytes)
    reciprocal = any(is_reciprocal(unit) for _, unit in calibration[-2:])
    volts = any(unit in ("eV", "keV") for _, unit in calibration)
    if len(shape) not in (2, 3) or min(shape[-2:]) < 2 or reciprocal or volts or int(kind) not in TYPES:
        return [Layer(name=title or "other", kind=OTHER, shape=tuple(shape), detector=title or None, load=_no_image)]
    offset, dtype = _values(path, tags, data, shape)
    guard.afford("one image of the file", tuple(shape[-2:]), np.float64, max_bytes)
    pixels = shape[-1] * shape[-2]

    def frame(index: int) -> NDArray[Any]:
        return np.fromfile(path, dtype, pixels, offset=offset + index * pixels * dtype.itemsize).reshape(shape[-2:])

    y, x = (pixel_nm(scale, unit) for scale, unit in calibration[-2:])
    count = shape[0] if len(shape) == 3 else 1
    key = detectors.key(title)
    return stacks.layers(frame, count, (shape[-2], shape[-1]), max_bytes, prefix=f"{title} " if title else "",
                         title=key if key != "image" else title or "image", key=key, detector=title or None,
                         scale_nm=(y, x) if x and y else None, metadata=_known(tags, at))


def _values(path: Path, tags: dict[str, Any], data: str, shape: list[int]) -> tuple[int, np.dtype[Any]]:
    """Where the values begin and of which type they are; refused if the file ends before they do."""
    offset, size = int(tags[f"{data}Data.arrayOffset"]), int(tags[f"{data}Data.arraySize"])
    dtype = np.dtype(TYPES[int(tags[f"{data}DataType"])]).newbyteorder("<")
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if needed < 1 or size < needed or path.stat().st_size < offset + needed:
        raise InputError("file", path.name, f"an image of shape {tuple(shape)} needs {needed} bytes and the file ends "
                         "before: it is truncated, copy it again")
    return offset, dtype


def _spectra(path: Path, tags: dict[str, Any], at: str, shape: list[int], calibration: list[tuple[Any, str]],
             max_bytes: int) -> list[Layer]:
    """A spectrum of X-rays at each pixel: energy is the slowest axis."""
    factor = {"eV": 1.0, "keV": 1e3}.get(calibration[0][1])
    step, origin = number(calibration[0][0]), number(tags.get(f"{at}ImageData.Calibrations.Dimension.3.Origin"))
    if factor is None or not step or origin is None or int(tags[f"{at}ImageData.DataType"]) not in TYPES:
        raise InputError("file", path.name, "spectra of X-rays without an energy axis in eV or keV: calibrate them")
    offset, dtype = _values(path, tags, f"{at}ImageData.", shape)
    cube = Cube(data=np.memmap(path, dtype, "r", offset, tuple(shape)), shape=(shape[1], shape[2]), channels=shape[0],
                energy_first=True, offset_eV=-origin * step * factor, dispersion_eV=step * factor, max_bytes=max_bytes,
                counts=dtype.kind in "ui")
    y, x = (pixel_nm(scale, unit) for scale, unit in calibration[-2:])
    return [Layer(name="eds", kind=SPECTRUM_IMAGE, shape=(*cube.shape, cube.channels), spectra=cube, detector="EDS",
                  scale_nm=(y, x) if x and y else None, metadata=_known(tags, at), load=_no_image)]


def _known(tags: dict[str, Any], at: str) -> dict[str, Any]:
    """Beam energy, dwell time and date; a beam current of zero means that nobody measured it."""
    known: dict[str, Any] = {}
    if voltage := number(tags.get(f"{at}ImageTags.Microscope Info.Voltage")):
        known["beam_energy_keV"] = voltage / 1e3
    if dwell := number(tags.get(f"{at}ImageTags.DigiScan.Sample Time")):
        known["dwell_us"] = dwell
    parts = [tags.get(f"{at}ImageTags.DataBar.{name}") for name in ("Acquisition Date", "Acquisition Time")]
    if date := " ".join(guard.one_line(part, 40) for part in parts if isinstance(part, str) and part):
        known["acquisition_date"] = date
    return known


def _unit(unit: Any) -> str:
    """A unit as text: ncempy gives UTF-16 code units one by one, and a number for an empty tag."""
    return unit if isinstance(unit, str) else ""


def _no_image() -> NDArray[Any]:
    """Stands in for loading what is no image."""
    raise InputError("signal", "other", "is a spectrum, a diffraction pattern or a complex image: choose another with "
                     "--signal NAME")
