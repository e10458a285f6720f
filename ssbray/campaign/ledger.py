"""What was computed and decided, on disk before anybody acts on it.

SQLite in WAL mode with full synchronisation holds one row per outcome, keyed by the sha256 of its
inputs and code, and one per event. Graphs are files named by their own content, written and
synchronised before the row that names them.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssbray import graph
from ssbray.campaign.task import Outcome, Task
from ssbray.errors import InputError

SCHEMA = 1


class Ledger:
    """The store of one campaign or data set. One writer at a time; use as a context manager."""

    def __init__(self, directory: Path, *, write: bool = True) -> None:
        self.directory = directory
        self._lock: io.TextIOWrapper | None = None
        path = directory / "ledger.sqlite"
        if not write and not path.exists():
            raise InputError("ledger", str(directory), "no ledger here: is it a campaign or a data set?")
        if write:
            (directory / "graphs").mkdir(parents=True, exist_ok=True)
            self._lock = (directory / "lock").open("a+")
            if not _take(self._lock):
                self._lock.close()
                raise InputError("directory", str(directory), "another process is writing here; wait for it, or end it")
        try:
            self._open(path, write)
        except sqlite3.DatabaseError as error:
            self.close()
            raise InputError("ledger", str(path), f"cannot be used as a ledger ({error})") from None
        if (schema := self.meta("schema")) != str(SCHEMA):
            self.close()
            raise InputError("ledger", str(path), f"has schema {schema}, this ssbray reads {SCHEMA}")

    def _open(self, path: Path, write: bool) -> None:
        where = path.resolve().as_uri()
        self._db = sqlite3.connect(where if write else f"{where}?mode=ro", uri=True, isolation_level=None)
        if write:
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
                "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, task TEXT NOT NULL, failure TEXT,"
                " result TEXT NOT NULL, graph_sha256 TEXT, seconds REAL NOT NULL, worker TEXT NOT NULL,"
                " at REAL NOT NULL);"
                "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
                " content TEXT NOT NULL, at REAL NOT NULL, UNIQUE (kind, name));")
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
        self.meta("schema")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and let the next writer in."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    def meta(self, name: str, value: str | None = None) -> str | None:
        """Read a property of the store, or set it once and for all; the stored value is returned."""
        if value is not None:
            self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, task: Task, outcome: Outcome) -> None:
        """Keep an outcome. A result replaces a failure of the same key; a result is never replaced."""
        sha = self._store_graph(outcome)
        content = json.dumps({name: getattr(task, name) for name in task.__dataclass_fields__}, sort_keys=True)
        self._db.execute("DELETE FROM outcomes WHERE key = ? AND failure IS NOT NULL", (outcome.key,))
        self._db.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                         (outcome.key, content, outcome.failure, json.dumps(outcome.values), sha, outcome.seconds,
                          outcome.worker, time.time()))

    def get(self, key: str) -> Outcome | None:
        """Result of a key; None where there is none yet, or only a failure. Graphs are checked against their hash."""
        row = self._db.execute("SELECT failure, result, graph_sha256, seconds, worker FROM outcomes "
                               "WHERE key = ? AND failure IS NULL", (key,)).fetchone()
        return None if row is None else self._outcome(key, *row)

    def outcomes(self) -> Iterator[tuple[Task, Outcome]]:
        """All outcomes, in the order of their keys."""
        rows = self._db.execute("SELECT key, task, failure, result, graph_sha256, seconds, worker FROM outcomes "
                                "ORDER BY key").fetchall()
        for key, content, *rest in rows:
            fields = json.loads(content)
            yield Task(**{**fields, "size_nm": tuple(fields["size_nm"])}), self._outcome(key, *rest)

    def count(self) -> int:
        """Number of outcomes that hold a result."""
        return int(self._db.execute("SELECT COUNT(*) FROM outcomes WHERE failure IS NULL").fetchone()[0])

    def record(self, kind: str, name: str, content: dict[str, Any]) -> None:
        """Keep an event under its kind and name."""
        self._db.execute("INSERT OR REPLACE INTO events (kind, name, content, at) VALUES (?, ?, ?, ?)",
                         (kind, name, json.dumps(content, sort_keys=True), time.time()))

    def clear_events(self) -> None:
        """Forget all events: a campaign that goes on tells them again, from the solves that are kept."""
        self._db.execute("DELETE FROM events")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind, oldest first."""
        rows = self._db.execute("SELECT content FROM events WHERE kind = ? ORDER BY seq", (kind,))
        return [json.loads(content) for (content,) in rows]

    def _outcome(self, key: str, failure: str | None, result: str, sha: str | None, seconds: float, worker: str
                 ) -> Outcome:
        stored = None
        if sha is not None:
            path = self._graph_path(sha)
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha:
                raise InputError("ledger", str(path), "is missing or damaged: restore it, or remove the directory")
            stored = graph.load(path)
        return Outcome(key=key, failure=failure, values=json.loads(result), graph=stored, seconds=seconds,
                       worker=worker)

    def _store_graph(self, outcome: Outcome) -> str | None:
        if outcome.graph is None:
            return None
        draft = self.directory / "graphs" / f".{outcome.key}.npz"
        graph.save(outcome.graph, draft)
        content = draft.read_bytes()
        sha = hashlib.sha256(content).hexdigest()
        with draft.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(draft, self._graph_path(sha))
        folder = os.open(self.directory / "graphs", os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return sha

    def _graph_path(self, sha: str) -> Path:
        return self.directory / "graphs" / f"{sha}.npz"


def _take(lock: io.TextIOWrapper, patience_s: float = 1.0) -> bool:
    """Lock a file; `campaign status` may hold it for an instant."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
