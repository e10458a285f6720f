"""Whether a ledger still says what was computed: rows, graphs and keys against their digests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssbray.campaign.ledger import Ledger, holds, row_sha256
from ssbray.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A solve that cannot be trusted."""

    key: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a look at every row and file found."""

    rows: int
    graphs: int
    database: tuple[str, ...]  #: complaints of SQLite; empty when sound
    damaged: tuple[Finding, ...]
    orphans: tuple[str, ...]  #: files that no row names: harmless leftovers of an interruption
    unchecked: int  #: rows of an older ssbray, which kept no digests

    @property
    def ok(self) -> bool:
        """Whether every result can be relied on."""
        return not self.database and not self.damaged


def verify(directory: Path, *, repair: bool = False) -> Verdict:
    """Check a ledger; with `repair`, drop the damaged rows, so that the next run computes them again.

    Raises
    ------
    InputError
        There is no ledger, it cannot be opened, or it is to be repaired while a driver is at work.
    """
    if not (directory / "ledger.sqlite").exists():
        raise InputError("ledger", str(directory), "no ledger here: is it a campaign or a data set?")
    with Ledger(directory, write=repair) as ledger:
        database = ledger.check_database()
        rows = ledger.rows()
        damaged = [Finding(key=row["key"], what=what) for row in rows if (what := _fault(ledger, row)) is not None]
        named = {row["graph_sha256"] for row in rows}
        files = sorted((directory / "graphs").glob("*"))
        if repair and not database:
            for finding in damaged:
                ledger.drop(finding.key)
    return Verdict(rows=len(rows), graphs=len(named - {None}), database=tuple(database), damaged=tuple(damaged),
                   orphans=tuple(path.name for path in files if path.suffix != ".npz" or path.stem not in named),
                   unchecked=sum(row["row_sha256"] is None for row in rows))


def _fault(ledger: Ledger, row: dict[str, Any]) -> str | None:
    """What is wrong with a row; None if nothing is."""
    content = (row["key"], row["task"], row["failure"], row["result"], row["graph_sha256"])
    if row["row_sha256"] is not None and row_sha256(*content) != row["row_sha256"]:
        return "the row has changed since it was written"
    if row["physics"] is not None and key_of(row["task"], row["physics"]) != row["key"]:
        return "the key is not that of its task"
    sha = row["graph_sha256"]
    if sha is not None and not holds(ledger.graph_path(sha), sha):
        return "its graph is damaged" if ledger.graph_path(sha).exists() else "its graph is missing"
    return None


def key_of(content: str, physics: str) -> str:
    """Key of a stored task, made with that version of the physics."""
    return hashlib.sha256(json.dumps([json.loads(content), physics], sort_keys=True).encode()).hexdigest()
