"""Results of a watched folder: a line of JSON each, which is the truth, and a table that is made from them."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ssbray.errors import InputError
from ssbray.files import dump_json, write_bytes

LINES, TABLE = "results.jsonl", "results.csv"
COLUMNS = ("time", "file", "sha256", "model_version", "sigma_eff_S_per_cm", "low90_S_per_cm", "high90_S_per_cm",
           "anomaly", "p_value", "in_domain", "pixel_size_nm", "overlay")


class Journal:
    """Appends records; a line that was torn by a crash is dropped when it is opened again. One writer at a time."""

    def __init__(self, folder: Path, classes: Sequence[str], known: Callable[[dict[str, Any]], None] | None = None
                 ) -> None:
        """Open or begin a journal; `known` is told each record in it, none of which is kept here."""
        folder.mkdir(parents=True, exist_ok=True)
        self._columns = (*COLUMNS, *(f"fraction:{name}" for name in classes))
        self._table = folder / TABLE
        path = folder / LINES
        self._file = open(path, "a+b")  # noqa: SIM115
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise InputError("--out", str(folder), "is in use by another `ssbray watch`") from None
        table = io.StringIO(self._line(self._columns))
        table.seek(0, os.SEEK_END)
        try:
            for record in self._read(path):
                if known is not None:
                    known(record)
                if "failed" not in record:
                    table.write(self._row(record))
        except InputError:
            self._file.close()
            raise
        write_bytes(self._table, table.getvalue().encode())

    def _read(self, path: Path) -> Iterator[dict[str, Any]]:
        """The records, one at a time; a torn last line is cut off."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                record = dict(json.loads(line))
            except (ValueError, TypeError):
                raise InputError("--out", f"{path}:{number}", "is no record: move the file away, or mend the line"
                                 ) from None
            yield record
            end += len(line)
        self._file.truncate(end)
        self._file.seek(0, os.SEEK_END)

    def add(self, record: dict[str, Any]) -> None:
        """Append a record, on the disk before this returns; then its row of the table."""
        self._file.write(dump_json(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        if "failed" not in record:
            with open(self._table, "a", newline="") as table:
                table.write(self._row(record))

    def close(self) -> None:
        """Let another one write."""
        self._file.close()

    def _row(self, record: dict[str, Any]) -> str:
        sigma, image, anomaly = record["sigma_eff_S_per_cm"], record["image"], record["anomaly"]
        values = [record["time"], record["file"], image["sha256"], record["model_version"], sigma["mean"],
                  *sigma["interval90"], anomaly["flag"], anomaly["p_value"], record["in_domain"],
                  image["pixel_size_nm"], record["overlay"]]
        return self._line([*values, *(record["phase_fraction"].get(name.partition(":")[2], 0.0)
                                      for name in self._columns[len(COLUMNS):])])

    @staticmethod
    def _line(values: Sequence[Any]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(values)
        return buffer.getvalue()
