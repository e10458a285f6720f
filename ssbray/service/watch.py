"""A folder that a microscope writes to: each frame analysed once, when it has stopped growing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ssbray import microscope
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.microscope import guard
from ssbray.microscope.kind import SUFFIXES
from ssbray.service.answer import joined
from ssbray.service.asked import Seen, Wishes
from ssbray.service.journal import Journal
from ssbray.service.models import Eye, Oracle

MAX_BYTES = 2**30
SIDECARS = (".json", ".yaml", ".yml")
Draw = Callable[[Path, Micrograph, Seen, dict[str, Any]], None]
State = tuple[int, int]  #: size, and time of the last change [ns]


@dataclass
class Watcher:
    """One pass after the other over a folder; what is known is in the journal, so any pass may be the last."""

    folder: Path
    out: Path
    eye: Eye
    oracle: Oracle
    wishes: Wishes
    draw: Draw
    pixel_size_nm: float | None = None
    max_bytes: int = MAX_BYTES  #: of a file, and of any array made from it

    def __post_init__(self) -> None:
        if self.out.resolve() == self.folder.resolve():
            raise InputError("--out", str(self.out), "must be another folder than the one that is watched")
        self.version = f"{self.eye.version}+{self.oracle.version}"
        self._done: set[tuple[str, str]] = set()
        self._failed: set[tuple[str, str]] = set()
        self.journal = Journal(self.out, self.eye.model.classes, self._know)
        self._before: dict[Path, State] = {}
        self._handled: dict[Path, State] = {}

    def _know(self, record: dict[str, Any]) -> None:
        """Remember a frame by its bytes."""
        if "failed" in record:
            self._failed.add((record["key"], record["model_version"]))
        else:
            self._done.add((record["image"]["sha256"], record["model_version"]))

    def passes(self) -> Iterator[dict[str, Any]]:
        """Records of the frames that have not changed since the pass before, in the order of their names."""
        now = {}
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            try:
                facts = path.stat()
            except OSError:  # gone between the two calls
                continue
            now[path] = (facts.st_size, facts.st_mtime_ns)
        ready = [path for path, state in now.items()
                 if state == self._before.get(path) and state != self._handled.get(path)]
        self._before = now
        for path in ready:
            self._handled[path] = now[path]
            record = self._one(path)
            if record is not None:
                yield record
        self._handled = {path: state for path, state in self._handled.items() if path in now}

    def _one(self, path: Path) -> dict[str, Any] | None:
        """The record of a frame, kept; None where its bytes were analysed before."""
        started = time.perf_counter()
        record: dict[str, Any] = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "file": path.name}
        key = ""
        try:
            sha256 = guard.sha256(guard.inspect(path), self.max_bytes)
            key = "+".join([sha256, *(guard.sha256(beside, self.max_bytes) for suffix in SIDECARS
                                      if (beside := path.with_suffix(suffix)).is_file())])
            if (sha256, self.version) in self._done or (key, self.version) in self._failed:
                return None
            micrograph = microscope.read(path, pixel_size_nm=self.pixel_size_nm, max_bytes=self.max_bytes)
            seen = self.eye.see(micrograph, self.wishes, keep=True)
            (told,) = self.oracle.foretell([seen.question])
            if isinstance(told, InputError):
                raise told
        except (InputError, OSError, MemoryError) as error:
            record |= {"key": key, "model_version": self.version, "failed": guard.one_line(error, 300)}
            self._know(record)
            self.journal.add(record)
            return record
        overlay = f"{path.stem}-{sha256[:8]}.overlay.png"
        record |= joined(seen, told) | {"overlay": overlay, "seconds": time.perf_counter() - started}
        self.draw(self.out / overlay, micrograph, seen, record)
        self.journal.add(record)
        self._know(record)
        return record
