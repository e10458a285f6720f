"""One JSON object, or lines for a person."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ssbray.errors import InputError
from ssbray.files import dump_json


def json_option(parser: argparse.ArgumentParser) -> None:
    """Every command can answer a program."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def check_workers(workers: int | None) -> None:
    """Refuse a number of solver actors that is none."""
    if workers is not None and workers < 1:
        raise InputError("--workers", workers, "must be at least 1")


def directory(path: str, option: str = "--out") -> Path:
    """A directory that is there or can be made, before any work is done."""
    place = Path(path)
    if place.exists() and not place.is_dir():
        raise InputError(option, path, "is a file: name a directory")
    above = next(parent for parent in (place, *place.resolve().parents) if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(option, path, "cannot be written: name another directory")
    return place


def emit(content: dict[str, Any], as_json: bool, lines: list[tuple[str, Any]] | None = None) -> None:
    """Print the answer: all of it as JSON, or the chosen lines."""
    if as_json:
        print(dump_json(content))
        return
    rows = [(name, value) for name, value in (lines if lines is not None else list(content.items()))]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:<{width}}  {_show(value)}")


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_show(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_show(entry) for entry in value)
    return str(value)
