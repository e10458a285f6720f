"""Constructed maps whose lengths and thicknesses are known."""

import numpy as np

from ssbray.domain import PhaseMap

PHASES = ("LLZO", "NMC811", "La2Zr2O7", "pore", "Li3BO3")
LLZO, NMC, LAYER, PORE, COATING = range(5)


def phase_map(labels, grains=None, pixel_size_nm=1.0):
    grains = None if grains is None else np.asarray(grains, dtype=np.int32)
    return PhaseMap(labels=np.asarray(labels, dtype=np.uint8), grains=grains, phases=PHASES,
                    pixel_size_nm=pixel_size_nm)


def tilted(shape, degrees, offset=0.0):
    """Signed distance of pixel centres to a line through the middle of the image, positive above it."""
    y, x = np.mgrid[:shape[0], :shape[1]]
    angle = np.deg2rad(degrees)
    return -(y - shape[0] / 2 - offset) * np.cos(angle) + (x - shape[1] / 2) * np.sin(angle)


def radius(shape, centre):
    y, x = np.mgrid[:shape[0], :shape[1]]
    return np.hypot(y - centre[0], x - centre[1])


def banded(distance, *thicknesses):
    """Cathode below zero, then layers (La2Zr2O7, Li3BO3, ...) in order, then electrolyte."""
    labels = np.where(distance < 0, NMC, LLZO)
    base = 0.0
    for thickness, label in zip(thicknesses, (LAYER, COATING), strict=False):
        labels[(distance >= base) & (distance < base + thickness)] = label
        base += thickness
    return labels
