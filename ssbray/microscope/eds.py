"""Maps of elements from spectra: counts in a window less a straight background through side windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import xray
from ssbray.microscope.signal import Spectra

Maps = dict[str, NDArray[np.float32]]


def from_spectra(spectra: Spectra, asked: Sequence[str] | None, named: Sequence[str],
                 beam_energy_keV: float | None) -> tuple[Maps, dict[str, Any], list[str]]:
    """Integrate each element's line.

    Parameters
    ----------
    spectra : a spectrum at each pixel.
    asked : elements to map; None for those in `named`.
    named : elements that the file's metadata names; their lines are kept out of the background.
    beam_energy_keV : lines above it are not excited.

    Returns
    -------
    maps, metadata, notes : element -> (h, w) net counts, which scatter below zero where there is no more than
        background; the windows used; sentences about what was decided.
    """
    for element in asked or ():
        xray.check_element(element)
    wanted = list(dict.fromkeys(asked if asked is not None else [name for name in named if name in xray.LINES]))
    notes = []
    if asked is None and (lost := [name for name in named if name not in xray.LINES]):
        notes.append(f"no map of {', '.join(lost)}: no line of it is in the table")
    if asked is None and not wanted:
        notes.append("the file names no elements, so no maps were made of its spectra: name them with eds=")
    if spectra.dispersion_eV <= 0 or spectra.channels < 2:
        raise InputError("energy axis", spectra.dispersion_eV, "the spectra have no energy per channel: no line can "
                         "be found")
    windows = xray.windows(wanted, named, offset_eV=spectra.offset_eV, dispersion_eV=spectra.dispersion_eV,
                           channels=spectra.channels, beam_energy_keV=beam_energy_keV)
    missed = [element for element in wanted if element not in windows]
    if missed and asked is not None:
        top = (spectra.offset_eV + spectra.dispersion_eV * (spectra.channels - 1)) / 1e3
        raise InputError("eds", ", ".join(missed), f"no line of it lies in the spectra, which end at {top:.4g} keV"
                         + ("" if beam_energy_keV is None else f", and is excited at {beam_energy_keV:g} keV"))
    notes += [f"no map of {element}: no line of it lies in the spectra" for element in missed]
    if not windows:
        return {}, {}, notes
    places = [place for window in windows.values() for place in (window.peak, *window.sides)]
    sums, more, frames = spectra.integrate(places)
    maps: Maps = {}
    described: dict[str, Any] = {}
    at = 0
    for element, window in windows.items():
        own = 1 + len(window.sides)
        background = _background(window, sums[at + 1:at + own])
        maps[element] = (sums[at] - background).astype(np.float32)
        described[element] = {
            "line": window.line, "energy_keV": window.energy_eV / 1e3, "window_keV": _energies(spectra, window.peak),
            "background_keV": [_energies(spectra, side) for side in window.sides],
            "gross_counts": float(sums[at].sum()), "background_counts": float(background.sum())}
        at += own
        if not window.sides:
            notes.append(f"{window.line}: no side window is free of other lines, so its background was not subtracted")
        if window.overlaps:
            notes.append(f"{window.line}: the window also takes in {', '.join(window.overlaps)}")
    return maps, {"eds_windows": described, "eds_frames": frames}, notes + more


def _background(window: xray.Window, sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts of background under the peak: a line through two side windows, or the level of one."""
    if not len(sides):
        return np.zeros(sides.shape[1:])
    width = [last - first for first, last in window.sides]
    centre = [(first + last - 1) / 2 for first, last in window.sides]
    middle = (window.peak[0] + window.peak[1] - 1) / 2
    rate: NDArray[np.float64] = sides[0] / width[0]
    if len(sides) == 2:
        weight = (middle - centre[0]) / (centre[1] - centre[0])
        rate = rate * (1 - weight) + sides[1] / width[1] * weight
    return rate * (window.peak[1] - window.peak[0])


def _energies(spectra: Spectra, channels: tuple[int, int]) -> list[float]:
    """Energies of the outer channels of a window, in keV."""
    return [round((spectra.offset_eV + spectra.dispersion_eV * channel) / 1e3, 6)
            for channel in (channels[0], channels[1] - 1)]
