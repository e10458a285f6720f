"""SER of FEI's TIA, parsed by ncempy (used under its MIT licence), and what the .emi beside it adds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import detectors, guard
from ssbray.microscope.calibration import number, pixel_nm
from ssbray.microscope.signal import OTHER, Contents, Layer
from ssbray.microscope.vendors import stacks

ITEMSIZE = {1: 1, 2: 2, 3: 4, 4: 1, 5: 2, 6: 4, 7: 4, 8: 8}  #: bytes per pixel of the real types
LARGEST_EMI = 1 << 30


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open a SER file; it names no detector, and the .emi beside it is read for energy, dwell time and date."""
    from ncempy.io import ser

    class Series(ser.fileSER):  # type: ignore[misc, unused-ignore]
        """Without ncempy's own look for an .emi, which a damaged one would end, and with 8-bit images."""

        _dictDataType = {**ser.fileSER._dictDataType, 1: "<u1"}  # ncempy 1.16 has " <u1", which numpy refuses

        def _read_emi(self) -> None:
            self._emi = None

    size = path.stat().st_size
    about, notes = _emi(path)
    _check_header(path, size)
    with Series(path) as file:
        head = file.head
        count = int(head["ValidNumberElements"])
        if int(head["DataTypeID"]) != 0x4122:
            layer = Layer(name="spectra", kind=OTHER, shape=(count,), load=_no_image)
            yield Contents(format="SER", layers=[layer], metadata=about, notes=notes)
            return
        if count < 1:
            raise InputError("file", path.name, "SER without a single finished image: the acquisition was broken off")
        elements = [_element(path, int(offset), size) for offset in head["DataOffsetArray"]]
        shape, scale, _ = elements[0]
        if any(element[0] != shape for element in elements):
            raise InputError("file", path.name, "SER with images of several shapes: export the one you want")
        guard.afford("one image of the file", shape, np.float64, max_bytes)

        def frame(index: int) -> NDArray[Any]:
            return np.asarray(file.getDataset(index)[0])

        detector = about.get("detector")
        yield Contents(format="SER", metadata=about, notes=notes, layers=stacks.layers(
            frame, count, shape, max_bytes, scale_nm=scale, detector=detector, key=detectors.key(detector)))


def _check_header(path: Path, size: int) -> None:
    """Refuse lengths that the file cannot have, before anything is made of that length."""
    with open(path, "rb") as handle:
        head = handle.read(64)
    if len(head) < 34:
        raise InputError("file", path.name, "SER that ends within its header: copy it again")
    version, = struct.unpack_from("<H", head, 4)
    valid, = struct.unpack_from("<i", head, 18)
    wide = version >= 0x220
    offset, = struct.unpack_from("<q" if wide else "<i", head, 22)
    dimensions, = struct.unpack_from("<i", head, 30 if wide else 26)
    if not (0 <= dimensions <= 16 and valid >= 0 and offset > 0 and offset + 2 * valid * (8 if wide else 4) <= size):
        raise InputError("file", path.name, f"SER whose table of {valid} images lies beyond its end: it is truncated, "
                         "copy it again")


def _element(path: Path, offset: int, size: int) -> tuple[tuple[int, int], tuple[float, float] | None, int]:
    """Shape, pixel size and type of one image, from the 50 bytes before its values."""
    with open(path, "rb") as handle:
        handle.seek(max(0, offset))
        head = handle.read(50)
    if offset < 0 or len(head) < 50:
        raise InputError("file", path.name, "SER that ends before an image begins: it is truncated, copy it again")
    step_x, = struct.unpack_from("<d", head, 8)
    step_y, = struct.unpack_from("<d", head, 28)
    kind, width, height = struct.unpack_from("<hii", head, 40)
    if kind not in ITEMSIZE:
        raise InputError("data type", kind, "SER of real numbers is read: export the image again")
    if width < 1 or height < 1 or offset + 50 + width * height * ITEMSIZE[kind] > size:
        raise InputError("file", path.name, f"SER that ends within an image of {height} x {width}: it is truncated, "
                         "copy it again")
    y, x = pixel_nm(step_y, "m"), pixel_nm(step_x, "m")
    return (height, width), ((y, x) if x and y else None), kind


def _emi(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Beam energy, dwell time, date and detector from <stem>.emi, where <stem>_1.ser is read."""
    stem = path.stem.rsplit("_", 1)[0]
    place = path.with_name(f"{stem}.emi")
    unknown = "SER names no detector, so the image is called 'image'"
    if not place.is_file():
        return {}, (f"no {place.name} beside the file: beam energy and dwell time are unknown", unknown)
    if place.stat().st_size > LARGEST_EMI:
        return {}, (f"{place.name} is too large to be searched, so it was not read", unknown)
    text = place.read_bytes()
    start, end = text.find(b"<ObjectInfo>"), text.find(b"</ObjectInfo>")
    if start < 0 or end < start or b"<!" in text[start:end]:
        return {}, (f"{place.name} holds no description of the acquisition, so it was not used", unknown)
    try:
        root = ElementTree.fromstring(text[start:end + len(b"</ObjectInfo>")])
    except ElementTree.ParseError as error:
        return {}, (f"{place.name} cannot be read ({guard.one_line(error)}), so it was not used", unknown)
    known: dict[str, Any] = {}
    if voltage := number(root.findtext("ExperimentalConditions/MicroscopeConditions/AcceleratingVoltage")):
        known["beam_energy_keV"] = voltage / 1e3
    if dwell := number(root.findtext("AcquireInfo/DwellTime")):
        known["dwell_us"] = dwell * 1e6
    if date := root.findtext("AcquireDate"):
        known["acquisition_date"] = guard.one_line(date, 60)
    return known, (f"{place.name} was read too", unknown)


def _no_image() -> NDArray[Any]:
    """Stands in for loading what is no image."""
    raise InputError("signal", "spectra", "are no image: give the .ser with the image of the same scan")
