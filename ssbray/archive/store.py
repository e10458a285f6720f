"""The archive: sample, location, micrograph, segmentation, graph, solution, each found again by its content."""

from __future__ import annotations

import fcntl
import io
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ssbray.archive import shelf
from ssbray.archive.entry import Arrays, Entry
from ssbray.archive.index import Index, Row
from ssbray.archive.kinds import broken_rule, check_kind
from ssbray.archive.manifest import Manifest, canonical, describe, memo_key, normal, parse, sha256
from ssbray.archive.table import export
from ssbray.archive.verify import Report, faults, verify
from ssbray.errors import InputError

LEAST_PREFIX = 4  #: characters of an id that may stand for the whole
ROTTEN = "does not match its hash: see `ssbray archive verify`"


class Archive:
    """Entries linked by content hash. One writer at a time, any number of readers; use as a context manager.

    An entry is on disk, synchronised, before the row that names it; a process may be killed at any
    point and leaves at most a draft, or a whole entry without a row, which the next `add` picks up.
    """

    def __init__(self, directory: str | Path, write: bool = True) -> None:
        """Open an archive, or start one where there is none.

        Raises
        ------
        InputError
            when another process is writing, when there is nothing to read, or the index is damaged.
        """
        self.directory = Path(directory)
        self.writable = write
        self._lock: io.TextIOWrapper | None = None
        if write:
            self._lock = _lock(self.directory)
        try:
            self.index = Index(self.directory, write=write)
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index and let the next writer in."""
        self.index.close()
        if self._lock is not None:
            self._lock.close()

    def add(self, kind: str, *, arrays: Mapping[str, NDArray[Any]] | None = None,
            values: Mapping[str, Any] | None = None, parents: Iterable[Entry | str] = ()) -> Entry:
        """Keep something; the same content again gives the same entry and writes nothing.

        Parameters
        ----------
        kind : one of `KINDS`.
        arrays : name -> numbers of any shape.
        values : plain data (text, numbers, lists, mappings); infinite and NaN are kept.
        parents : what it came from, entries or their ids; their kinds are checked.
        """
        return self._keep(kind, arrays or {}, values or {}, self._ids(parents), None, None)

    def remember(self, kind: str, inputs: Mapping[str, Any], *, code: str,
                 arrays: Mapping[str, NDArray[Any]] | None = None, values: Mapping[str, Any] | None = None,
                 parents: Iterable[Entry | str] = ()) -> Entry:
        """Keep the result of a computation; `recall` finds it by what went in.

        The first result of a computation stands: where there is one already, that one is returned, whatever
        `arrays` and `values` say.
        """
        ids = self._ids(parents)
        if (known := self._recall(memo_key(kind, inputs, ids, code))) is not None:
            return known
        return self._keep(kind, arrays or {}, values or {}, ids, inputs, code)

    def recall(self, kind: str, inputs: Mapping[str, Any], *, code: str, parents: Iterable[Entry | str] = ()
               ) -> Entry | None:
        """Result of a computation with these inputs, these parents and this version of the code, if it was done before.

        A result whose file is gone counts as not done: solve it again, and `remember` puts it back.
        """
        check_kind(kind)
        return self._recall(memo_key(kind, inputs, self._ids(parents), code))

    def get(self, name: str, *, check: bool = False) -> Entry:
        """The entry of an id, or of the beginning of one; with `check`, only if each byte of it is as it was written.

        Arrays are read, and checked against their hash, when they are asked for.
        """
        if not re.fullmatch(rf"[0-9a-f]{{{LEAST_PREFIX},64}}", name):
            raise InputError("id", name, f"give at least {LEAST_PREFIX} of the 64 hexadecimal digits")
        rows = self.index.starting(name)
        if not rows:
            raise InputError("id", name, f"nothing in {self.directory} has an id that starts so")
        if len(rows) > 1:
            some = ", ".join(row.id[:16] for row in rows)
            raise InputError("id", name, f"is not unique ({some} ...): give more of it")
        entry = self.entry(rows[0])
        if check:
            for path, fault in faults(self, rows[0]):
                raise InputError("archive", str(path), f"entry {entry.short}: {fault}")
        return entry

    def find(self, kind: str | None = None, **values: Any) -> list[Entry]:
        """Entries of a kind whose values include these, in the order in which they were added."""
        if kind is not None:
            check_kind(kind)
        wanted = {name: canonical(value) for name, value in values.items()}
        entries = (self.entry(row) for row in self.index.rows(kind))
        return [entry for entry in entries
                if all(name in entry.values and _same(entry.values[name], values[name], text)
                       for name, text in wanted.items())]

    def lineage(self, entry: Entry | str) -> list[Entry]:
        """What an entry came from, from the sample down, and the entry itself."""
        name = self._ids([entry])[0]
        return [*map(self.entry, self.index.related(name, up=True)), self.get(name)]

    def descendants(self, entry: Entry | str) -> list[Entry]:
        """All that came from an entry, parents before children."""
        return [self.entry(row) for row in self.index.related(self._ids([entry])[0], up=False)]

    def verify(self, *, repair: bool = False) -> Report:
        """Hash every entry again and name what is missing, altered or too much; `repair` clears up after interruptions.

        With `repair`, drafts are removed, whole entries without a row are listed again (so a lost index comes back),
        and altered files are set aside in `set_aside/`, so that adding or solving the same again puts them right.
        """
        return verify(self, repair=repair)

    def export(self, path: str | Path) -> int:
        """Write a table with one row per entry, as Parquet or CSV by the name of the file; gives the number of rows."""
        return export(self, Path(path))

    def entry(self, row: Row) -> Entry:
        """The entry of a row; the row must match its own hash."""
        if sha256(row.manifest) != row.id:
            raise InputError("archive", f"entry {row.id[:10]}", ROTTEN)
        manifest = parse(row.manifest)
        path = shelf.place(self.directory, row.id)
        return Entry(id=row.id, kind=manifest.kind, values=manifest.values, arrays=Arrays(path, manifest.arrays),
                     parents=manifest.parents, inputs=manifest.inputs, code=manifest.code, made_at=row.made_at,
                     path=path, size=row.file_bytes)

    def _keep(self, kind: str, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any], parents: list[str],
              inputs: Mapping[str, Any] | None, code: str | None) -> Entry:
        if not self.writable:
            raise InputError("archive", str(self.directory), "was opened for reading: open it with write=True")
        check_kind(kind)
        if (rule := broken_rule(kind, [self.get(parent).kind for parent in parents])) is not None:
            raise InputError("parents", [parent[:10] for parent in parents], rule)
        whole = {name: normal(name, array) for name, array in arrays.items()}
        manifest = Manifest(kind=kind, values=values, arrays={name: describe(array) for name, array in whole.items()},
                            parents=tuple(parents), inputs=inputs, code=code)
        text = manifest.text()
        name = sha256(text)
        known = self.index.row(name)
        path = shelf.place(self.directory, name)
        if known is not None and path.exists() and path.stat().st_size == known.file_bytes:
            return self.entry(known)
        digest, size = shelf.write(self.directory, name, text, whole)
        row = Row(id=name, kind=kind, manifest=text, file_sha256=digest, file_bytes=size,
                  made_at=time.time() if known is None else known.made_at)
        self.index.insert(row, manifest)
        return self.entry(row)

    def _recall(self, key: str) -> Entry | None:
        name = self.index.remembered(key)
        row = None if name is None else self.index.row(name)
        if row is None or not shelf.place(self.directory, row.id).exists():
            return None
        return self.entry(row)

    def _ids(self, entries: Iterable[Entry | str]) -> list[str]:
        return sorted({entry.id if isinstance(entry, Entry) else self.get(entry).id for entry in entries})


def _lock(directory: Path) -> io.TextIOWrapper:
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InputError("archive", str(directory),
                         "is being written by another process: wait for it, or end it") from None
    return lock


def _same(stored: Any, wanted: Any, text: str) -> bool:
    return bool(canonical(stored) == text or (isinstance(wanted, int | float) and stored == wanted))
