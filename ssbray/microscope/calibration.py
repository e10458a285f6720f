"""Lengths as vendors write them, in nanometres."""

from __future__ import annotations

import math
from typing import Any

SMALLEST_NM, LARGEST_NM = 1e-4, 1e5  #: a pixel outside this range is a default, not a calibration
UNITS_NM = {
    "m": 1e9, "meter": 1e9, "metre": 1e9, "cm": 1e7, "centimeter": 1e7, "centimetre": 1e7,
    "mm": 1e6, "millimeter": 1e6, "millimetre": 1e6, "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3,
    "micrometer": 1e3, "micrometre": 1e3, "nm": 1.0, "nanometer": 1.0, "nanometre": 1.0, "å": 0.1, "a": 0.1, "Å": 0.1,
    "angstrom": 0.1, "ångström": 0.1, "pm": 1e-3, "picometer": 1e-3, "picometre": 1e-3}


def unit_nm(unit: Any) -> float | None:
    """Nanometres in a unit of length as a vendor spells it, or None where it is none.

    >>> unit_nm("[u_m]"), unit_nm("µm"), unit_nm("pixels"), unit_nm("1/nm")
    (1000.0, 1000.0, None, None)
    """
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", errors="replace")
    if not isinstance(unit, str):
        return None
    text = unit.strip().strip("\0").strip("[]").replace("_", "")
    return UNITS_NM.get(text, UNITS_NM.get(text.lower()))


def is_reciprocal(unit: Any) -> bool:
    """Whether a unit is one of diffraction patterns: 1/nm, nm^-1, mrad."""
    text = unit.decode("utf-8", errors="replace") if isinstance(unit, bytes) else str(unit)
    return text.strip("[] ").startswith(("1/", "1 /")) or "^-1" in text or "rad" in text.lower()


def pixel_nm(scale: Any, unit: Any) -> float | None:
    """Edge of a pixel in nm; None where scale or unit is missing, or is a default that means nothing."""
    factor = unit_nm(unit)
    try:
        value = abs(float(scale))
    except (TypeError, ValueError, OverflowError):
        return None
    if factor is None or not math.isfinite(value):
        return None
    return sound(value * factor)


def sound(size_nm: float) -> float | None:
    """A pixel size if it is possible for a micrograph, else None."""
    return size_nm if math.isfinite(size_nm) and SMALLEST_NM <= size_nm <= LARGEST_NM else None


def number(value: Any) -> float | None:
    """A finite number, also from text, else None."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None
