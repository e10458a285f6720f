"""Who wants to know how a campaign goes. A listener watches; it never changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome
from ssbray.campaign.walk import StepRecord


class Listener(Protocol):
    """Events of a campaign, in the order in which they happen."""

    def started(self, spec: Spec, directory: Path, solves_planned: int) -> None:
        """The campaign begins."""

    def phase(self, name: str) -> None:
        """A new phase: initial design, training, annealing, confirmation, report."""

    def solved(self, outcome: Outcome, cached: bool) -> None:
        """A solve is there, computed now or found in the ledger."""

    def trained(self, round_: int, card: dict[str, Any]) -> None:
        """The surrogate was fitted."""

    def met(self, round_: int, records: Sequence[StepRecord]) -> None:
        """All chains finished a round; records are ordered by chain, then step."""

    def finished(self, summary: dict[str, Any], directory: Path) -> None:
        """Summary and report are on disk."""


class Listeners:
    """Several listeners as one."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def __getattr__(self, name: str) -> Any:
        def tell(*arguments: Any, **keywords: Any) -> None:
            for listener in self._listeners:
                getattr(listener, name)(*arguments, **keywords)
        return tell
