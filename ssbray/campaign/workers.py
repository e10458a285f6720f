"""Who computes: what the campaign asks of workers, learners and annealers; and one-process workers and annealers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol

from ssbray.campaign.task import Outcome, Task, evaluate
from ssbray.campaign.walk import Plan, Request, walk
from ssbray.domain import FeatureGraph, FloatArray


class Workers(Protocol):
    """Where tasks run. Outcomes come back in any order; the campaign must not care."""

    capacity: int  #: tasks worth having in flight

    def submit(self, task: Task) -> None:
        """Begin a task."""

    def next_done(self, timeout_s: float) -> Outcome | None:
        """An outcome that is there, or arrives within the time; None otherwise."""


class Learner(Protocol):
    """Who trains the surrogate and predicts with it."""

    def train(self, graphs: Sequence[FeatureGraph], sigma: Sequence[float], groups: Sequence[str], seed: int
              ) -> dict[str, Any]:
        """Fit to conductivities [S/m]; returns the model card."""

    def predict(self, graphs: Sequence[FeatureGraph]) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of ln sigma, each (n,); mean -inf where nothing conducts."""

    def save(self, directory: str) -> None:
        """Write the model."""


class Counter(Protocol):
    """Where requests of the chains are handed in and answers given out."""

    @property
    def busy(self) -> bool:
        """Whether `pump` has something to wait for."""

    def accept(self, index: int, request: Request) -> None:
        """Take a request of a chain; each chain has one open at a time."""

    def pump(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Answers that are ready, as (chain, answer), waiting at most this long for work to finish."""


class Annealers(Protocol):
    """Who walks the chains."""

    def begin(self, plan: Plan, chains: int) -> AbstractContextManager[Callable[[Counter], None]]:
        """Prepare to walk, while other things are done; what is given walks all chains to their last meeting."""


class SerialWorkers:
    """Tasks in this process, one after the other."""

    capacity = 1

    def __init__(self, evaluate: Callable[[Task], Outcome] = evaluate) -> None:
        self._evaluate = evaluate
        self._waiting: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Put a task in the queue."""
        self._waiting.append(task)

    def next_done(self, timeout_s: float) -> Outcome | None:
        """Compute the next task."""
        return self._evaluate(self._waiting.popleft()) if self._waiting else None


class SerialAnnealers:
    """All chains in this process, advanced as their answers come."""

    @contextmanager
    def begin(self, plan: Plan, chains: int) -> Iterator[Callable[[Counter], None]]:
        """Nothing is prepared; what is given walks all chains to their last meeting."""
        yield partial(self._walk, plan, chains)

    def _walk(self, plan: Plan, chains: int, counter: Counter) -> None:
        walks = {index: walk(index, plan) for index in range(chains)}
        for index, steps in walks.items():
            counter.accept(index, next(steps))
        while walks:
            for index, answer in counter.pump(timeout_s=1.0):
                try:
                    counter.accept(index, walks[index].send(answer))
                except StopIteration:
                    del walks[index]
