"""Solves that other campaigns of the same home already hold. They are read, never written."""

from __future__ import annotations

import warnings
from pathlib import Path

from ssbray.campaign.ledger import Ledger
from ssbray.campaign.task import Outcome
from ssbray.errors import InputError, SsbrayWarning

MOST = 64  #: ledgers that are looked into, those written last first


class Siblings:
    """The ledgers in a home of campaigns, but the own one. A context manager; keys decide what is the same solve."""

    def __init__(self, home: Path | None, own: Path) -> None:
        self._ledgers: list[Ledger] = []
        paths = [] if home is None else [path for path in home.glob("*/ledger.sqlite")
                                         if path.parent.resolve() != own.resolve()]
        for path in sorted(paths, key=_written, reverse=True)[:MOST]:
            try:
                self._ledgers.append(Ledger(path.parent, write=False))
            except InputError as error:
                _say(path.parent.name, error)

    def get(self, key: str) -> tuple[Outcome, str] | None:
        """Result of a key and whose it is; None if nobody has it."""
        for ledger in list(self._ledgers):
            try:
                outcome = ledger.get(key)
            except InputError as error:
                self._ledgers.remove(ledger)
                ledger.close()
                _say(ledger.directory.name, error)
                continue
            if outcome is not None:
                return outcome, ledger.directory.name
        return None

    def __enter__(self) -> Siblings:
        return self

    def __exit__(self, *_: object) -> None:
        for ledger in self._ledgers:
            ledger.close()


def _written(path: Path) -> float:
    log = path.with_name(f"{path.name}-wal")
    return max(each.stat().st_mtime for each in (path, log) if each.exists())


def _say(name: str, error: InputError) -> None:
    warnings.warn(f"solves of {name} are not looked at: {error}", SsbrayWarning, stacklevel=3)
