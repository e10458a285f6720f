"""HDF5: whose layout it is, and safe ways around in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.errors import InputError
from ssbray.microscope import guard
from ssbray.microscope.signal import Contents

LARGEST_JSON = 1 << 26
LARGEST_CHUNK = 1 << 31  #: bytes of one piece, which HDF5 unpacks as a whole


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open an HDF5 file of Velox, NCEM or HyperSpy; of anything else, list what is inside."""
    import h5py
    import hdf5plugin  # noqa: F401  # registers the compression filters that vendors use

    from ssbray.microscope.vendors import hyperspy, ncem, velox

    with h5py.File(path, "r") as file:
        if is_group(file, "Data") and "Version" in file:
            yield velox.contents(file, max_bytes)
        elif is_group(file, "Experiments"):
            yield hyperspy.contents(file, "HSPY", max_bytes)
        elif groups := ncem.groups(file):
            yield ncem.contents(file, groups, max_bytes)
        else:
            raise InputError("file", path.name, f"is HDF5 of a layout not known here; it holds {listing(file)}: "
                             "known are Velox EMD, NCEM EMD and HSPY")


def listing(file: Any, most: int = 8) -> str:
    """The first objects of a file, with shape and type of arrays."""
    found: list[str] = []

    def note(name: str, item: Any) -> bool | None:
        if hasattr(item, "shape"):
            found.append(f"{name} {item.shape} {item.dtype}")
        return True if len(found) > most else None

    file.visititems(note)
    shown = [guard.one_line(text, 60) for text in found[:most]]
    return ("; ".join(shown) + (" ..." if len(found) > most else "")) if shown else "no array"


def is_group(parent: Any, name: str) -> bool:
    """Whether a name is a group that lies in the file itself."""
    return hasattr(child(parent, name), "keys")


def child(parent: Any, name: str) -> Any:
    """An object by one name, or None; links out of the file are refused, because they may point anywhere."""
    import h5py

    if name not in parent:
        return None
    if isinstance(parent.get(name, getlink=True), h5py.ExternalLink):
        raise InputError("file", name, "is a link to another file: copy the data into one file")
    return parent[name]


def walk(parent: Any, place: str) -> Any:
    """An object below a group by a path of names, or None."""
    for name in place.strip("/").split("/"):
        parent = child(parent, name) if hasattr(parent, "keys") else None
    return parent


def array(parent: Any, name: str) -> Any:
    """A dataset whose bytes lie in the file itself, not yet read."""
    found = child(parent, name)
    if found is None or not hasattr(found, "dtype"):
        raise InputError("file", f"{parent.name}/{name}", "the file has no such array: it may be damaged")
    if found.is_virtual or found.external:
        raise InputError("file", found.name, "keeps its values in another file: copy the data into one file")
    if found.chunks:
        guard.afford("a piece of it", found.chunks, found.dtype, LARGEST_CHUNK)
    return found


def children(parent: Any) -> list[tuple[str, Any]]:
    """Names and objects of a group in the order of their names."""
    return [(name, found) for name in sorted(parent) if (found := child(parent, name)) is not None]


def json_text(dataset: Any, column: int | None = None) -> dict[str, Any]:
    """A JSON object from a dataset: text in the first cell, or bytes down one column."""
    if dataset.size * dataset.dtype.itemsize > LARGEST_JSON * 64 or dataset.shape[0] > LARGEST_JSON:
        raise InputError("file", dataset.name, f"metadata of {dataset.size:.3g} bytes: it may be damaged")
    if column is not None:
        text = np.asarray(dataset[:, column] if dataset.ndim == 2 else dataset[:], dtype=np.uint8).tobytes()
    else:
        text = dataset[0] if dataset.shape else dataset[()]
    decoded = text.split(b"\0")[0].decode("utf-8", errors="replace") if isinstance(text, bytes) else str(text)
    content = json.loads(decoded)
    if not isinstance(content, dict):
        raise InputError("file", dataset.name, "metadata is no JSON object: it may be damaged")
    return content


def deep(content: Any, *names: str) -> Any:
    """A value inside nested mappings, or None."""
    for name in names:
        if not isinstance(content, dict) or name not in content:
            return None
        content = content[name]
    return content
