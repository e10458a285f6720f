"""Is everything in an archive what it was when it was written? And what may be mended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssbray.archive import shelf
from ssbray.archive.index import Row
from ssbray.archive.kinds import KINDS, broken_rule
from ssbray.archive.manifest import parse, sha256
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.archive.store import Archive

DAMAGE = (ValueError, KeyError, TypeError)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is not as it should be."""

    entry: str | None  #: id; None for a file that belongs to no entry
    file: str  #: relative to the archive
    fault: str

    def __str__(self) -> str:
        whose = "" if self.entry is None else f"entry {self.entry[:10]}: "
        return f"{whose}{self.file}: {self.fault}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check of the whole archive found."""

    entries: int
    size: int  #: of all entries [bytes]
    problems: tuple[Problem, ...]
    drafts: tuple[str, ...]  #: files of interrupted writes: harmless
    unlisted: tuple[str, ...]  #: ids of whole entries without a row, from interrupted writes: harmless
    repaired: tuple[str, ...]  #: what was done about it

    @property
    def ok(self) -> bool:
        """Whether every number in the archive can be relied on."""
        return not self.problems


def verify(archive: Archive, *, repair: bool = False) -> Report:
    """Hash every entry again and look for what is missing, altered or too much.

    With `repair`, drafts are removed, whole entries without a row are listed again (so a lost index comes back), and
    altered files are set aside in `set_aside/`, so that adding or solving the same again puts them right.
    """
    if repair and not archive.writable:
        raise InputError("archive", str(archive.directory), "was opened for reading: open it with write=True")
    drafts, stray = _files(archive)  # before the rows: what a writer adds meanwhile is then no stray
    repaired: list[str] = []
    unlisted, extra = _unlisted(archive, stray)
    if repair:
        repaired += [f"removed {_relative(archive, path)}" for path in drafts]
        for path in drafts:
            path.unlink()
        repaired += [f"listed {name[:10]} again" for name in _list_again(archive, unlisted)]
        drafts, unlisted = [], [name for name in unlisted if archive.index.row(name) is None]
    problems = list(extra)
    if (complaint := archive.index.complaint()) is not None:
        problems.append(Problem(entry=None, file="index.sqlite", fault=complaint))
    rows = list(archive.index.rows())
    kinds = {row.id: row.kind for row in rows}
    for row in rows:
        for path, fault in faults(archive, row):
            problems.append(Problem(entry=row.id, file=_relative(archive, path), fault=fault))
            if repair and path.exists() and path.name.startswith(row.id):
                repaired.append(f"set {_relative(archive, _set_aside(archive, path))} aside")
        problems += [Problem(entry=row.id, file="index.sqlite", fault=fault) for fault in _kinship(archive, row, kinds)]
    problems += _loose(archive, kinds)
    return Report(entries=len(rows), size=sum(row.file_bytes for row in rows), problems=tuple(problems),
                  drafts=tuple(_relative(archive, path) for path in drafts), unlisted=tuple(unlisted),
                  repaired=tuple(repaired))


def faults(archive: Archive, row: Row) -> Iterator[tuple[Path, str]]:
    """What is wrong with one entry: its row, its file, its arrays. Stops where nothing further can be said."""
    path = shelf.place(archive.directory, row.id)
    if sha256(row.manifest) != row.id:
        yield archive.directory / "index.sqlite", "its row was altered"
        return
    if not path.exists():
        yield path, "is missing"
        return
    digest, size = shelf.fingerprint(path)
    if size != row.file_bytes:
        yield path, f"was altered: {size} bytes, not {row.file_bytes}"
    elif digest != row.file_sha256:
        where = "; ".join(_content(path, row.manifest)) or "outside its arrays"
        yield path, f"was altered: {where}"
    else:
        for fault in _content(path, row.manifest):
            yield path, fault


