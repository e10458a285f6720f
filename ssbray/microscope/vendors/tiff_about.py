"""What the makers of microscopes and programs write into TIFF tags: pixel size, detector, energy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from ssbray.microscope.calibration import number, pixel_nm, sound, unit_nm

DISPLAY = 1024  #: pixels across the display to which Zeiss refers its scale
LARGEST_FROM_RESOLUTION_NM = 1e4  #: a coarser resolution tag describes print or screen, not a specimen


@dataclass(frozen=True, kw_only=True)
class About:
    """What tags say of an image."""

    maker: str | None = None
    scale_nm: tuple[float, float] | None = None  #: (y, x)
    detector: str | None = None
    rows: int | None = None  #: rows of the image proper, where a data bar follows
    metadata: dict[str, Any] = field(default_factory=dict)
    uncalibrated: str = "the file states no pixel size"


def about(tif: Any, page: Any) -> About:
    """The first maker whose tags the file has; else resolution tags, where their unit makes sense."""
    if isinstance(tif.fei_metadata, dict):
        return _fei(tif.fei_metadata, page)
    if isinstance(tif.sem_metadata, dict):
        return _zeiss(tif.sem_metadata, page)
    if tif.is_ome and tif.ome_metadata:
        return _ome(tif.ome_metadata)
    if tif.is_imagej and isinstance(tif.imagej_metadata, dict):
        return _imagej(tif.imagej_metadata, page)
    return _resolution(page)


def _section(tags: dict[str, Any], name: str) -> dict[str, Any]:
    found = tags.get(name)
    return found if isinstance(found, dict) else {}


def _fei(tags: dict[str, Any], page: Any) -> About:
    """FEI and Thermo Fisher: sections of an ini file; lengths in metres, energies in volts."""
    scan, beam = _section(tags, "Scan"), _section(tags, "EBeam") or _section(tags, "Beam")
    x, y = (pixel_nm(scan.get(name), "m") for name in ("PixelWidth", "PixelHeight"))
    if not (x and y):
        x, y = (pixel_nm(_section(tags, "EScan").get(name), "m") for name in ("PixelWidth", "PixelHeight"))
    metadata: dict[str, Any] = {}
    if voltage := number(_section(tags, "Beam").get("HV")) or number(beam.get("HV")):
        metadata["beam_energy_keV"] = voltage / 1e3
    if dwell := number(scan.get("Dwelltime") or _section(tags, "EScan").get("Dwell")):
        metadata["dwell_us"] = dwell * 1e6
    if frames := number(scan.get("Integrate") or _section(tags, "Image").get("Integrate")):
        metadata["frames"] = max(1, int(frames))
    date = " ".join(str(value) for name in ("Date", "Time") if (value := _section(tags, "User").get(name)))
    if date:
        metadata["acquisition_date"] = date
    if system := _section(tags, "System").get("SystemType"):
        metadata["microscope"] = str(system)
    name = str(_section(tags, "Detectors").get("Name") or "")
    signal = str(_section(tags, name).get("Signal") or "")
    detector = signal if signal.upper() in ("SE", "BSE") else name
    proper = number(_section(tags, "Image").get("ResolutionY"))
    bar = number(_section(tags, "PrivateFei").get("DatabarHeight"))
    rows = int(proper) if proper and bar and int(proper) + int(bar) == page.imagelength else None
    return About(maker="FEI", scale_nm=(y, x) if x and y else None, detector=detector or None, rows=rows,
                 metadata=metadata, uncalibrated="its FEI tags state no pixel size")


def _zeiss(tags: dict[str, Any], page: Any) -> About:
    """Zeiss: named values with units, and numbers without names.

    The fourth of these is the pixel in metres of a display 1024 pixels wide, whatever the width of the image; the named
    size is that of the image itself, rounded.
    """
    def value(name: str) -> tuple[Any, str]:
        entry = tags.get(name)
        if not isinstance(entry, tuple | list) or len(entry) < 2:
            return None, ""
        return entry[1], str(entry[2]) if len(entry) > 2 else ""

    named = pixel_nm(*value("ap_image_pixel_size"))
    nameless = tags.get("")
    listed = number(nameless[3]) if isinstance(nameless, tuple | list) and len(nameless) > 3 else None
    exact = pixel_nm(listed * DISPLAY / page.imagewidth, "m") if listed else None
    agree = named is not None and exact is not None and abs(exact / named - 1) < 0.02
    edge = exact if agree or named is None else named
    if edge is None and page.imagewidth == DISPLAY:
        edge = pixel_nm(*value("ap_pixel_size"))
    metadata: dict[str, Any] = {}
    for name in ("ap_actualkv", "ap_manualkv"):
        energy, unit = value(name)
        factor = {"kV": 1.0, "keV": 1.0, "V": 1e-3}.get(unit)
        if number(energy) and factor and "beam_energy_keV" not in metadata:
            metadata["beam_energy_keV"] = float(energy) * factor
    magnification, _ = value("ap_mag")
    if magnification is not None:
        metadata["magnification"] = str(magnification)  # text such as '50.00 K X'
    date = " ".join(str(part) for name in ("ap_date", "ap_time") if (part := value(name)[0]))
    if date:
        metadata["acquisition_date"] = date
    detector = value("dp_detector_channel")[0] or value("dp_detector_type")[0]
    return About(maker="Zeiss", scale_nm=(edge, edge) if edge else None, detector=str(detector) if detector else None,
                 metadata=metadata, uncalibrated="its Zeiss tags state no pixel size")


def _imagej(tags: dict[str, Any], page: Any) -> About:
    """ImageJ: the unit in the description, pixels per unit in the resolution tags; without a unit, a screen's."""
    unit = str(tags.get("unit") or "")
    unit = re.sub(r"\\u00[bB]5", "µ", unit)
    per_x, per_y = _per(page, 282), _per(page, 283)
    x, y = (pixel_nm(1 / per, unit) if per else None for per in (per_x, per_y))
    why = "ImageJ stored no unit of length: set the scale there (Analyze, Set Scale)"
    if unit and unit_nm(unit) is None:
        why = f"ImageJ gives its scale in {unit!r}, which is no length of a specimen"
    labels = tags.get("Labels")
    title = labels[0] if isinstance(labels, list) and len(labels) == 1 else None
    return About(maker="ImageJ", scale_nm=(y, x) if x and y else None, detector=title, uncalibrated=why)


