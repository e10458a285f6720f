"""Velox EMD: images by detector, frames averaged; element maps straight from the event stream.

The layout: /Data/Image/<id>/{Data (H, W, frames), Metadata: JSON, one column of bytes per frame},
/Data/SpectrumStream/<id>/{Data (n, 1) uint16, AcquisitionSettings: JSON}, one per detector. Numbers in JSON are text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import detectors, guard
from ssbray.microscope.calibration import number, pixel_nm
from ssbray.microscope.signal import EDS_MAP, IMAGE, OTHER, SPECTRUM_IMAGE, Contents, Layer
from ssbray.microscope.stream import EventStream, pixels_passed
from ssbray.microscope.vendors import hdf5
from ssbray.microscope.vendors.hdf5 import deep
from ssbray.microscope.xray import SYMBOLS


def contents(file: Any, max_bytes: int) -> Contents:
    """What a Velox file holds."""
    data = hdf5.child(file, "Data")
    labels, inputs = _labels(file), _inputs(file)
    layers = [_image(name, group, labels.get(name), inputs.get(name), max_bytes)
              for name, group in hdf5.children(data["Image"] if hdf5.is_group(data, "Image") else {})]
    notes = []
    if hdf5.is_group(data, "SpectrumStream") and len(data["SpectrumStream"]):
        layers.append(_spectra(data, layers, max_bytes))
    elif any(layer.kind == EDS_MAP for layer in layers):
        notes.append("the file holds no event stream (pruned): the maps of elements are Velox's net maps, no counts")
    elements = _elements(file)
    common: dict[str, Any] = {"elements": elements} if elements else {}
    return Contents(format="Velox EMD", layers=layers, metadata=common, notes=tuple(notes))


def _image(name: str, group: Any, label: str | None, source: str | None, max_bytes: int) -> Layer:
    """One entry of /Data/Image; `label` is its title, `source` the detector that fed it, where the file names them."""
    data = hdf5.array(group, "Data")
    shape, frames = data.shape[:2], int(np.prod(data.shape[2:]))
    about = hdf5.json_text(hdf5.array(group, "Metadata"), column=0) if "Metadata" in group else {}
    detector = _detector(about, source)
    element = _element(label, detector)
    shown = label if element or not detector else detector
    if data.ndim not in (2, 3) or data.dtype.kind not in "uif":  # Fourier transforms and vector fields
        return Layer(name=shown or name, kind=OTHER, shape=tuple(data.shape), detector=detector,
                     load=partial(_refuse, shown or name))
    key = detectors.key(detector or label)
    notes = () if frames == 1 or element else (
        f"{shown or name}: mean of {frames} frames, not registered to each other: drift during them blurs it",)
    return Layer(name=element or (key if key != "image" else shown or name), kind=EDS_MAP if element else IMAGE,
                 shape=tuple(shape), scale_nm=_scale(about), detector=detector or label, key=key, element=element,
                 frames=frames, metadata=_about(about), notes=notes,
                 load=partial(_mean, data, shape, frames, max_bytes))


def _mean(data: Any, shape: tuple[int, int], frames: int, max_bytes: int) -> NDArray[np.float64]:
    """Average the frames of an image one after the other."""
    guard.afford("the image", (3, *shape), np.float64, max_bytes)
    if data.chunks:
        guard.afford("a piece of the image", data.chunks, data.dtype, max_bytes)
    if data.ndim == 2:
        return np.asarray(data[:], dtype=np.float64)
    total = np.zeros(shape)
    for frame in range(frames):
        total += data[:, :, frame]
    return total / frames


def _refuse(name: str) -> NDArray[Any]:
    """Stands in for loading what is no image."""
    raise InputError("signal", name, "is no image of intensities: choose another with --signal NAME")


def _detector(about: dict[str, Any], source: str | None) -> str | None:
    """Name of the detector: in the result itself, of its input, by its index in the list, or the only one listed."""
    direct = deep(about, "BinaryResult", "Detector") or source
    if isinstance(direct, str) and direct:
        return direct
    listed = deep(about, "Detectors")
    if not isinstance(listed, dict):
        return None
    index = deep(about, "BinaryResult", "DetectorIndex")
    if index is not None:
        found = deep(listed, f"Detector-{index}", "DetectorName")
    else:
        found = deep(next(iter(listed.values())), "DetectorName") if len(listed) == 1 else None
    return found if isinstance(found, str) else None


def _element(label: str | None, detector: str | None) -> str | None:
    """The element of a map from its title: the symbol, or the line ("La-L") where no detector stands behind it."""
    if label in SYMBOLS:
        return label
    found = re.fullmatch(r"([A-Z][a-z]?)[- _][KLM]\w*", label or "")
    return found[1] if found and detector is None and found[1] in SYMBOLS else None


def _scale(about: dict[str, Any]) -> tuple[float, float] | None:
    """Edges (y, x) of a pixel; width and height may each have a unit of its own."""
    size = deep(about, "BinaryResult", "PixelSize")
    x = pixel_nm(deep(size, "width"), deep(about, "BinaryResult", "PixelUnitX"))
    y = pixel_nm(deep(size, "height"), deep(about, "BinaryResult", "PixelUnitY") or
                 deep(about, "BinaryResult", "PixelUnitX"))
    return (y, x) if x and y else None


def _about(about: dict[str, Any]) -> dict[str, Any]:
    """Beam energy, dwell time and date of one image."""
    known: dict[str, Any] = {}
    if voltage := number(deep(about, "Optics", "AccelerationVoltage")):
        known["beam_energy_keV"] = voltage / 1e3
    if dwell := number(deep(about, "Scan", "DwellTime")):
        known["dwell_us"] = dwell * 1e6
    if moment := number(deep(about, "Acquisition", "AcquisitionStartDatetime", "DateTime")):
        known["acquisition_date"] = datetime.fromtimestamp(moment, tz=UTC).isoformat()
    if isinstance(instrument := deep(about, "Instrument", "InstrumentModel"), str):
        known["microscope"] = instrument
    return known


def _labels(file: Any) -> dict[str, str]:
    """Titles of images by their id: element maps are known by them alone."""
    found = {}
    for place in ("Presentation/Displays/ImageDisplay", "Displays/ImageDisplay"):
        for about in _entries(file, place):
            title = deep(about, "display", "label") or about.get("id")
            target = about.get("dataPath")
            if target is None and isinstance(about.get("data"), str):  # since version 11 by way of a reference
                reference = hdf5.walk(file, about["data"])
                target = hdf5.json_text(reference).get("dataPath") if hasattr(reference, "dtype") else None
            if isinstance(title, str) and isinstance(target, str):
                found[target.rstrip("/").split("/")[-1]] = title
    return found


def _inputs(file: Any) -> dict[str, str]:
    """Detectors and cameras by the id of the image that they fed, as files before version 11 have them."""
    found = {}
    for place, name in (("Operations/StemInputOperation", "detector"), ("Operations/CameraInputOperation",
                                                                        "cameraName")):
        for about in _entries(file, place):
            target, source = about.get("dataPath"), about.get(name)
            if isinstance(target, str) and isinstance(source, str):
                found[target.rstrip("/").split("/")[-1]] = source
    return found


def _entries(file: Any, place: str) -> list[dict[str, Any]]:
    """The JSON objects of all entries of a group that may be absent."""
    parent = hdf5.walk(file, place)
    return [hdf5.json_text(entry) for _, entry in hdf5.children(parent)] if hasattr(parent, "keys") else []


def _elements(file: Any) -> list[str]:
    """Elements that the operator chose for quantification."""
    for place in ("Operations/ImageQuantificationOperation", "SharedProperties/EDSSpectrumQuantificationSettings"):
        for about in _entries(file, place):
            chosen = about.get("elementSelection")
            if isinstance(chosen, list):
                numbers = [int(value) for item in chosen if (value := number(item)) is not None]
                return [SYMBOLS[z - 1] for z in numbers if 1 <= z <= len(SYMBOLS)]
    return []


def _spectra(data: Any, layers: list[Layer], max_bytes: int) -> Layer:
    """The event streams of all detectors as one spectrum image."""
    streams = [group for _, group in hdf5.children(data["SpectrumStream"])]
    events = tuple(hdf5.array(group, "Data") for group in streams)
    for one in events:
        if one.chunks:
            guard.afford("a piece of the event stream", one.chunks, one.dtype, max_bytes)
        if one.dtype.kind != "u" or one.dtype.itemsize != 2 or one.ndim not in (1, 2) or one.size != one.shape[0]:
            raise InputError("event stream", f"{one.shape} {one.dtype}", "must be (n, 1) of uint16: it may be damaged")
    settings = hdf5.json_text(hdf5.array(streams[0], "AcquisitionSettings"))
    channels = int(number(settings.get("bincount")) or 4096)
    about = hdf5.json_text(streams[0]["Metadata"], column=0) if "Metadata" in streams[0] else {}
    where = hdf5.child(data, "SpectrumImage")
    frames, described = None, {}
    for _, group in hdf5.children(where) if where is not None else []:
        if "SpectrumImageSettings" in group:
            frames = number(hdf5.json_text(group["SpectrumImageSettings"]).get("endFramePosition"))
        if "Metadata" in group:
            described = hdf5.json_text(group["Metadata"], column=0)
    about = about or described
    offset, dispersion = _energy(about)
    shape = _scan_shape(layers, events)
    scale = next((layer.scale_nm for layer in layers if layer.shape == shape and layer.scale_nm), _scale(about))
    spectra = EventStream(data=events, shape=shape, channels=channels, offset_eV=offset, dispersion_eV=dispersion,
                          max_bytes=max_bytes, frames_wanted=int(frames) if frames else None)
    return Layer(name="eds", kind=SPECTRUM_IMAGE, shape=(*shape, channels), scale_nm=scale, detector="EDS",
                 spectra=spectra, metadata={**_about(about), "eds_detectors": len(events)},
                 load=partial(_refuse, "eds"))


def _energy(about: dict[str, Any]) -> tuple[float, float]:
    """Energy of channel 0 and from channel to channel [eV] of the X-ray detector."""
    listed = deep(about, "Detectors") or {}
    wanted = deep(about, "BinaryResult", "Detector")
    able = [one for one in listed.values()
            if number(deep(one, "Dispersion")) and number(deep(one, "OffsetEnergy")) is not None]
    own = [one for one in able if isinstance(wanted, str) and wanted and wanted in str(deep(one, "DetectorName"))]
    for one in own or able:
        return float(one["OffsetEnergy"]), float(one["Dispersion"])
    raise InputError("event stream", "energy", "the file does not say which energy a channel has (Dispersion and "
                     "OffsetEnergy of an X-ray detector): export it again from Velox")


def _scan_shape(layers: list[Layer], events: tuple[Any, ...]) -> tuple[int, int]:
    """The scan's shape is that of the images recorded with it; headers may give the full scan for a part of it."""
    shapes = list(dict.fromkeys(layer.shape[:2] for layer in layers if layer.kind in (IMAGE, EDS_MAP)))
    if not shapes:
        raise InputError("event stream", "scan", "no image was recorded with the spectra, so the scan's shape is "
                         "unknown")
    if len(shapes) > 1:
        passed = pixels_passed(events[0])
        shapes = [shape for shape in shapes if passed and passed % (shape[0] * shape[1]) == 0] or shapes
    if len(shapes) > 1:
        raise InputError("event stream", shapes, "images of several shapes fit the spectra: it cannot be said which "
                         "scan they belong to")
    height, width = shapes[0]
    return height, width