def _content(path: Path, text: str) -> Iterator[str]:
    """Arrays and manifest in the file against the manifest in the index."""
    try:
        if shelf.manifest_text(path) != text:
            yield "manifest"
    except InputError:
        yield "unreadable"
        return
    for name, described in parse(text).arrays.items():
        try:
            shelf.load(path, name, described)
        except InputError:
            yield f"array {name}"


def _kinship(archive: Archive, row: Row, kinds: dict[str, str]) -> Iterator[str]:
    if sha256(row.manifest) != row.id:
        return  # named already
    manifest = parse(row.manifest)
    listed = tuple(archive.index.parents(row.id))
    if manifest.kind not in KINDS:
        yield f"there is no kind {manifest.kind!r}"
        return
    if listed != manifest.parents or row.kind != manifest.kind:
        yield "kind or parents in the index are not those of the entry"
    if missing := [parent for parent in manifest.parents if kinds.get(parent) not in KINDS]:
        yield f"its parent {missing[0][:10]} is not in the archive"
    elif (rule := broken_rule(manifest.kind, [kinds[parent] for parent in manifest.parents])) is not None:
        yield rule
    if manifest.memo is not None and archive.index.remembered(manifest.memo) is None:
        yield "what it remembers is not in the index"


def _loose(archive: Archive, kinds: dict[str, str]) -> Iterator[Problem]:
    """Links and memos of entries that are not there, or of other computations."""
    for child in sorted({child for child, _ in archive.index.links()} - set(kinds)):
        yield Problem(entry=child, file="index.sqlite", fault="has parents, but is not in the archive")
    for key, name in archive.index.memos():
        row = archive.index.row(name)
        if row is None:
            yield Problem(entry=name, file="index.sqlite", fault="is remembered, but not in the archive")
        elif sha256(row.manifest) == row.id and parse(row.manifest).memo != key:
            yield Problem(entry=name, file="index.sqlite", fault="is remembered for another computation")


def _files(archive: Archive) -> tuple[list[Path], list[Path]]:
    drafts = sorted((archive.directory / "drafts").glob("*"))
    kept = sorted(path for path in (archive.directory / "entries").glob("**/*") if not path.is_dir())
    return drafts, kept


def _unlisted(archive: Archive, files: list[Path]) -> tuple[list[str], list[Problem]]:
    """Files without a row: whole entries, and what has no business here."""
    listed = {row.id for row in archive.index.rows()}
    names, extra = [], []
    for path in files:
        name = path.name.removesuffix(shelf.SUFFIX)
        if path == shelf.place(archive.directory, name) and name in listed:
            continue
        try:
            text = shelf.manifest_text(path)
            whole = path == shelf.place(archive.directory, name) and sha256(text) == name
            whole = whole and not list(_content(path, text))
        except (InputError, *DAMAGE):
            whole = False
        if whole:
            names.append(name)
        else:
            extra.append(Problem(entry=None, file=_relative(archive, path), fault="does not belong here"))
    return names, extra


def _list_again(archive: Archive, names: list[str]) -> Iterator[str]:
    """Rows for whole entries, parents before children; entries whose parents are lost stay unlisted."""
    waiting = {name: shelf.manifest_text(shelf.place(archive.directory, name)) for name in names}
    while waiting:
        ready = [name for name, text in waiting.items()
                 if all(archive.index.row(parent) is not None for parent in parse(text).parents)]
        if not ready:
            return
        for name in ready:
            text = waiting.pop(name)
            path = shelf.place(archive.directory, name)
            digest, size = shelf.fingerprint(path)
            manifest = parse(text)
            archive.index.insert(Row(id=name, kind=manifest.kind, manifest=text, file_sha256=digest, file_bytes=size,
                                     made_at=path.stat().st_mtime), manifest)
            yield name


def _set_aside(archive: Archive, path: Path) -> Path:
    folder = archive.directory / "set_aside"
    folder.mkdir(exist_ok=True)
    return path.rename(folder / f"{time.time_ns()}.{path.name}")


def _relative(archive: Archive, path: Path) -> str:
    return str(path.relative_to(archive.directory))
