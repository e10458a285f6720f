"""Micrographs on disk as NCEM EMD: HDF5 that other programs open too, and that comes back exactly."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray import files
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.microscope.vendors.ncem import MARK


def write(path: str | os.PathLike[str], micrograph: Micrograph) -> None:
    """Store a micrograph in one step as NCEM EMD (emdatasets.com), so that `read` gives it back exactly.

    Each image and map of counts is a group with emd_group_type = 1 under /data: `data` float32 (H, W), `dim1` and
    `dim2` its coordinates in nm. Everything else is in attributes of the root, metadata as JSON.

    Raises
    ------
    InputError : a suffix other than .emd, metadata that is not plain data (tuples come back as lists).
    """
    import h5py

    path = Path(path)
    if path.suffix.lower() != ".emd":
        raise InputError("path", path.name, "micrographs are written as NCEM EMD: give a name that ends in .emd")
    places: dict[str, dict[str, str]] = {"images": {}, "eds": {}}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        data = file.create_group("data")
        height, width = micrograph.shape
        for kind, arrays in (("images", micrograph.images), ("eds", micrograph.eds)):
            for number, (name, array) in enumerate(arrays.items()):
                place = _place(kind, number, name)
                places[kind][name] = place
                edge = micrograph.pixel_size_nm
                _group(data, place, array, (edge * height / array.shape[0], edge * width / array.shape[1]))
        file.attrs[MARK] = 1
        file.attrs["pixel_size_nm"] = float(micrograph.pixel_size_nm)
        file.attrs["eds_are_counts"] = bool(micrograph.eds_are_counts)
        file.attrs["source_sha256"] = micrograph.source_sha256
        file.attrs.create("metadata", _json({**places, "metadata": micrograph.metadata}), dtype=h5py.string_dtype())
    files.write_bytes(path, buffer.getvalue())


def _place(kind: str, number: int, name: str) -> str:
    """Name of a group: the image's own where HDF5 allows it; element maps are told apart by their prefix."""
    plain = re.sub(r"[^A-Za-z0-9 _-]", "_", name) or "unnamed"
    label = plain if kind == "images" else f"eds {plain}"
    return label if plain == name else f"{label} {number}"


def _group(data: Any, place: str, array: NDArray[np.float32], edge_nm: tuple[float, float]) -> None:
    """One array with its axes."""
    group = data.create_group(place)
    group.attrs["emd_group_type"] = 1
    group.create_dataset("data", data=np.asarray(array, dtype=np.float32), chunks=True, compression="gzip",
                         compression_opts=1, shuffle=True)
    for axis, name in enumerate(("y", "x")):
        vector = group.create_dataset(f"dim{axis + 1}", data=np.arange(array.shape[axis]) * edge_nm[axis])
        vector.attrs["name"], vector.attrs["units"] = name, "[n_m]"


def _json(content: dict[str, Any]) -> str:
    """JSON that comes back as it was; what it has no word for is refused."""
    def plain(value: Any) -> Any:
        if hasattr(value, "tolist"):
            return value.tolist()
        if hasattr(value, "items"):
            return dict(value)
        raise TypeError(f"{type(value).__name__} is not plain data")

    try:
        return json.dumps(content, default=plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError("metadata", str(error),
                         "must be plain data: text, finite numbers, lists and mappings") from None
