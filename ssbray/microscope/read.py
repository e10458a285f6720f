"""Micrographs from the files of microscopes: recognised, checked, calibrated, and never guessed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.microscope import formats, guard, kind
from ssbray.microscope.assemble import assemble
from ssbray.microscope.calibration import number
from ssbray.microscope.signal import Contents, Signal
from ssbray.microscope.vendors import gatan, hdf5, mrc, picture, tia, tiff, zarr

Opened = Callable[[Path, int], AbstractContextManager[Contents]]
READERS: dict[str, Opened] = {
    "tiff": tiff.opened, "picture": picture.opened, "hdf5": hdf5.opened, "gatan": gatan.opened, "tia": tia.opened,
    "mrc": mrc.opened, "zarr": zarr.opened, "foreign": formats.opened}
MAX_BYTES = 4 * 2**30


def read(path: str | os.PathLike[str], *, pixel_size_nm: float | None = None, signal: str | None = None,
         eds: Sequence[str] | None = None, max_bytes: int = MAX_BYTES) -> Micrograph:
    """Read one micrograph, with its maps of X-ray counts where the file holds spectra.

    The format is recognised by its first bytes. All images of one grid are taken, each by its detector; where that
    leaves a choice, `signal` must make it. What was decided is in `metadata["notes"]`.

    Parameters
    ----------
    path : TIFF, PNG or JPEG (with a sidecar <stem>.json or <stem>.yaml), Velox or NCEM EMD, DM3, DM4, SER, MRC, HSPY,
        or a directory of ZSPY or OME-Zarr; others through RosettaSciIO, if it is installed.
    pixel_size_nm : edge of a square pixel [nm], for files that do not say, or in place of what they say.
    signal : the one image to take, a name that `signals` lists.
    eds : elements to map from spectra; None for those that the file names, () for none.
    max_bytes : no array larger than this is made.

    Returns
    -------
    images float32 (H, W), eds (h, w) net counts per element (window less a straight background through side windows).

    Raises
    ------
    InputError : what cannot be read, is uncalibrated, ambiguous, in colour, not finite or too large.
    """
    if pixel_size_nm is not None and not (number(pixel_size_nm) or 0.0) > 0:
        raise InputError("pixel_size_nm", pixel_size_nm, "must be a positive number of nanometres")
    if isinstance(eds, str):
        eds = [part.strip() for part in eds.split(",") if part.strip()]
    with _opened(path, max_bytes) as (place, contents):
        return assemble(contents, place.name, guard.sha256(place, max_bytes), pixel_size_nm=pixel_size_nm,
                        signal=signal, eds=eds, max_bytes=max_bytes)


def signals(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> list[Signal]:
    """List what a file holds, without loading it: the names are those that `signal=` takes."""
    with _opened(path, max_bytes) as (_, contents):
        return [layer.signal() for layer in contents.layers]


@contextmanager
def _opened(path: str | os.PathLike[str], max_bytes: int) -> Iterator[tuple[Path, Contents]]:
    """Recognise and open a file; whatever its parser raises becomes one line. Names of signals are made unique."""
    try:
        place = guard.inspect(Path(path))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("file", type(path).__name__, "give the path of a file") from None
    reader, words = kind.recognise(place)
    with guard.foreign(place.name, words), READERS[reader](place, max_bytes) as contents:
        if not contents.layers:
            raise InputError("file", place.name, f"{contents.format} that holds no image")
        names = [layer.name for layer in contents.layers]
        seen: dict[str, int] = {}
        layers = []
        for layer in contents.layers:
            if names.count(layer.name) > 1:
                seen[layer.name] = seen.get(layer.name, -1) + 1
                layer = replace(layer, name=f"{layer.name} {seen[layer.name]}")
            layers.append(layer)
        yield place, replace(contents, layers=layers)