def _ome(text: str) -> About:
    """OME-XML: PhysicalSizeX and Y, in micrometres unless it says otherwise."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return About(maker="OME", uncalibrated="its OME-XML declares entities and was not read")
    root = ElementTree.fromstring(text)
    found = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    if found is None:
        return About(maker="OME")
    x = pixel_nm(found.get("PhysicalSizeX"), found.get("PhysicalSizeXUnit", "µm"))
    y = pixel_nm(found.get("PhysicalSizeY"), found.get("PhysicalSizeYUnit", "µm"))
    channels = [element.get("Name") for element in root.iter() if element.tag.rpartition("}")[2] == "Channel"]
    return About(maker="OME", scale_nm=(y, x) if x and y else None,
                 detector=channels[0] if len(channels) == 1 else None,
                 uncalibrated="its OME-XML states no PhysicalSizeX and PhysicalSizeY")


def _resolution(page: Any) -> About:
    """Resolution tags in centimetres, as microscopes write them; inches are those of a printer or screen."""
    tag = page.tags.get(296)
    unit = int(tag.value) if tag is not None and number(tag.value) is not None else 2  # the default of TIFF
    per_x, per_y = _per(page, 282), _per(page, 283)
    if not (per_x and per_y) or unit == 1:
        return About()
    if unit != 3:
        return About(uncalibrated=f"its {per_x:g} dots per inch are a default of screens and printers")
    x, y = sound(1e7 / per_x), sound(1e7 / per_y)
    if not (x and y) or max(x, y) > LARGEST_FROM_RESOLUTION_NM:
        return About(uncalibrated=f"its {per_x:g} dots per cm are a default of screens and printers")
    return About(scale_nm=(y, x))


def _per(page: Any, code: int) -> float | None:
    """Pixels per unit from a rational tag, or None where it is absent, zero or not a number."""
    tag = page.tags.get(code)
    value = getattr(tag, "value", None)
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return None
    result = number(value[0] / value[1])
    return result if result and result > 0 else None
