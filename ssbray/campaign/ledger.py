"""What was computed and decided, on disk before anybody acts on it.

SQLite in WAL mode with full synchronisation holds one row per outcome, keyed by the sha256 of its
inputs and code, one per event, and one per session of a driver. Graphs are files named by their own
content, written and synchronised before the row that names them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssbray import graph
from ssbray.campaign.lock import take
from ssbray.campaign.task import Outcome, Task, physics_version
from ssbray.errors import InputError

SCHEMA = 2  #: 1 had neither sessions nor digests of rows; it is still read, and brought up to date when written
TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, task TEXT NOT NULL, failure TEXT, result TEXT NOT NULL,"
    " graph_sha256 TEXT, seconds REAL NOT NULL, worker TEXT NOT NULL, at REAL NOT NULL, physics TEXT, source TEXT,"
    " row_sha256 TEXT)",
    "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " content TEXT NOT NULL, at REAL NOT NULL, UNIQUE (kind, name))",
    "CREATE TABLE IF NOT EXISTS sessions (seq INTEGER PRIMARY KEY, began REAL NOT NULL, seen REAL NOT NULL,"
    " status TEXT NOT NULL, note TEXT, host TEXT NOT NULL, pid INTEGER NOT NULL, capacity INTEGER NOT NULL,"
    " solves INTEGER NOT NULL)",
)
ADDED = ("physics", "source", "row_sha256")  #: columns of outcomes that schema 1 lacks
OUTCOME = "task, failure, result, graph_sha256, seconds, worker"


class Ledger:
    """The store of one campaign or data set. One writer at a time; use as a context manager."""

    def __init__(self, directory: Path, *, write: bool = True) -> None:
        self.directory = directory
        self._lock: io.TextIOWrapper | None = None
        self._session: int | None = None
        path = directory / "ledger.sqlite"
        if not write and not path.exists():
            raise InputError("ledger", str(directory), "no ledger here: is it a campaign or a data set?")
        if write:
            with self._storing():
                (directory / "graphs").mkdir(parents=True, exist_ok=True)
                self._lock = (directory / "lock").open("a+")
            if not take(self._lock):
                self._lock.close()
                raise InputError("directory", str(directory), "another process is writing here; wait for it, or end it")
        try:
            self._open(path, write)
        except sqlite3.DatabaseError as error:
            self.close()
            raise InputError("ledger", str(path), f"cannot be used as a ledger ({error})") from None
        except InputError:
            self.close()
            raise

    def _open(self, path: Path, write: bool) -> None:
        where = path.resolve().as_uri()
        self._db = sqlite3.connect(where if write else f"{where}?mode=ro", uri=True, isolation_level=None)
        known = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        schema = self.meta("schema") if "meta" in known else None
        if (schema is None and (known or not write)) or schema not in (None, "1", str(SCHEMA)):
            raise InputError("ledger", str(path), f"has schema {schema}, this ssbray reads {SCHEMA}")
        if write:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            if schema != str(SCHEMA):
                self._bring_up_to_date(schema)
        self._new = write or schema == str(SCHEMA)

    def _bring_up_to_date(self, schema: str | None) -> None:
        """Make the tables, or those that schema 1 lacks, all at once."""
        with self._transaction():
            for statement in TABLES:
                self._db.execute(statement)
            if schema == "1":
                for column in ADDED:
                    self._db.execute(f"ALTER TABLE outcomes ADD COLUMN {column} TEXT")
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(SCHEMA),))

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and let the next writer in."""
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            self._lock.close()

    def meta(self, name: str, value: str | None = None) -> str | None:
        """Read a property of the store, or set it once and for all; the stored value is returned."""
        if value is not None:
            with self._storing():
                self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, task: Task, outcome: Outcome, *, source: str | None = None) -> None:
        """Keep an outcome, taken over from the ledger `source` if given.

        A result replaces a failure of the same key; a result is never replaced.

        Raises
        ------
        InputError
            The directory cannot be written, for example because the disk is full; nothing is half there.
        """
        with self._storing():
            sha = self._store_graph(outcome)
            content = json.dumps(task.content, sort_keys=True)
            result, now = json.dumps(outcome.values), time.time()
            with self._transaction():
                self._db.execute("DELETE FROM outcomes WHERE key = ? AND failure IS NOT NULL", (outcome.key,))
                self._db.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (
                    outcome.key, content, outcome.failure, result, sha, outcome.seconds, outcome.worker, now,
                    physics_version(), source, row_sha256(outcome.key, content, outcome.failure, result, sha)))
                self._db.execute("UPDATE sessions SET seen = ? WHERE seq = ?", (now, self._session))

    def get(self, key: str) -> Outcome | None:
        """Result of a key; None where there is none yet, or only a failure. Row and graph are checked."""
        with self._reading():
            row = self._db.execute(f"SELECT {OUTCOME}, {self._column('row_sha256')} FROM outcomes "
                                   "WHERE key = ? AND failure IS NULL", (key,)).fetchone()
        return None if row is None else self._outcome(key, *row)

    def outcomes(self, keys: Collection[str] | None = None) -> Iterator[tuple[Task, Outcome]]:
        """All outcomes, or those of some keys, in the order of their keys; each graph is read when its turn comes."""
        with self._reading():
            rows = self._db.execute(f"SELECT key, {OUTCOME}, {self._column('row_sha256')} FROM outcomes "
                                    "ORDER BY key").fetchall()
        for key, content, *rest in rows:
            if keys is not None and key not in keys:
                continue
            fields = json.loads(content)
            yield Task(**{**fields, "size_nm": tuple(fields["size_nm"])}), self._outcome(key, content, *rest)

    def rows(self) -> list[dict[str, Any]]:
        """Outcomes as they are stored, oldest first, without their graphs."""
        columns = ("key", "task", "failure", "result", "graph_sha256", "seconds", "worker", "at")
        with self._reading():
            found = self._db.execute(f"SELECT {', '.join([*columns, *map(self._column, ADDED)])} FROM outcomes "
                                     "ORDER BY at, key").fetchall()
        return [dict(zip(columns + ADDED, row, strict=True)) for row in found]

    def count(self) -> int:
        """Number of outcomes that hold a result."""
        with self._reading():
            return int(self._db.execute("SELECT COUNT(*) FROM outcomes WHERE failure IS NULL").fetchone()[0])

    def drop(self, key: str) -> None:
        """Forget an outcome, so that it is computed again."""
        with self._storing():
            self._db.execute("DELETE FROM outcomes WHERE key = ?", (key,))

    def check_database(self) -> list[str]:
        """What SQLite finds wrong with the file."""
        try:
            rows = self._db.execute("PRAGMA integrity_check").fetchall()
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [str(text).splitlines()[0] for (text,) in rows if text != "ok"]

    def record(self, kind: str, name: str, content: dict[str, Any]) -> None:
        """Keep an event under its kind and name."""
        with self._storing():
            self._db.execute("INSERT OR REPLACE INTO events (kind, name, content, at) VALUES (?, ?, ?, ?)",
                             (kind, name, json.dumps(content, sort_keys=True), time.time()))

    def clear_events(self) -> None:
        """Forget all events: a campaign that goes on tells them again, from the solves that are kept."""
        with self._storing():
            self._db.execute("DELETE FROM events")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind, oldest first."""
        with self._reading():
            rows = self._db.execute("SELECT content FROM events WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
        return [json.loads(content) for (content,) in rows]

    def begin(self, capacity: int) -> None:
        """A driver begins, with so many solves in flight at most; one that never ended was interrupted."""
        now = time.time()
        with self._storing(), self._transaction():
            self._db.execute("UPDATE sessions SET status = 'interrupted' WHERE status = 'running'")
            cursor = self._db.execute(
                "INSERT INTO sessions (began, seen, status, host, pid, capacity, solves) VALUES (?, ?, 'running', ?, ?,"
                " ?, (SELECT COUNT(*) FROM outcomes WHERE failure IS NULL))",
                (now, now, socket.gethostname(), os.getpid(), capacity))
            self._session = cursor.lastrowid

    def end(self, status: str, note: str | None = None) -> None:
        """The driver ends: completed, paused, interrupted or failed."""
        with self._storing():
            self._db.execute("UPDATE sessions SET status = ?, note = ?, seen = ? WHERE seq = ?",
                             (status, note, time.time(), self._session))

    def sessions(self) -> list[dict[str, Any]]:
        """Drivers that worked here, oldest first: began, seen, status, note, host, pid, capacity, solves before it."""
        names = ("began", "seen", "status", "note", "host", "pid", "capacity", "solves")
        if not self._new:
            return []
        with self._reading():
            rows = self._db.execute(f"SELECT {', '.join(names)} FROM sessions ORDER BY seq").fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def graph_path(self, sha: str) -> Path:
        """Where the graph of that content lies."""
        return self.directory / "graphs" / f"{sha}.npz"

    def _outcome(self, key: str, content: str, failure: str | None, result: str, sha: str | None, seconds: float,
                 worker: str, digest: str | None) -> Outcome:
        if digest is not None and digest != row_sha256(key, content, failure, result, sha):
            raise self._damaged(f"row {key[:16]}")
        stored = None
        if sha is not None:
            path = self.graph_path(sha)
            if not holds(path, sha):
                raise self._damaged(str(path))
            stored = graph.load(path)
        return Outcome(key=key, failure=failure, values=json.loads(result), graph=stored, seconds=seconds,
                       worker=worker)

    def _damaged(self, what: str) -> InputError:
        place = self.directory.resolve()
        return InputError("ledger", what, "is missing or damaged: restore it, or drop it with `ssbray campaign verify "
                          f"{place.name} --dir {place.parent} --repair` to have it computed again")

    def _store_graph(self, outcome: Outcome) -> str | None:
        if outcome.graph is None:
            return None
        draft = self.directory / "graphs" / f".{outcome.key}.npz"
        try:
            graph.save(outcome.graph, draft)
            sha = hashlib.sha256(draft.read_bytes()).hexdigest()
            with draft.open("rb") as handle:
                os.fsync(handle.fileno())
            os.replace(draft, self.graph_path(sha))
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(self.directory / "graphs", os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return sha

    def _column(self, name: str) -> str:
        """A column, or nothing where the ledger is too old to have it."""
        return name if self._new else "NULL"

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """A disk that does not take it is for the user to mend."""
        try:
            yield
        except (OSError, sqlite3.DatabaseError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if "malformed" in str(error) or "not a database" in str(error):
                raise self._unreadable(error) from None
            raise InputError("directory", str(self.directory), f"cannot be written ({reason}): mend that, then go on; "
                             "what was solved so far is kept") from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        return InputError("ledger", str(self.directory / "ledger.sqlite"), f"cannot be read ({error}): restore it from "
                          "a copy, or remove the directory")


def row_sha256(key: str, content: str, failure: str | None, result: str, sha: str | None) -> str:
    """Digest of what a row says; a bit that turned over shows."""
    return hashlib.sha256(json.dumps([key, content, failure, result, sha]).encode()).hexdigest()


def holds(path: Path, sha: str) -> bool:
    """Whether a file is there and has that content."""
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha
