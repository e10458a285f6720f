"""A small file beside a picture that says what the picture cannot: <stem>.json or <stem>.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ssbray.errors import InputError, nearest
from ssbray.microscope.calibration import number
from ssbray.microscope.guard import one_line

NUMBERS = ("pixel_size_nm", "beam_energy_keV", "dwell_us", "frames", "working_distance_mm", "thickness_nm",
           "magnification",
           "beam_current_pA", "tilt_deg")
TEXTS = ("detector", "acquisition_date", "sample", "location", "microscope", "operator", "comment")
LISTS = ("elements",)
MAX_BYTES = 1 << 20


def beside(path: Path) -> tuple[dict[str, Any], str | None]:
    """What the sidecar of a picture says, and its name; nothing where there is none.

    Raises
    ------
    InputError : two sidecars, an unknown key (with its nearest match), a value of the wrong type.
    """
    places = [place for suffix in (".json", ".yaml", ".yml") if (place := path.with_suffix(suffix)).is_file()]
    if not places:
        return {}, None
    if len(places) > 1:
        raise InputError("sidecar", ", ".join(place.name for place in places), "two sidecars for one picture: keep one")
    place = places[0]
    if place.stat().st_size > MAX_BYTES:
        raise InputError("sidecar", place.name, f"is larger than {MAX_BYTES} bytes: a sidecar holds a few lines")
    content = _parse(place)
    if not isinstance(content, dict):
        raise InputError("sidecar", place.name, "must be a mapping, e.g. pixel_size_nm: 5.0")
    for name, value in content.items():
        _check(place.name, name, value)
    return content, place.name


def _parse(place: Path) -> Any:
    try:
        text = place.read_text(encoding="utf-8")
        if place.suffix == ".json":
            return json.loads(text)
        import yaml

        return yaml.safe_load(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("sidecar", place.name, f"cannot be read: {one_line(error)}") from error
    except Exception as error:  # yaml's own errors share no base with ValueError
        if type(error).__module__.split(".")[0] != "yaml":
            raise
        raise InputError("sidecar", place.name, f"is no valid YAML: {one_line(error)}") from error


def _check(place: str, name: Any, value: Any) -> None:
    """One key of a sidecar: known, and of the right type."""
    known = (*NUMBERS, *TEXTS, *LISTS)
    if name not in known:
        raise InputError(place, one_line(name, 60), f"unknown key: {nearest(one_line(name, 60), known)}")
    shown = value if isinstance(value, bool | float) else one_line(value, 60) if isinstance(value, str) else \
        type(value).__name__  # never the whole of a value: aliases make it as long as they like
    if name in NUMBERS and (isinstance(value, bool | str) or number(value) is None):
        raise InputError(f"{place}: {name}", shown, "must be a number")
    if name == "pixel_size_nm" and not value > 0:
        raise InputError(f"{place}: {name}", shown, "must be a positive number of nanometres")
    if name in TEXTS and not isinstance(value, str):
        raise InputError(f"{place}: {name}", shown, "must be text: put it in quotes")
    if name in LISTS and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise InputError(f"{place}: {name}", shown, "must be a list of symbols, e.g. [La, Zr]")
