"""One thing in an archive. Its arrays stay on disk until they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ssbray.archive import shelf

SHORT = 10  #: characters of an id that are shown to people


class Arrays(Mapping[str, NDArray[Any]]):
    """Arrays by name, read from disk and checked against their hash each time they are asked for."""

    def __init__(self, path: Path, described: Mapping[str, Mapping[str, Any]]) -> None:
        self._path, self.described = path, described

    def __getitem__(self, name: str) -> NDArray[Any]:
        return shelf.load(self._path, name, self.described[name])

    def __contains__(self, name: object) -> bool:
        return name in self.described  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self.described)

    def __len__(self) -> int:
        return len(self.described)


@dataclass(frozen=True, eq=False, kw_only=True)
class Entry:
    """A sample, a location, a micrograph, a segmentation, a graph or a solution."""

    id: str  #: sha256 of its content
    kind: str
    values: Mapping[str, Any]  #: plain data
    arrays: Arrays
    parents: tuple[str, ...]  #: ids of what it came from
    inputs: Mapping[str, Any] | None  #: of the computation that it remembers
    code: str | None  #: version of what computed it
    made_at: float  #: when it was added [s since 1970]
    path: Path  #: Zarr group, in a zip, that holds it
    size: int  #: of that file [bytes]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def short(self) -> str:
        """Beginning of the id, for people."""
        return self.id[:SHORT]
