"""Asking a running campaign to stop between two solves: a file that the driver looks for."""

from __future__ import annotations

from pathlib import Path

FILE = "pause"


class Paused(Exception):  # noqa: N818  # no error: what was asked for
    """The campaign has let its solves finish, has kept them, and stops here."""


class PauseRequest:
    """The wish of a user, or of a machine that is about to be taken away."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def __call__(self) -> bool:
        """Whether somebody asks."""
        return self._path.exists()

    def ask(self) -> None:
        """Ask."""
        self._path.touch()

    def clear(self) -> None:
        """Nobody asks any more."""
        self._path.unlink(missing_ok=True)
