"""What stands between a hostile file and the rest: size, truth and one line of explanation."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from ssbray.errors import InputError

CHUNK = 1 << 22


def inspect(path: Path) -> Path:
    """Check that there is something to read: a file that is not empty, or a directory that is."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise InputError("file", str(path), "no such file: check the path") from None
    except OSError as error:  # loops of links, names that are too long, no permission on a folder
        raise InputError("file", str(path), f"cannot be opened: {one_line(error.strerror or error)}") from None
    except ValueError:
        raise InputError("file", str(path), "is not a file name") from None
    if stat.S_ISDIR(mode):
        return path
    if not stat.S_ISREG(mode):
        raise InputError("file", str(path), "is a device, pipe or socket: give a file")
    try:
        with open(path, "rb") as handle:
            if not handle.read(1):
                raise InputError("file", path.name, "is empty: copy it again from the microscope")
    except OSError as error:
        raise InputError("file", str(path), f"cannot be opened: {one_line(error.strerror or error)}") from None
    return path


def sha256(path: Path, max_bytes: int) -> str:
    """Hash a file's bytes, or the names and bytes of a directory's files in sorted order."""
    digest = hashlib.sha256()
    if path.is_file():
        with open(path, "rb") as handle:
            while block := handle.read(CHUNK):
                digest.update(block)
        return digest.hexdigest()
    for file in files_below(path, max_bytes):
        content = hashlib.sha256()
        with open(file, "rb") as handle:
            while block := handle.read(CHUNK):
                content.update(block)
        digest.update(f"{file.relative_to(path).as_posix()}\0{content.hexdigest()}\n".encode())
    return digest.hexdigest()


def files_below(folder: Path, max_bytes: int) -> list[Path]:
    """List the files of a directory in sorted order; links and more than `max_bytes` are refused."""
    found, total = [], 0
    for root, folders, names in os.walk(folder, followlinks=False):
        for name in [*folders, *names]:
            place = Path(root) / name
            if place.is_symlink():
                raise InputError("file", folder.name, f"holds a symbolic link ({name}): copy the data, not links to it")
        for name in names:
            place = Path(root) / name
            if not place.is_file():
                raise InputError("file", folder.name, f"holds {name}, which is no ordinary file: remove it")
            total += place.stat().st_size
            found.append(place)
    if total > max_bytes:
        raise InputError("file", folder.name, f"holds {total:.3g} bytes, more than max_bytes = {max_bytes:.3g}")
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def afford(what: str, shape: tuple[int, ...], dtype: DTypeLike, max_bytes: int) -> None:
    """Refuse an array that would need more than `max_bytes`, before it is made."""
    size = np.dtype(dtype).itemsize
    for length in shape:
        if length < 1:
            raise InputError("shape", tuple(map(int, shape)), f"{what} is empty")
        size *= int(length)
    if size > max_bytes:
        raise InputError("shape", tuple(map(int, shape)), f"{what} would need {size:.3g} bytes, more than max_bytes = "
                         f"{max_bytes:.3g}: crop it, or raise max_bytes if the file is sound")


def one_line(error: object, length: int = 160) -> str:
    """Somebody else's message on one line, cut to a length."""
    text = " ".join(str(error).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= length else text[:length - 1] + "…"


class _Silent(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


@contextmanager
def quiet() -> Iterator[None]:
    """Keep parsers' warnings and log lines off the terminal: what matters in them is said as an error or a note."""
    silent = _Silent()
    loggers = [logging.getLogger(name) for name in ("tifffile", "PIL.TiffImagePlugin", "PIL.PngImagePlugin", "mrcfile")]
    for logger in loggers:
        logger.addFilter(silent)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(silent)


@contextmanager
def foreign(name: str, what: str) -> Iterator[None]:
    """Turn whatever a parser raises on damaged bytes into one line that the user can act on."""
    try:
        with quiet():
            yield
    except InputError:
        raise
    except MemoryError:
        raise InputError("file", name, f"{what} that asks for more memory than there is: it may be damaged") from None
    except Exception as error:  # parsers of binary formats raise anything on damaged bytes
        reason = one_line(error) or "no reason given"
        raise InputError("file", name, f"cannot be read as {what} ({type(error).__name__}: {reason}): it may be "
                         "truncated or damaged, copy it again from the microscope") from error
