"""What MLflow has yet to hear: one JSON record per line, and how far it has heard."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

FILE = "tracking.jsonl"
SENT = "tracking.sent"


class Spool:
    """The queue between a campaign and MLflow, on disk, so that it takes no memory and outlives the process.

    One thread appends, another reads. The first record opens the runs and is kept for all that follow.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self._mark = directory / SENT
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Forget what is there: a campaign that goes on tells everything again."""
        self._mark.unlink(missing_ok=True)
        self.path.write_bytes(b"")

    def append(self, record: dict[str, Any]) -> None:
        """Add a record."""
        with self._lock, self.path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")

    def first(self) -> dict[str, Any] | None:
        """The record that opens the runs."""
        lines = self._lines(0, most=1)
        return lines[0][0] if lines else None

    def next(self) -> tuple[dict[str, Any], int] | None:
        """Oldest record that was not sent, and where the one after it begins."""
        lines = self._lines(self._position(), most=1)
        return lines[0] if lines else None

    def waiting(self) -> list[dict[str, Any]]:
        """Records that were not sent."""
        return [record for record, _ in self._lines(self._position())]

    def last(self) -> dict[str, Any] | None:
        """Newest record."""
        lines = self._lines(0)
        return lines[-1][0] if lines else None

    def sent(self, end: int) -> None:
        """Everything up to here has been heard."""
        self._mark.write_text(str(end))

    def _position(self) -> int:
        try:
            return int(self._mark.read_text() or 0)
        except FileNotFoundError:
            return 0

    def _lines(self, start: int, most: int | None = None) -> list[tuple[dict[str, Any], int]]:
        """Whole records from a position on, each with its end; a line that was cut off is none."""
        found: list[tuple[dict[str, Any], int]] = []
        if not self.path.exists():
            return found
        with self._lock, self.path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n") or len(found) == most:
                    break
                start += len(line)
                found.append((json.loads(line), start))
        return found
