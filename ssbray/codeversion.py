"""Which code made a number: the package's version and a digest of the files that decide it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable

import ssbray


def _files(place: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Code and tables of a package and of those in it, by their paths."""
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".py", ".yaml")):
            yield prefix + entry.name, entry.read_bytes()


def code_version(packages: Iterable[str], modules: Iterable[str]) -> str:
    """Version and digest of the code and tables in packages, and of single modules, of ssbray.

    >>> code_version(["fea"], ["domain.py"]).startswith(ssbray.__version__)
    True
    """
    digest = hashlib.sha256()
    root = resources.files(ssbray)
    for package in packages:
        for name, content in _files(root / package):
            digest.update(name.encode() + content)
    for name in modules:
        digest.update((root / name).read_bytes())
    return f"{ssbray.__version__}+{digest.hexdigest()[:12]}"
