"""A supervised pool of solver actors: one task in flight each, a deadline, retries that are ours."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import ray

from ssbray.campaign.task import Outcome, Task, evaluate
from ssbray.cluster.session import THREADS, cluster_cpus, local
from ssbray.errors import InputError

BUNDLE = 8  #: graphs in one call
ATTEMPTS = 2  #: a task that takes its actor down, or out of time, this often is given up


class Solver:
    """An actor that keeps PETSc and the tables warm between tasks."""

    def __init__(self, evaluate: Callable[[Task], Outcome]) -> None:
        self._evaluate = evaluate
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def evaluate(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Compute tasks here, one after the other."""
        return [replace(self._evaluate(task), worker=self._name) for task in tasks]

    def threads(self) -> dict[str, str]:
        """Thread limits that this process was started with."""
        return {name: os.environ.get(name, "") for name in THREADS}


@dataclass
class _Flight:
    tasks: list[Task]
    actor: ray.actor.ActorHandle
    attempt: int
    deadline: float


class RayWorkers:
    """Tasks on solver actors. A machine that dies is an outcome; a mistake of ours is raised.

    Each actor has one solve at a time, or up to `BUNDLE` graphs, which take milliseconds, in one call: what a bundle
    took down with it is tried again one by one.

    A task is handed only to an actor that has reported itself ready, and its deadline begins then; so
    actors that the cluster has no room for yet cost nothing, and join when there is.
    """

    def __init__(self, *, solvers: int | None = None, cpus_per_solver: float = 1.0, timeout_s: float = 600.0,
                 evaluate: Callable[[Task], Outcome] = evaluate) -> None:
        room = int(cluster_cpus() / cpus_per_solver)
        if room < 1 and local():
            raise InputError("cluster.cpus_per_solver", cpus_per_solver, f"this machine has {cluster_cpus()} CPUs for "
                             "all of it: ask for fewer")
        if solvers is None and room < 1:
            raise InputError("cluster.solvers", None, "the cluster has no CPU for a solver yet: say how many solvers "
                             "to ask it for (--workers)")
        self.capacity = solvers or room
        self._timeout_s = timeout_s
        # no restarts by Ray: a call to an actor that is just being restarted fails too
        self._class = ray.remote(num_cpus=cpus_per_solver, max_restarts=0, max_task_retries=0,
                                 runtime_env={"env_vars": THREADS})(Solver)
        self._evaluate = evaluate
        self._starting: dict[ray.ObjectRef, ray.actor.ActorHandle] = {}
        self._false_starts = 0
        self._idle: deque[ray.actor.ActorHandle] = deque()
        self._running: dict[ray.ObjectRef, _Flight] = {}
        self._solves: deque[tuple[Task, int]] = deque()  # with the number of the attempt
        self._graphs: deque[tuple[Task, int]] = deque()  # go first
        self._arrived: deque[Outcome] = deque()
        for _ in range(self.capacity):
            self._hire()

    def submit(self, task: Task) -> None:
        """Begin a task, or queue it until an actor is free."""
        self._queue(task).append((task, 1))
        self._launch()

    def next_done(self, timeout_s: float) -> Outcome | None:
        """An outcome that is there, or arrives within the time; None otherwise."""
        if self._arrived:
            return self._arrived.popleft()
        if not self._running and not self._solves and not self._graphs:
            return None
        if (late := self._overdue()) is not None:  # before others are heard, who may never fall silent
            return self._again(late, f"no answer within {self._timeout_s:g} s on attempt {late.attempt}")
        done, _ = ray.wait([*self._running, *self._starting], num_returns=1, timeout=timeout_s)
        if not done:
            return None
        if done[0] in self._starting:
            self._welcome(done[0])
            return None
        flight = self._running.pop(done[0])
        try:
            outcomes: list[Outcome] = ray.get(done[0])
        except ray.exceptions.RayTaskError as error:  # a mistake of ours, or of the user: let it be seen
            if isinstance(error.cause, InputError):
                raise error.cause from None
            raise
        except ray.exceptions.RayError as error:  # the machine failed, not the task
            return self._again(flight, f"{type(error).__name__} on attempt {flight.attempt}")
        for task, outcome in zip(flight.tasks, outcomes, strict=True):
            if outcome.key != task.key:
                raise InputError("cluster", outcome.worker, "solves with another version of ssbray than this driver: "
                                 "install the same on every node")
        self._arrived.extend(outcomes)
        self._idle.append(flight.actor)
        self._launch()
        return self._arrived.popleft()

    def close(self) -> None:
        """End the actors."""
        for actor in [*self._idle, *self._starting.values(), *(flight.actor for flight in self._running.values())]:
            ray.kill(actor)

    def _hire(self) -> None:
        actor = self._class.remote(self._evaluate)
        self._starting[actor.threads.remote()] = actor

    def _welcome(self, reference: ray.ObjectRef) -> None:
        actor = self._starting.pop(reference)
        try:
            ray.get(reference)
        except ray.exceptions.RayError as error:
            self._false_starts += 1
            if self._false_starts > ATTEMPTS * self.capacity:
                raise InputError("cluster", "solvers", f"{self._false_starts} of them died while they started "
                                 f"({type(error).__name__}): see that ssbray is installed on every node, with memory "
                                 "for it") from None
            self._hire()
            return
        self._idle.append(actor)
        self._launch()

    def _launch(self) -> None:
        while self._idle and (self._graphs or self._solves):
            tasks, attempt = self._next()
            actor = self._idle.popleft()
            reference = actor.evaluate.remote(tasks)
            self._running[reference] = _Flight(tasks, actor, attempt, time.monotonic() + self._timeout_s)

    def _queue(self, task: Task) -> deque[tuple[Task, int]]:
        return self._solves if task.kind == "solve" else self._graphs

    def _next(self) -> tuple[list[Task], int]:
        """For one actor: its share of the graphs that wait, but one that failed before alone; or a solve."""
        task, attempt = (self._graphs or self._solves).popleft()
        tasks = [task]
        share = min(BUNDLE, 1 + len(self._graphs) // self.capacity) if task.kind == "graph" else 1
        while attempt == 1 and len(tasks) < share and self._graphs[0][1] == 1:
            tasks.append(self._graphs.popleft()[0])
        return tasks, attempt

    def _overdue(self) -> _Flight | None:
        """Take a task that is out of time, and has no answer, off the list."""
        now = time.monotonic()
        for reference in [reference for reference, flight in self._running.items() if now > flight.deadline]:
            if not ray.wait([reference], timeout=0)[0]:
                return self._running.pop(reference)
        return None

    def _again(self, flight: _Flight, reason: str) -> Outcome | None:
        """Replace the actor, and try once more or give up."""
        ray.kill(flight.actor)
        self._hire()
        if flight.attempt < ATTEMPTS:
            for task in reversed(flight.tasks):
                self._queue(task).appendleft((task, flight.attempt + 1))
            self._launch()
            return None
        self._arrived.extend(Outcome(key=task.key, failure=f"given up: {reason}") for task in flight.tasks)
        return self._arrived.popleft()
