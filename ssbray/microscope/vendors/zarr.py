"""Zarr stores: OME-Zarr images and HyperSpy's ZSPY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import detectors, guard
from ssbray.microscope.calibration import pixel_nm
from ssbray.microscope.signal import Contents, Layer
from ssbray.microscope.vendors import hyperspy, stacks

METADATA = (".zarray", ".zmetadata", "zarr.json")


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open a Zarr store, version 2 or 3, as OME-Zarr or ZSPY."""
    import zarr

    for file in guard.files_below(path, max_bytes):
        if file.name in METADATA and b"pickle" in file.read_bytes().lower():
            raise InputError("file", path.name, f"{file.parent.name}/{file.name} asks for pickle, which runs code: "
                             "it is never read, store the values as numbers")
    store = zarr.open(str(path), mode="r")
    if not isinstance(store, zarr.Group):
        raise InputError("file", path.name, "is a bare Zarr array without a pixel size: give OME-Zarr or ZSPY")
    multiscales = dict(store.attrs).get("multiscales") or dict(store.attrs.get("ome") or {}).get("multiscales")
    if multiscales:
        yield _ome(store, multiscales, max_bytes)
    elif "Experiments" in store:
        yield hyperspy.contents(store, "ZSPY", max_bytes)
    else:
        inside = ", ".join(sorted(store)[:8]) or "nothing"
        raise InputError("file", path.name, f"is Zarr of a layout not known here; it holds {inside}: known are "
                         "OME-Zarr and ZSPY")


def _ome(store: Any, multiscales: list[dict[str, Any]], max_bytes: int) -> Contents:
    """OME-Zarr (ngff.openmicroscopy.org, versions 0.4 and 0.5): the finest level of each image."""
    layers: list[Layer] = []
    omero = store.attrs.get("omero") or dict(store.attrs.get("ome") or {}).get("omero") or {}
    for number, image in enumerate(multiscales):
        finest = image["datasets"][0]
        data = store[finest["path"]]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image["axes"]]
        names = [axis["name"] for axis in axes]
        if names[-2:] != ["y", "x"] or len(names) != data.ndim or data.dtype.kind not in "uif":
            raise InputError("file", str(names), f"OME-Zarr with axes that end in y, x is read, of {data.ndim} "
                             "dimensions")
        layers += _image(data, axes, _scale(finest, image, axes), number, image, omero, max_bytes)
    return Contents(format="OME-Zarr", layers=layers)


def _image(data: Any, axes: list[dict[str, Any]], scale: tuple[float, float] | None, number: int,
           image: dict[str, Any], omero: dict[str, Any], max_bytes: int) -> list[Layer]:
    """One image per channel; several times or depths are a stack."""
    names = [axis["name"] for axis in axes]
    shape = (int(data.shape[-2]), int(data.shape[-1]))
    title = guard.one_line(image.get("name") or f"image {number}", 60)
    channels = data.shape[names.index("c")] if "c" in names else 1
    labels = [str(one.get("label") or "") for one in omero.get("channels", [])] if channels > 1 or "c" in names else []
    rest = tuple(int(length) for name, length in zip(names[:-2], data.shape[:-2], strict=True) if name != "c")
    layers = []
    for channel in range(channels):
        label = (labels[channel] if channel < len(labels) else "") or (title if channels == 1 else f"channel {channel}")

        def frame(index: int, channel: int = channel) -> NDArray[Any]:
            guard.afford(f"the image {title}", shape, np.float64, max_bytes)
            guard.afford(f"a piece of the image {title}", data.chunks, data.dtype, max_bytes)
            place = [int(one) for one in np.unravel_index(index, rest)] if rest else []
            if "c" in names:
                place.insert(names.index("c"), channel)
            return np.asarray(data[tuple(place)])

        layers += stacks.layers(frame, int(np.prod(rest)), shape, max_bytes, prefix=f"{label} ", title=label,
                                key=detectors.key(label), detector=label, scale_nm=scale,
                                notes=hyperspy.absent(data, label))
    return layers


def _scale(level: dict[str, Any], image: dict[str, Any], axes: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Edges (y, x) of a pixel: the scale of the level times that of the image."""
    factor = np.ones(len(axes))
    for holder in (level, image):
        for step in holder.get("coordinateTransformations", []):
            if step.get("type") == "scale":
                factor = factor * np.asarray(step["scale"], dtype=float)
    y, x = (pixel_nm(factor[at], axes[at].get("unit")) for at in (-2, -1))
    return (y, x) if x and y else None
