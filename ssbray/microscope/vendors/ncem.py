"""NCEM EMD: HDF5 groups with emd_group_type = 1, each an array with a vector of coordinates per axis."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.microscope import detectors, guard
from ssbray.microscope.calibration import is_reciprocal, pixel_nm
from ssbray.microscope.signal import EDS_MAP, OTHER, Contents, Layer
from ssbray.microscope.vendors import hdf5, stacks

MARK = "ssbray_micrograph"  #: attribute of the root group: version of what `write` stores


def groups(file: Any) -> list[str]:
    """Paths of the groups that hold an array with its axes."""
    found: list[str] = []

    def look(name: str, item: Any) -> None:
        kind: Any = item.attrs.get("emd_group_type") if hasattr(item, "keys") else None
        if np.issubdtype(np.asarray(kind).dtype, np.integer) and np.size(kind) == 1 and int(np.ravel(kind)[0]) == 1:
            found.append(name)

    file.visititems(look)
    return found


def contents(file: Any, places: list[str], max_bytes: int) -> Contents:
    """What an NCEM file holds; one that `write` stored comes back whole."""
    layers: list[Layer] = []
    for place in places:
        layers += _layers(file[place], place.split("/")[-1], max_bytes)
    if MARK in file.attrs:
        layers = [replace(one, kind=EDS_MAP, element=one.name[4:]) if one.name.startswith("eds ") else one
                  for one in layers]
    whole = partial(_whole, file, max_bytes) if MARK in file.attrs else None
    return Contents(format="NCEM EMD", layers=layers, whole=whole)


def _layers(group: Any, title: str, max_bytes: int) -> list[Layer]:
    """The signals in one group."""
    data = hdf5.array(group, "data")
    if data.ndim < 2 or data.ndim > 3 or data.dtype.kind not in "uif":
        return [Layer(name=title, kind=OTHER, shape=tuple(data.shape), load=partial(_read, data, max_bytes))]
    steps = [_step(group, axis + 1, data.shape[axis]) for axis in range(data.ndim)]
    units = [unit for _, unit in steps[-2:]]
    if any(is_reciprocal(unit) for unit in units):
        return [Layer(name=title, kind=OTHER, shape=tuple(data.shape), load=partial(_read, data, max_bytes))]
    y, x = (pixel_nm(step, unit) for step, unit in steps[-2:])
    count = data.shape[0] if data.ndim == 3 else 1
    key = detectors.key(title)

    def frame(number: int) -> NDArray[Any]:
        guard.afford(f"the image {title}", data.shape[-2:], np.float64, max_bytes)
        if data.chunks:
            guard.afford(f"a piece of the image {title}", data.chunks, data.dtype, max_bytes)
        return np.asarray(data[number] if data.ndim == 3 else data[:])

    return stacks.layers(frame, count, data.shape[-2:], max_bytes, prefix=f"{title} ", title=title, key=key,
                         detector=title, scale_nm=(y, x) if x and y else None)


def _read(data: Any, max_bytes: int) -> NDArray[Any]:
    """All values of an array that is not too large."""
    guard.afford("the array", data.shape, data.dtype, max_bytes)
    return np.asarray(data[:])


def _step(group: Any, axis: int, size: int) -> tuple[float | None, Any]:
    """Step of a vector of coordinates, and its unit."""
    vector = hdf5.child(group, f"dim{axis}")
    if vector is None or not hasattr(vector, "dtype") or vector.ndim != 1 or len(vector) < 2:
        return None, None
    first, last = float(vector[0]), float(vector[len(vector) - 1])
    return (last - first) / (len(vector) - 1), vector.attrs.get("units")


def _whole(file: Any, max_bytes: int) -> Micrograph:
    """A micrograph that `write` stored, exactly as it was."""
    if int(file.attrs[MARK]) != 1:
        raise InputError("file", int(file.attrs[MARK]), "was written by a newer ssbray: update it")
    about = json.loads(file.attrs["metadata"])
    images = {name: _exact(file[f"data/{place}"], max_bytes) for name, place in about["images"].items()}
    eds = {name: _exact(file[f"data/{place}"], max_bytes) for name, place in about["eds"].items()}
    return Micrograph(images=images, eds=eds, pixel_size_nm=float(file.attrs["pixel_size_nm"]),
                      eds_are_counts=bool(file.attrs["eds_are_counts"]), metadata=about["metadata"],
                      source_sha256=str(file.attrs["source_sha256"]))


def _exact(group: Any, max_bytes: int) -> NDArray[np.float32]:
    """One image as it was written."""
    data = hdf5.array(group, "data")
    if data.dtype != np.float32 or data.ndim != 2:
        raise InputError("file", data.name, "is not the float32 image that was written: the file was changed")
    return np.asarray(_read(data, max_bytes), dtype=np.float32)
