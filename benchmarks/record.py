"""Figures of merit in one place: what a benchmark prints, it also adds to the file that SSBRAY_BENCH names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def record(topic: str, case: str, quantity: str, ours: float, peers: Mapping[str, float], *, spread: str = "",
           note: str = "", less_is_better: bool = True) -> None:
    """Add a row, if somebody gathers them.

    Parameters
    ----------
    quantity : what is compared, with its unit.
    peers : name -> the same quantity by others, equal terms; empty where there is nobody to compare with.
    spread : of ours, in words.
    """
    place = os.environ.get("SSBRAY_BENCH")
    if place:
        row: dict[str, Any] = {"topic": topic, "case": case, "quantity": quantity, "ours": ours, "peers": dict(peers),
                               "spread": spread, "note": note, "less_is_better": less_is_better}
        with Path(place).open("a") as file:
            file.write(json.dumps(row) + "\n")
