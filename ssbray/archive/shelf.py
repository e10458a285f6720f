"""Entries on disk: one Zarr group in one zip each, in place whole or not at all, and never changed again.

A zip and not a folder of chunks, because thousands of solutions are then thousands of files and not
hundreds of thousands, and because one file appears in one step.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import ZipStore

from ssbray.archive.manifest import describe
from ssbray.errors import InputError

SUFFIX = ".zarr.zip"
MANIFEST = "ssbray"  #: attribute of the group that holds the manifest
TILE = (1024, 1024)  #: chunk over the last two axes
REMEDY = "is missing or damaged: see `ssbray archive verify`"
DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, EOFError, AttributeError, zipfile.BadZipFile)


def place(directory: Path, name: str) -> Path:
    """Where an entry lies."""
    return directory / "entries" / name[:2] / f"{name}{SUFFIX}"


def write(directory: Path, name: str, text: str, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, int]:
    """Put an entry in place, synchronised to disk; gives the sha256 and the size of the file."""
    path = place(directory, name)
    drafts = directory / "drafts"
    drafts.mkdir(exist_ok=True)
    _folder(path.parent, directory)
    draft = drafts / f"{name}.{os.getpid()}{SUFFIX}"
    draft.unlink(missing_ok=True)
    try:
        _compose(draft, text, arrays)
        digest, size = fingerprint(draft)
        _synchronise(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _synchronise(path.parent)
    return digest, size


def fingerprint(path: Path) -> tuple[str, int]:
    """Hex sha256 and size in bytes of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest(), os.fstat(handle.fileno()).st_size


def load(path: Path, name: str, described: Mapping[str, Any]) -> NDArray[Any]:
    """One array of an entry, checked against what the manifest says of it."""
    try:
        with _reading(path) as store:
            array = np.asarray(zarr.open_group(store, mode="r")[name][...])
            array = np.ascontiguousarray(array).reshape(array.shape)
    except PermissionError:
        raise
    except DAMAGE as error:
        raise InputError("archive", str(path), f"{REMEDY} ({name}: {_line(error)})") from error
    if describe(array) != described:
        raise InputError("archive", str(path), f"{REMEDY} ({name} has another hash)")
    return array


def manifest_text(path: Path) -> str:
    """The manifest that lies with the arrays: the index can be made again from it."""
    try:
        with _reading(path) as store:
            return str(zarr.open_group(store, mode="r").attrs[MANIFEST])
    except PermissionError:
        raise
    except DAMAGE as error:
        raise InputError("archive", str(path), f"{REMEDY} ({_line(error)})") from error


def _compose(path: Path, text: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    with ZipStore(path, mode="x") as store:
        group = zarr.create_group(store, attributes={MANIFEST: text})
        for name, array in arrays.items():
            lead = (1,) * max(array.ndim - 2, 0)
            tile = (*lead, *TILE[:min(array.ndim, 2)])
            chunks = tuple(max(1, min(n, most)) for n, most in zip(array.shape, tile, strict=True))
            stored = group.create_array(name, shape=array.shape, chunks=chunks, dtype=array.dtype)
            if array.size:
                stored[...] = array


def _folder(path: Path, top: Path) -> None:
    """Make a folder below `top`, and be sure that its name is on disk."""
    if path == top or path.is_dir():
        return
    _folder(path.parent, top)
    path.mkdir(exist_ok=True)
    _synchronise(path.parent)


def _reading(path: Path) -> ZipStore:
    with zipfile.ZipFile(path):  # says what is wrong, where the store would not
        return ZipStore(path, mode="r")


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
