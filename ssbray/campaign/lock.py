"""One writer at a time: a file that the operating system unlocks when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import io
import time
from pathlib import Path


def locked(directory: Path) -> bool:
    """Whether a process writes there now."""
    try:
        with (directory / "lock").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def take(lock: io.TextIOWrapper, patience_s: float = 1.0) -> bool:
    """Lock a file; `campaign status` may hold it for an instant."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
