"""API keys: only their sha256 is kept, in a file that nobody else may read."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ssbray.errors import InputError

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
LINE = re.compile(r"([A-Za-z0-9._-]{1,64})\s+([0-9a-f]{64})")


@dataclass(frozen=True)
class Keys:
    """Names of those who may ask, and the sha256 of their keys."""

    hashes: Mapping[str, bytes]

    @classmethod
    def read(cls, path: str | Path) -> Keys:
        """Read lines of `NAME SHA256`. The file must belong to its reader alone."""
        place = Path(path)
        try:
            mode = place.stat().st_mode
            lines = place.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("--keys", str(path), f"cannot be read: {str(error).lower()}") from None
        if stat.S_IMODE(mode) & 0o077:
            raise InputError("--keys", str(path), f"can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 "
                             f"{path}")
        found: dict[str, bytes] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = LINE.fullmatch(line.strip())
            if match is None or match[1] in found:
                raise InputError("--keys", f"{path}:{number}", "must be a new name and 64 hexadecimal digits: make a "
                                 "line with `ssbray serve --new-key NAME`")
            found[match[1]] = bytes.fromhex(match[2])
        if not found:
            raise InputError("--keys", str(path), "holds no key: make one with `ssbray serve --new-key NAME`")
        return cls(found)

    def who(self, key: str) -> str | None:
        """Name of the owner of a key, or None. Every hash is compared, in a time that does not depend on the key."""
        given = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        owner = None
        for name, known in self.hashes.items():
            if hmac.compare_digest(given, known):
                owner = name
        return owner


def add(path: str | Path, name: str) -> str:
    """Make a key for a name, append its sha256 to the file (made with mode 0600), and give the key."""
    place = Path(path)
    if not NAME.fullmatch(name):
        raise InputError("--new-key", name, "use letters, digits, dots and dashes, at most 64")
    if place.exists() and place.stat().st_size and name in Keys.read(place).hashes:
        raise InputError("--new-key", name, f"has a key in {path}: remove that line first")
    key = secrets.token_urlsafe(32)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a") as handle:
        handle.write(f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n")
    return key
