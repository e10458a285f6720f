"""Load the tables: the bundled ones, a user's file over them, a spec's section over both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ssbray.errors import InputError, nearest
from ssbray.materials.charge import check_formula
from ssbray.materials.lookup import Materials
from ssbray.materials.schema import Tables, within

#: Names that circulate without a phase behind them: whoever uses one gives its conductivity.
UNVERIFIED: Mapping[str, Mapping[str, Any]] = {
    "Li2Zr2O7": {"name": "unverified zirconate", "formula": "Li2Zr2O7", "family": "reaction", "colour": "#6F0351"},
}

#: What was said of a number, which falls when a user replaces the number.
_SAID_OF = {"range_S_per_cm": "sigma_25C_S_per_cm", "range_ohm_cm2": "asr_25C_ohm_cm2", "Ea_form": "Ea_eV"}
_SECTIONS = {"phases": ("formula", "family", "ionic"), "interfaces": ("asr_25C_ohm_cm2", "Ea_eV")}
_NUMBER_KEYS = {"value", "low", "high"}


def load(overrides: Mapping[str, Any] | None = None, path: Path | None = None) -> Materials:
    """Read the tables of phases and interfaces.

    Parameters
    ----------
    overrides : the `materials` section of a spec: a mapping with `phases` and `interfaces` of the
        tables' own shape, of which only what differs need be given. A bare number counts as an
        assumption of the user's.
    path : a YAML file of the same shape, merged before `overrides`.

    Raises
    ------
    InputError : for an unknown key, a value out of bounds, or a formula that is not neutral and has
        no conductivity of the user's (with one, it warns).

    >>> load({"phases": {"LLZO": {"ionic": {"sigma_25C_S_per_cm": 5e-4}}}}).sigma("Al-LLZO", 298.15)
    0.05
    """
    bundled = {**_bundled("phases.yaml"), **_bundled("interfaces.yaml")}
    aliases = {name: key for key, entry in bundled["phases"].items() for name in entry.get("aliases", ())}
    user: dict[str, Any] = {}
    for layer in (_read(Path(path)) if path is not None else {}, overrides or {}):
        user = _merge(user, _canonical(layer, aliases))
    _refuse_fragments(user, bundled)
    base = {**bundled, "phases": {**bundled["phases"], **{
        key: entry for key, entry in UNVERIFIED.items() if key in user.get("phases", {})}}}
    tables = _validated(_merge(base, user))
    for key, entry in tables.phases.items():
        _check_charge(f"materials.phases.{key}", entry.formula, user.get("phases", {}).get(key, {}).get("ionic", {}))
    return Materials(
        phases={key: within(f"materials.phases.{key}", partial(entry.build, key))
                for key, entry in tables.phases.items()},
        interfaces={kind: within(f"materials.interfaces.{kind}", partial(entry.build, kind))
                    for kind, entry in tables.interfaces.items()},
        aliases=_aliases(tables), unverified={key: entry["formula"] for key, entry in UNVERIFIED.items()})


@cache
def _bundled(name: str) -> dict[str, Any]:
    return yaml.safe_load(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("materials", str(path), f"cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InputError("materials", str(path), f"is not YAML: {' '.join(str(error).split())}") from error
    return document or {}


def _canonical(layer: Any, aliases: Mapping[str, str]) -> dict[str, Any]:
    """One layer of the user's, with phases under their keys."""
    if not isinstance(layer, Mapping):
        raise InputError("materials", layer, "must be a mapping with phases and interfaces")
    for section, entries in layer.items():
        if section not in _SECTIONS:
            raise InputError(f"materials.{section}", "given", f"unknown key; {nearest(str(section), _SECTIONS)}")
        if not isinstance(entries, Mapping) or not all(isinstance(entry, Mapping) for entry in entries.values()):
            raise InputError(f"materials.{section}", entries, "must map each name to a mapping of what differs")
    if "phases" not in layer:
        return dict(layer)
    phases: dict[str, Any] = {}
    for name, entry in layer["phases"].items():
        key = aliases.get(name, name)
        if key in phases:
            raise InputError(f"materials.phases.{name}", "given", f"{key} is given twice, under two of its names")
        phases[key] = entry
    return {**layer, "phases": phases}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key, but replace a number together with its source, and drop what was said of it."""
    merged = {key: value for key, value in base.items() if _SAID_OF.get(key) not in over}
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and not _NUMBER_KEYS & value.keys():
            value = _merge(old, value)
        merged[key] = value
    return merged


def _refuse_fragments(user: Mapping[str, Any], bundled: Mapping[str, Any]) -> None:
    """A new entry is complete, or it is a known one misspelt."""
    for section, required in _SECTIONS.items():
        known = [*bundled[section], *(UNVERIFIED if section == "phases" else ())]
        for key, entry in user.get(section, {}).items():
            if not isinstance(key, str) or ":" in key:
                raise InputError(f"materials.{section}", key, "a name is text without a colon")
            if key not in known and not entry.keys() >= set(required):
                raise InputError(f"materials.{section}.{key}", "new", f"a new entry needs {', '.join(required)}; "
                                 f"{nearest(key, known)}")


def _check_charge(field: str, formula: str | None, ionic: Any) -> None:
    """A formula may be wrong and its conductivity right, but then somebody must have given it (null: it blocks)."""
    if formula is None or within(field, partial(check_formula, formula)) == 0:
        return
    if ionic is not None and "sigma_25C_S_per_cm" not in ionic:
        raise InputError(f"{field}.formula", formula,
                         "is not charge-neutral: mend it, or give its ionic conductivity beside it")


def _validated(document: Mapping[str, Any]) -> Tables:
    try:
        return Tables.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = first.get("ctx", {}).get("key")
        field = ".".join(["materials", *map(str, first["loc"]), *([key] if key else [])])
        value = first["input"].get(key) if key else "missing" if first["type"] == "missing" else first["input"]
        raise InputError(field, value, first["msg"]) from error


def _aliases(tables: Tables) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for key, entry in tables.phases.items():
        for name in entry.aliases:
            if name in tables.phases or name in UNVERIFIED or aliases.get(name, key) != key:
                raise InputError(f"materials.phases.{key}.aliases", name, "already names another phase: choose another")
            aliases[name] = key
    return aliases
