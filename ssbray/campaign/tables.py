"""The ledger as tables for other tools: one of solves, one of steps."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ssbray.campaign.ledger import Ledger
from ssbray.files import write_bytes

Format = Literal["parquet", "csv"]
RESULTS = ("sigma_eff_S_per_cm", "asr_ohm_cm2", "percolates", "reason", "dofs", "iterations", "residual", "solver")


def solves(ledger: Ledger) -> list[dict[str, Any]]:
    """One row per solve, failed ones too: the design as `parameters.*`, its specimen, and what came of it."""
    table = []
    for row in ledger.rows():
        task, result = json.loads(row["task"]), json.loads(row["result"])
        table.append({
            "key": row["key"], **{f"parameters.{name}": value for name, value in sorted(task["parameters"].items())},
            "specimen_seed": task["seed"], "width_nm": task["size_nm"][0], "height_nm": task["size_nm"][1],
            "pixel_size_nm": task["pixel_size_nm"], "temperature_C": task["temperature_C"], "rtol": task["rtol"],
            **{name: result.get(name) for name in RESULTS}, "failure": row["failure"], "seconds": row["seconds"],
            "worker": row["worker"], "solved_at_s": row["at"], "source": row["source"], "physics": row["physics"],
            "graph_sha256": row["graph_sha256"]})
    return table


def steps(ledger: Ledger) -> list[dict[str, Any]]:
    """One row per step of a chain, by step and chain; `cost` is what the search lowers."""
    table = []
    for step in sorted(ledger.events("step"), key=lambda step: (step["step"], step["chain"])):
        mean, std = step["predicted"] or (None, None)
        table.append({
            "chain": step["chain"], "step": step["step"],
            **{f"parameters.{name}": value for name, value in sorted(step["parameters"].items())},
            "cost": step["value"], "spread": step["spread"], "accepted": step["accepted"],
            "temperature": step["temperature"], "width": step["width"], "predicted_cost": mean, "predicted_std": std,
            "failure": step["failure"], "violation": step.get("violation", 0.0), "solves": " ".join(step["keys"])})
    return table


def export(directory: Path, to: Path, form: Format) -> dict[str, tuple[Path, int]]:
    """Write both tables; name -> file and number of rows. Each file is whole or not there."""
    with Ledger(directory, write=False) as ledger:
        tables = {"solves": solves(ledger), "steps": steps(ledger)}
    written = {}
    for name, rows in tables.items():
        path = to / f"{name}.{form}"
        write_bytes(path, _encoded(rows, form))
        written[name] = path, len(rows)
    return written


def _encoded(rows: Sequence[dict[str, Any]], form: Format) -> bytes:
    import pyarrow
    from pyarrow import csv, parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: pyarrow.array([row.get(name) for row in rows]) for name in names})
    sink = io.BytesIO()
    if form == "parquet":
        parquet.write_table(table, sink)
    else:
        csv.write_csv(table, sink)
    return sink.getvalue()
