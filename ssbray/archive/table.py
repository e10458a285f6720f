"""The archive as a table: one row per entry, with what it came from and a column for each simple value."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssbray.archive.entry import Entry
from ssbray.archive.kinds import KINDS
from ssbray.archive.manifest import canonical
from ssbray.errors import InputError
from ssbray.files import write_bytes

if TYPE_CHECKING:
    from ssbray.archive.store import Archive

NAMED = ("sample", "location")  #: kinds whose values carry a name


def export(archive: Archive, path: Path) -> int:
    """Write the table; Parquet or CSV by the name of the file."""
    if path.suffix not in (".parquet", ".csv"):
        raise InputError("table", str(path), "name it .parquet or .csv")
    import pyarrow as pa
    from pyarrow import csv, parquet

    entries = archive.find()
    columns = _columns(entries)
    table = pa.table({name: pa.array(column, type=_type(column, pa)) for name, column in columns.items()})
    buffer = io.BytesIO()
    if path.suffix == ".csv":
        csv.write_csv(table, buffer)
    else:
        parquet.write_table(table, buffer)
    write_bytes(path, buffer.getvalue())
    return len(entries)


def _columns(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    origins: dict[str, dict[str, str]] = {}
    for entry in entries:  # in the order of adding: parents first
        origin: dict[str, str] = {}
        for parent in entry.parents:
            origin = {**origins.get(parent, {}), **origin}
        origin[entry.kind] = str(entry.values.get("name", entry.id)) if entry.kind in NAMED else entry.id
        origins[entry.id] = origin
    columns: dict[str, list[Any]] = {
        "id": [entry.id for entry in entries], "kind": [entry.kind for entry in entries],
        "made_at": [entry.made_at for entry in entries], "bytes": [entry.size for entry in entries],
        "parents": [" ".join(entry.parents) for entry in entries], "code": [entry.code for entry in entries]}
    columns |= {f"of.{kind}": [origins[entry.id].get(kind) for entry in entries] for kind in list(KINDS)[:-1]}
    columns |= _scalars("value", [entry.values for entry in entries])
    columns |= _scalars("input", [entry.inputs or {} for entry in entries])
    columns["values_json"] = [canonical(entry.values) for entry in entries]
    return columns


def _scalars(prefix: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = sorted({name for row in rows for name, value in row.items() if isinstance(value, bool | int | float | str)})
    return {f"{prefix}.{name}": [_scalar(row.get(name)) for row in rows] for name in names}


def _scalar(value: Any) -> Any:
    return canonical(value) if isinstance(value, list | Mapping) else value


def _type(column: Sequence[Any], pa: Any) -> Any:
    """One type for a column; where the entries disagree, numbers become text in it."""
    found = {type(value) for value in column if value is not None}
    if found == {bool}:
        return pa.bool_()
    if found == {int}:
        return pa.int64()
    if found and found <= {int, float}:
        return pa.float64()
    for index, value in enumerate(column):
        if value is not None and not isinstance(value, str):
            column[index] = canonical(value)  # type: ignore[index]
    return pa.string()
