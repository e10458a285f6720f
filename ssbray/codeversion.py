"""Which code made a number: the package's version and a digest of the files that decide it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import resources

import ssbray


def code_version(packages: Iterable[str], modules: Iterable[str]) -> str:
    """Version and digest of the code and tables in packages, and of single modules, of ssbray.

    >>> code_version(["fea"], ["domain.py"]).startswith(ssbray.__version__)
    True
    """
    digest = hashlib.sha256()
    root = resources.files(ssbray)
    for package in packages:
        for entry in sorted((root / package).iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".yaml")):
                digest.update(entry.name.encode() + entry.read_bytes())
    for name in modules:
        digest.update((root / name).read_bytes())
    return f"{ssbray.__version__}+{digest.hexdigest()[:12]}"
