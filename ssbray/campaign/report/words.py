"""Names, units and numbers as a reader expects them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ssbray.campaign.spec import Spec
from ssbray.materials import Materials

ASR_UNIT, SIGMA_UNIT = "Ω cm²", "S/cm"
GAP = "\u202f"  #: narrow space that does not break
UNITS = {"C": "°C", "h": "h", "nm": "nm", "MPa": "MPa"}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """Format a number to so many significant digits.

    >>> number(5293.48), number(0.0421), number(3.2817e-07), number(0.0), number(None)
    ('5290', '0.0421', '3.28 × 10⁻⁷', '0', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if not -4 < power < 6:
        return f"{mantissa} × 10{str(power).translate(SUPERSCRIPT)}".replace("-", "−")
    grouped = "," if power > 3 else ""
    text = f"{float(f'{mantissa}e{power}'):{grouped}.{max(0, digits - 1 - power)}f}"
    return text.replace(",", GAP).replace("-", "−")


def given(value: float) -> str:
    """Format a number that somebody chose or a tick stands at, without zeros that say nothing.

    >>> given(700.0), given(0.1), given(20000.0), given(1e-07), given(2.25e-07)
    ('700', '0.1', '20\u202f000', '10⁻⁷', '2.25 × 10⁻⁷')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        grouped = "," if abs(value) >= 1e4 else ""
        text = f"{float(f'{value:.6g}'):{grouped}}".removesuffix(".0")
        return text.replace(",", GAP).replace("-", "−")
    mantissa, _, power = number(value, 3).partition(" × ")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return power if mantissa == "1" else f"{mantissa} × {power}"


def digits(ends: Sequence[float]) -> int:
    """Significant digits that an interval deserves: the last one is at most a fifth of its width.

    >>> digits([1997.1, 2148.5]), digits([3.2648e-07, 3.2988e-07])
    (3, 4)
    """
    largest, width = max(abs(end) for end in ends), max(ends) - min(ends)
    if not (math.isfinite(largest) and width > 0):
        return 3
    return min(6, max(3, math.ceil(math.floor(math.log10(largest)) + 1 - math.log10(width / 5))))


def between(ends: Sequence[float] | None) -> str:
    """Format an interval.

    >>> between([1997.1, 2148.5]), between([245.0, 242.5]), between(None)
    ('2000 to 2150', '242.5 to 245.0', '–')
    """
    if ends is None:
        return "–"
    return f"{number(min(ends), digits(ends))} to {number(max(ends), digits(ends))}"


def parameter(name: str) -> tuple[str, str]:
    """Plain name and unit of a process parameter; the unit is empty where it has none.

    >>> parameter("cosintering_temperature_C"), parameter("atmosphere")
    (('co-sintering temperature', '°C'), ('co-sintering atmosphere', ''))
    """
    stem, _, unit = name.rpartition("_")
    if unit not in UNITS:
        stem, unit = name, ""
    plain = {"atmosphere": "co-sintering atmosphere", "cathode": "cathode material", "dopant": "dopant of the garnet"}
    return plain.get(stem, stem.replace("_", " ").replace("cosintering", "co-sintering")), UNITS.get(unit, "")


def titled(name: str) -> str:
    """Parameter with its unit, for an axis or a row."""
    plain, unit = parameter(name)
    return f"{plain} ({unit})" if unit else plain


def value_of(parameters: Mapping[str, Any], name: str) -> str:
    """Value of a parameter; a bare interface has no coating thickness."""
    value = parameters.get(name)
    if name == "coating_thickness_nm" and parameters.get("coating") == "bare":
        return "–"
    if isinstance(value, int | float):
        return given(float(f"{value:.3g}"))
    return "–" if value is None else str(value)


def objective(spec: Spec) -> str:
    """The quantity of the search with its unit."""
    if spec.objective.name == "asr_ohm_cm2":
        return f"area-specific resistance ({ASR_UNIT})"
    return f"effective conductivity ({SIGMA_UNIT})"


def resistance(design: Mapping[str, Any]) -> str:
    """Area-specific resistance of a design, or that some or all of its specimens block."""
    if design["asr_ohm_cm2"] is not None:
        return f"{number(design['asr_ohm_cm2'])} {ASR_UNIT}"
    if design["specimens"] == 0:
        return "could not be solved"
    return "does not conduct on every specimen" if design["budget"] else "does not conduct"


def place(tables: Materials, name: str) -> str:
    """Where a share of the resistance sits, in plain words.

    >>> from ssbray import materials
    >>> place(materials.load(), "La2Zr2O7 (interface)"), place(materials.load(), "charge transfer (interface)")
    ('La2Zr2O7: lanthanum zirconate, pyrochlore (thin layer)', 'charge transfer (interface)')
    """
    what = name.removesuffix(" (interface)")
    key = tables.aliases.get(what, what)
    if key not in tables.phases:
        return name
    plain = tables.phases[key].name
    text = plain if what in plain.split() else f"{what}: {plain}"
    return text if what == name else f"{text} (thin layer)"
