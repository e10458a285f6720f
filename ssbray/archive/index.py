"""The index: one row per entry, one per parent, one per remembered computation.

SQLite in WAL mode, synchronised in full. Everything in it but the times can be made again from the entries themselves.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssbray.archive.manifest import Manifest
from ssbray.errors import InputError

SCHEMA = "1"
NAME = "index.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  manifest TEXT NOT NULL, file_sha256 TEXT NOT NULL, file_bytes INTEGER NOT NULL, made_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS parents (child TEXT NOT NULL, parent TEXT NOT NULL, PRIMARY KEY (child, parent))
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS children ON parents (parent);
CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
"""
COLUMNS = "id, kind, manifest, file_sha256, file_bytes, made_at"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the index says of an entry."""

    id: str
    kind: str
    manifest: str  #: canonical text, whose sha256 is the id
    file_sha256: str
    file_bytes: int
    made_at: float


class Index:
    """The rows. Every change is one transaction."""

    def __init__(self, directory: Path, *, write: bool) -> None:
        path = directory / NAME
        if not write and not path.exists():
            raise InputError("archive", str(directory), "there is no archive here")
        where = path.resolve().as_uri()
        if not write:
            where += "?mode=ro"
            if not os.access(directory, os.W_OK) and not path.with_name(f"{NAME}-wal").exists():
                where += "&immutable=1"  # nobody can write here, and SQLite could not make its file for readers
        try:
            self._db = sqlite3.connect(where, uri=True, isolation_level=None)
            if write:
                self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {TABLES}")
                self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (SCHEMA,))
            (schema,) = self._db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        except sqlite3.OperationalError as error:
            raise InputError("archive", str(path), f"cannot be opened ({error}): see who may read it") from None
        except sqlite3.DatabaseError as error:
            raise InputError("archive", str(path), f"cannot be used as an index ({error}): remove it, and "
                             "`ssbray archive verify --repair` makes it again") from None
        if schema != SCHEMA:
            raise InputError("archive", str(path), f"has schema {schema}, this ssbray reads {SCHEMA}")

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def insert(self, row: Row, manifest: Manifest) -> None:
        """Add or replace an entry, with its parents and what it remembers."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "file_sha256 = excluded.file_sha256, file_bytes = excluded.file_bytes",
                (row.id, row.kind, row.manifest, row.file_sha256, row.file_bytes, row.made_at))
            self._db.executemany("INSERT OR IGNORE INTO parents VALUES (?, ?)",
                                 [(row.id, parent) for parent in manifest.parents])
            if (key := manifest.memo) is not None:
                self._db.execute("INSERT OR REPLACE INTO memo VALUES (?, ?)", (key, row.id))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def row(self, name: str) -> Row | None:
        """The row of an id."""
        return next(self._rows("WHERE id = ?", name), None)

    def starting(self, prefix: str) -> list[Row]:
        """Rows whose ids start so; at most three."""
        return list(self._rows("WHERE substr(id, 1, ?) = ? LIMIT 3", len(prefix), prefix))

    def rows(self, kind: str | None = None) -> Iterator[Row]:
        """All rows, or those of a kind, in the order in which they were added."""
        return self._rows("ORDER BY seq") if kind is None else self._rows("WHERE kind = ? ORDER BY seq", kind)

    def links(self) -> list[tuple[str, str]]:
        """All (child, parent)."""
        return list(self._db.execute("SELECT child, parent FROM parents ORDER BY child, parent"))

    def parents(self, name: str) -> list[str]:
        """Ids that an entry comes from."""
        return [parent for (parent,) in
                self._db.execute("SELECT parent FROM parents WHERE child = ? ORDER BY parent", (name,))]

    def related(self, name: str, *, up: bool) -> list[Row]:
        """All ancestors or all descendants, in the order in which they were added: parents before children."""
        near, far = ("child", "parent") if up else ("parent", "child")
        return list(self._rows(
            f"WHERE id IN (WITH RECURSIVE kin(id) AS (SELECT {far} FROM parents WHERE {near} = ? UNION "
            f"SELECT {far} FROM parents JOIN kin ON parents.{near} = kin.id) SELECT id FROM kin) ORDER BY seq", name))

    def remembered(self, key: str) -> str | None:
        """Id of the result of a computation."""
        found = self._db.execute("SELECT id FROM memo WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def memos(self) -> list[tuple[str, str]]:
        """All (key, id)."""
        return list(self._db.execute("SELECT key, id FROM memo ORDER BY key"))

    def complaint(self) -> str | None:
        """What SQLite finds wrong with its own file."""
        try:
            found = [str(text) for (text,) in self._db.execute("PRAGMA integrity_check(3)")]
        except sqlite3.DatabaseError as error:
            return str(error)
        return None if found == ["ok"] else "; ".join(" ".join(text.split()) for text in found)

    def _rows(self, condition: str, *arguments: object) -> Iterator[Row]:
        fields: Sequence[str] = COLUMNS.split(", ")
        for content in self._db.execute(f"SELECT {COLUMNS} FROM entries {condition}", arguments).fetchall():
            yield Row(**dict(zip(fields, content, strict=True)))
