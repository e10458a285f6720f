"""Label images from files, and `a=b` options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.labelimage import read_integers

PIXELS_NM = (1e-4, 1e9)  #: a tenth of a picometre to a metre


def read_map(path: str, pixel_size_nm: float, grains: str | None) -> PhaseMap:
    """Labels (and grains) of a TIFF, PNG or npy file as a phase map whose phases are named by their label."""
    if not (math.isfinite(pixel_size_nm) and pixel_size_nm > 0):
        raise InputError("--pixel-size-nm", pixel_size_nm, "must be a positive number of nanometres")
    if not PIXELS_NM[0] <= pixel_size_nm <= PIXELS_NM[1]:
        raise InputError("--pixel-size-nm", pixel_size_nm, f"must lie within {PIXELS_NM[0]:g}..{PIXELS_NM[1]:g} nm")
    labels = read_integers(path, "LABELS")
    if labels.size == 1:
        raise InputError("LABELS", "x".join(map(str, labels.shape)), f"{path}: a single pixel has no structure")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 255:
        raise InputError("LABELS", f"{low}..{high}", f"{path}: labels must lie in 0..255: renumber them")
    ids = None
    if grains is not None:
        ids = _grain_numbers(read_integers(grains, "--grains"), grains)
    return PhaseMap(labels=np.ascontiguousarray(labels, dtype=np.uint8), phases=tuple(map(str, range(high + 1))),
                    pixel_size_nm=pixel_size_nm, grains=ids)


def _grain_numbers(array: np.ndarray, path: str) -> np.ndarray:
    """Grain numbers, 0 for none, renumbered if they are too large for 32 bits."""
    if int(array.min()) < 0:
        raise InputError("--grains", int(array.min()), f"{path}: grains are numbered from 1, and 0 means none")
    if int(array.max()) >= 2**31:
        names, place = np.unique(array, return_inverse=True)
        array = place.reshape(array.shape) + (names[0] != 0)
    return array.astype(np.int32)


def parse_pairs(entries: list[str] | None, option: str, form: str) -> dict[str, float]:
    """Options of the form KEY=NUMBER."""
    pairs: dict[str, float] = {}
    for entry in entries or []:
        key, separator, text = entry.partition("=")
        try:
            value = float(text)
        except ValueError:
            separator = ""
        if not separator or not key:
            raise InputError(option, entry, f"write it as {form}")
        if key in pairs:
            raise InputError(option, entry, f"{key} is given twice")
        pairs[key] = value
    return pairs


def label_of(text: str, option: str, form: str) -> int:
    """A label number in an option."""
    if not text.isdecimal() or int(text) > 255:
        raise InputError(option, text, f"write it as {form} with labels 0..255")
    return int(text)


def labels_present(phase_map: PhaseMap) -> list[int]:
    """Labels that occur."""
    return [int(label) for label in np.flatnonzero(np.bincount(phase_map.labels.reshape(-1)))]


def check_known(keys: list[tuple[Any, int]], phase_map: PhaseMap, option: str) -> None:
    """Refuse labels that do not occur in the map."""
    present = labels_present(phase_map)
    for entry, label in keys:
        if label not in present:
            raise InputError(option, entry, f"label {label} is not in the image ({', '.join(map(str, present))})")
