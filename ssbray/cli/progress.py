"""Progress: a bar with a rate and an ETA on a terminal, plain lines otherwise. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as Bar

from ssbray.campaign import Outcome, Spec, StepRecord
from ssbray.campaign.objective import in_field_units

EVERY_S = 10.0  #: between two plain lines


class _Rate(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Bar) -> Any:
        return f"{task.speed:.1f} {self._unit}/s" if task.speed else ""


class _Meter:
    """One bar, or lines."""

    unit = "solves"

    def __init__(self, title: str, total: int | None = None) -> None:
        self._console = Console(stderr=True)
        self._title, self._total, self._done = title, total, 0
        self._progress: Progress | None = None
        self._bar: Any = None
        self._began = self._told = time.monotonic()
        self._first = 0  #: what was there when the clock began, with the first one: getting ready is no rate

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress = Progress(TextColumn("{task.description}"), BarColumn(), *self._columns(),
                                      TimeElapsedColumn(), TimeRemainingColumn(), console=self._console)
            self._progress.start()
            self._bar = self._progress.add_task(self._title, total=self._total)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        if self._progress is not None:
            self._progress.stop()
        elif self._done and kind is None:
            self.say(self._line())

    def _columns(self) -> tuple[ProgressColumn, ...]:
        return MofNCompleteColumn(), _Rate(self.unit)

    def say(self, text: str) -> None:
        """A line beside the bar."""
        if self._progress is not None:
            self._progress.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def title(self, title: str) -> None:
        """Change what the bar says."""
        self._title = title
        if self._progress is not None:
            self._progress.update(self._bar, description=title)

    def to(self, done: int, total: int | None = None) -> None:
        """Set how far it is."""
        if not self._first and done:
            self._first, self._began = done, time.monotonic()
        self._done, self._total = done, total or self._total
        if self._progress is not None:
            self._progress.update(self._bar, completed=done, total=self._total)
        elif time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            self.say(self._line())

    def _rate(self) -> float:
        return (self._done - self._first) / max(time.monotonic() - self._began, 1e-9)

    def _left(self) -> str:
        rate = self._rate()
        going = self._total and rate and self._done < self._total
        return f", {(self._total - self._done) / rate:.0f} s left" if going and self._total else ""

    def _line(self) -> str:
        of = f"/{self._total}" if self._total else ""
        return f"{self._title}: {self._done}{of} {self.unit}, {self._rate():.1f}/s{self._left()}"


class SolveProgress(_Meter):
    """Solves of a data set."""

    def solved(self, outcome: Outcome, cached: bool) -> None:
        """One more."""
        self.to(self._done + 1)


class StepProgress(_Meter):
    """Steps of something."""

    unit = "steps"

    def step(self, done: int, total: int) -> None:
        """So many of so many."""
        self.to(done, total)


class ShareProgress(StepProgress):
    """Something of which only the share that is done is known."""

    def _columns(self) -> tuple[ProgressColumn, ...]:
        return (TaskProgressColumn(),)

    def _line(self) -> str:
        return f"{self._title}: {100 * self._done / self._total if self._total else 0:.0f} %{self._left()}"


class TimeProgress(ShareProgress):
    """Something that takes a given time."""

    def step(self, spent: float, limit: float) -> None:
        """So many seconds of so many."""
        self.to(round(spent), round(limit))


class CampaignProgress(SolveProgress):
    """A campaign's listener that keeps the terminal up to date."""

    def started(self, spec: Spec, directory: Path, solves_planned: int) -> None:
        """Say what begins."""
        self._spec = spec
        self.to(0, solves_planned)
        self.say(f"campaign {spec.name} in {directory}: {spec.evaluations} designs, about {solves_planned} solves, "
                 f"objective {spec.objective.name} (seed {spec.seed})")

    def phase(self, name: str) -> None:
        """Name the phase."""
        self.title(name)
        if self._progress is None:
            self.say(f"{name} ...")

    def trained(self, round_: int, card: dict[str, Any]) -> None:
        """Say what the surrogate has learnt from."""
        self.say(f"surrogate trained on {card.get('graphs', '?')} specimens (round {round_})")

    def met(self, round_: int, records: Sequence[StepRecord]) -> None:
        """Say how the round went."""
        values = [record.value for record in records if record.value is not None]
        name = self._spec.objective.name
        best = f"best {name} {in_field_units(self._spec, min(values)):.4g}" if values else "none conducts"
        accepted = sum(record.accepted for record in records)
        self.say(f"round {round_}: {len(records)} designs, {accepted} accepted, {best}")

    def finished(self, summary: dict[str, Any], directory: Path) -> None:
        """The result is told by the command itself."""
