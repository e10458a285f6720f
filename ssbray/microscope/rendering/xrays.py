"""Counts of X-rays by element, with the lines that overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from ssbray.domain import FloatArray
from ssbray.errors import InputError, nearest
from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering.composition import REFERENCE, Composition
from ssbray.microscope.rendering.detector import electrons
from ssbray.microscope.rendering.fields import Image


@dataclass(frozen=True)
class Line:
    """A family of characteristic lines of an element."""

    energy_keV: float
    sigma_cm2: float  #: emission cross section per atom at 200 keV


@cache
def _tables() -> Any:
    return yaml.safe_load(resources.files(__package__).joinpath("emission.yaml").read_text(encoding="utf-8"))


@cache
def lines() -> Mapping[str, Line]:
    """Tabulated lines by element; the others (Li, B) give no map."""
    return {name: Line(entry["energy_keV"], entry["sigma_cm2"]) for name, entry in _tables()["lines"].items()}


def leak_matrix(windows: Sequence[str], sources: Sequence[str]) -> FloatArray:
    """Counts in the window of each element per count that as many atoms of its own would give, (w, s).

    One atom of the source against one of the window's own element: one on the diagonal.
    """
    leaks = _tables()["leaks"]
    return np.array([[1.0 if window == source else leaks.get(window, {}).get(source, 0.0) for source in sources]
                     for window in windows])


def mapped(compositions: Sequence[Composition], always: Sequence[str]) -> tuple[str, ...]:
    """Elements that get a map, in the order of their lines: those of the phases, and those always wanted."""
    for element in always:
        if element not in lines():
            raise InputError("microscope.elements", element, f"no line of it is tabulated; {nearest(element, lines())}")
    present = {element for each in compositions for element in each.atoms_per_cm3} | set(always)
    return tuple(element for element in lines() if element in present)


def sensitivity(windows: Sequence[str], composition: Composition, settings: Settings) -> FloatArray:
    """Expected counts per pixel and nm of thickness in each window, absorption apart, (w,).

    ``Ne sigma_em n t (Omega / 4 pi) eps`` through the leak matrix.
    """
    sources = list(composition.atoms_per_cm3)
    dose = electrons(settings.eds_current_pA, settings.eds_dwell_us * settings.eds_frames)
    scale = dose * settings.eds_solid_angle_sr / (4 * np.pi) * settings.eds_efficiency * 1e-7
    own = scale * np.array([lines()[window].sigma_cm2 for window in windows])
    atoms = np.array([composition.atoms_per_cm3[source] for source in sources])
    return own * (leak_matrix(windows, sources) @ atoms) if sources else np.zeros(len(windows))


def background(windows: Sequence[str], composition: Composition, settings: Settings) -> FloatArray:
    """Bremsstrahlung counts per pixel and nm in each window, (w,).

    Kramers' law in atoms and energy, n Z^2 (E0 - E) / E, times the width of the window, scaled so that the
    window of La in LLZO has `eds_background` of the counts of La.
    """
    energy = np.array([lines()[window].energy_keV for window in windows])
    reference = lines()["La"].energy_keV
    beam = settings.beam_energy_keV
    shape = (beam - energy) / energy * fwhm_eV(energy)
    shape /= (beam - reference) / reference * fwhm_eV(np.array([reference]))[0]
    lanthanum = float(sensitivity(["La"], REFERENCE, settings)[0])
    return settings.eds_background * lanthanum * shape * composition.power(2.0) / REFERENCE.power(2.0)


def fwhm_eV(energy_keV: FloatArray, at_manganese_eV: float = 130.0) -> FloatArray:
    """Width of a line in a silicon drift detector: ``sqrt(2.5 (E - 5898.7) + FWHM_Mn^2)``, E in eV.

    >>> fwhm_eV(np.array([0.525, 2.042, 4.651, 7.478])).round().tolist()
    [59.0, 85.0, 117.0, 144.0]
    """
    return np.sqrt(np.maximum(2.5 * (1e3 * energy_keV - 5898.7) + at_manganese_eV**2, 1.0))


def absorbed(windows: Sequence[str], mass_thickness: Image, settings: Settings) -> dict[str, Image]:
    """Share of the light lines that leaves the foil, ``(1 - exp(-chi)) / chi``; mass thickness in nm of LLZO.

    Oxygen only: nothing else here loses more than a few per cent.
    """
    if "O" not in windows or settings.eds_absorption_100nm == 0:
        return {}
    chi = np.maximum(mass_thickness * np.float32(settings.eds_absorption_100nm / 100), np.float32(1e-6))
    return {"O": -np.expm1(-chi) / chi}


def binned(image: Image, binning: int) -> Image:
    """Sum over squares of pixels; where they do not divide the image, pixels are shared out by area, (h, w).

    >>> binned(np.ones((4, 5), dtype=np.float32), 2).sum()
    np.float32(20.0)
    """
    if binning == 1:
        return image
    height, width = image.shape
    if height % binning == 0 and width % binning == 0:
        return image.reshape(height // binning, binning, width // binning, binning).sum(axis=(1, 3))
    rows, columns = (_shares(max(1, round(side / binning)), side) for side in image.shape)
    return (rows @ image.astype(np.float64) @ columns.T).astype(np.float32)


def _shares(cells: int, pixels: int) -> FloatArray:
    """Share of each of `pixels` intervals that lies in each of `cells` equal ones, (cells, pixels)."""
    edges, ends = np.linspace(0, pixels, cells + 1), np.arange(pixels)
    low = np.maximum(edges[:-1, None], ends[None, :])
    high = np.minimum(edges[1:, None], ends[None, :] + 1.0)
    return np.maximum(high - low, 0.0)
