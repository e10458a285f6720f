"""The desk: turns requests into tasks, answers from the ledger what is known, and keeps what comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssbray.campaign.ledger import Ledger
from ssbray.campaign.pause import Paused
from ssbray.campaign.siblings import Siblings
from ssbray.campaign.task import Outcome, Task
from ssbray.campaign.workers import Workers

AHEAD = 4  #: for so many workers one more task is handed out, so that none is idle while an outcome is being kept


@dataclass
class _Open:
    """A request whose tasks are not all done."""

    keys: tuple[str, ...]
    missing: set[str]
    finish: Callable[[list[Outcome]], Any]
    done: dict[str, Outcome] = field(default_factory=dict)


class Desk:
    """Serves any number of requests at once over one pool of workers.

    Solves are kept in the ledger before anybody hears of them, and a solve that the ledger or one of
    its siblings knows is not repeated. Two requests for the same solve share it.
    """

    def __init__(self, ledger: Ledger, workers: Workers, on_outcome: Callable[[Outcome, bool], None] | None = None, *,
                 siblings: Siblings | None = None, hold: Callable[[], bool] = lambda: False) -> None:
        self._ledger, self._workers = ledger, workers
        self._siblings, self._hold = siblings, hold
        self._on_outcome = on_outcome or (lambda outcome, cached: None)
        self._open: dict[Any, _Open] = {}
        self._solves: deque[Task] = deque()
        self._graphs: deque[Task] = deque()  # go first: a chain that ranks proposals has no solve to keep workers busy
        self._drawing = 0  #: graphs in flight
        self._running: dict[str, Task] = {}
        self._ready: list[tuple[Any, Any]] = []
        self.solves: dict[str, Outcome] = {}  #: every solve handed out, by key
        self.tasks: dict[str, Task] = {}
        self.fresh = 0  #: solves computed now
        self.busy_s = 0.0  #: seconds that workers spent on tasks now
        self.cache_hits = 0  #: requests for a solve that was there already

    def accept(self, ticket: Any, tasks: list[Task], finish: Callable[[list[Outcome]], Any]) -> None:
        """Take a request: when all its tasks are done, `finish` of their outcomes, in order, is the answer."""
        keys = tuple(task.key for task in tasks)
        request = _Open(keys=keys, missing=set(keys), finish=finish)
        self._open[ticket] = request
        for task, key in zip(tasks, keys, strict=True):
            known = self.solves.get(key)
            if known is None and task.kind == "solve" and key not in self._running:
                known = self._ledger.get(key) or self._taken_over(task, key)
            if known is not None:
                self.cache_hits += 1
                self._deliver(task, known, cached=True, only=request)
            elif key not in self._running:
                self._running[key] = task
                (self._solves if task.kind == "solve" else self._graphs).append(task)
        self._settle()

    @property
    def busy(self) -> bool:
        """Whether there is a task that an outcome can come of."""
        return bool(self._running)

    def pump(self, timeout_s: float) -> list[tuple[Any, Any]]:
        """Hand tasks to idle workers, take what they finished, and give the answers that are complete.

        Raises
        ------
        Paused
            Somebody asks for it, and nothing is in flight any more.
        """
        in_flight = len(self._running) - len(self._solves) - len(self._graphs)
        hold = self._hold()
        if hold and not in_flight:
            raise Paused
        most = self._workers.capacity + max(1, self._workers.capacity // AHEAD)
        while not hold and self._graphs:  # all at once: workers take several at a time
            self._workers.submit(self._graphs.popleft())
            in_flight, self._drawing = in_flight + 1, self._drawing + 1
        while not hold and self._solves and in_flight - self._drawing < most:
            self._workers.submit(self._solves.popleft())
            in_flight += 1
        if not self._ready and in_flight and (outcome := self._workers.next_done(timeout_s)) is not None:
            task = self._running.pop(outcome.key)
            if task.kind == "solve":
                self._ledger.put(task, outcome)
                self.fresh += outcome.ok
            else:
                self._drawing -= 1
            self.busy_s += outcome.seconds
            self._deliver(task, outcome, cached=False)
            self._settle()
        ready, self._ready = self._ready, []
        return ready

    def outcomes(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Outcomes of tasks, in their order, failures included; waits for all of them, and serves nobody else."""
        for number, task in enumerate(tasks):
            self.accept(number, [task], list)
        found: dict[int, Outcome] = {}
        while len(found) < len(tasks):
            for number, (outcome,) in self.pump(timeout_s=1.0):
                found[number] = outcome
        return [found[number] for number in range(len(tasks))]

    def forget_failures(self) -> None:
        """Let failed solves be tried again when they are next asked for."""
        self.solves = {key: outcome for key, outcome in self.solves.items() if outcome.ok}

    def _taken_over(self, task: Task, key: str) -> Outcome | None:
        """Another campaign's solve, kept here too from now on."""
        found = self._siblings.get(key) if self._siblings is not None else None
        if found is None:
            return None
        outcome, source = found
        self._ledger.put(task, outcome, source=source)
        return outcome

    def _deliver(self, task: Task, outcome: Outcome, *, cached: bool, only: _Open | None = None) -> None:
        if task.kind == "solve" and outcome.key not in self.solves:
            self.solves[outcome.key], self.tasks[outcome.key] = outcome, task
            self._on_outcome(outcome, cached)
        for request in [only] if only else self._open.values():
            if outcome.key in request.missing:
                request.missing.discard(outcome.key)
                request.done[outcome.key] = outcome

    def _settle(self) -> None:
        for ticket in [ticket for ticket, request in self._open.items() if not request.missing]:
            request = self._open.pop(ticket)
            self._ready.append((ticket, request.finish([request.done[key] for key in request.keys])))
