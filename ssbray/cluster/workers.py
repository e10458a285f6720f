"""A supervised pool of solver actors: one task in flight each, a deadline, retries that are ours."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import ray

from ssbray.campaign.task import Outcome, Task, evaluate
from ssbray.cluster.session import THREADS, cluster_cpus

ATTEMPTS = 2  #: a task that takes its actor down, or out of time, this often is given up


class Solver:
    """An actor that keeps PETSc and the tables warm between tasks."""

    def __init__(self, evaluate: Callable[[Task], Outcome]) -> None:
        self._evaluate = evaluate
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def evaluate(self, task: Task) -> Outcome:
        """Compute a task here."""
        return replace(self._evaluate(task), worker=self._name)

    def threads(self) -> dict[str, str]:
        """Thread limits that this process was started with."""
        return {name: os.environ.get(name, "") for name in THREADS}


@dataclass
class _Flight:
    task: Task
    key: str
    actor: ray.actor.ActorHandle
    attempt: int
    deadline: float


class RayWorkers:
    """Tasks on solver actors. A machine that dies is an outcome; a mistake of ours is raised."""

    def __init__(self, *, solvers: int | None = None, cpus_per_solver: float = 1.0, timeout_s: float = 600.0,
                 start_up_s: float = 60.0, evaluate: Callable[[Task], Outcome] = evaluate) -> None:
        self.capacity = solvers or max(1, int(cluster_cpus() / cpus_per_solver))
        self._timeout_s, self._start_up_s = timeout_s, start_up_s
        self._warm: set[ray.actor.ActorHandle] = set()  # actors that have answered once
        # no restarts by Ray: a call to an actor that is just being restarted fails too
        self._class = ray.remote(num_cpus=cpus_per_solver, max_restarts=0, max_task_retries=0,
                                 runtime_env={"env_vars": THREADS})(Solver)
        self._evaluate = evaluate
        self._idle = deque(self._class.remote(evaluate) for _ in range(self.capacity))
        self._running: dict[ray.ObjectRef, _Flight] = {}
        self._waiting: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Begin a task, or queue it until an actor is free."""
        self._waiting.append(task)
        self._launch()

    def next_done(self, timeout_s: float) -> Outcome | None:
        """An outcome that is there, or arrives within the time; None otherwise."""
        if not self._running:
            return None
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        if not done:
            return self._overdue()
        flight = self._running.pop(done[0])
        try:
            outcome: Outcome = ray.get(done[0])
        except ray.exceptions.RayTaskError:  # a mistake of ours: let it be seen
            raise
        except ray.exceptions.RayError as error:  # the machine failed, not the task
            return self._again(flight, f"{type(error).__name__} on attempt {flight.attempt}")
        self._idle.append(flight.actor)
        self._warm.add(flight.actor)
        self._launch()
        return outcome

    def close(self) -> None:
        """End the actors."""
        for actor in [*self._idle, *(flight.actor for flight in self._running.values())]:
            ray.kill(actor)

    def _launch(self) -> None:
        while self._idle and self._waiting:
            self._start(self._waiting.popleft(), self._idle.popleft(), 1)

    def _start(self, task: Task, actor: ray.actor.ActorHandle, attempt: int) -> None:
        reference = actor.evaluate.remote(task)
        patience = self._timeout_s + (0.0 if actor in self._warm else self._start_up_s)
        self._running[reference] = _Flight(task, task.key, actor, attempt, time.monotonic() + patience)

    def _overdue(self) -> Outcome | None:
        """Give up waiting for a task that is out of time."""
        for reference, flight in list(self._running.items()):
            if time.monotonic() > flight.deadline:
                del self._running[reference]
                return self._again(flight, f"no answer within {self._timeout_s:g} s on attempt {flight.attempt}")
        return None

    def _again(self, flight: _Flight, reason: str) -> Outcome | None:
        """Replace the actor, and try once more or give up."""
        ray.kill(flight.actor)
        self._warm.discard(flight.actor)
        actor = self._class.remote(self._evaluate)
        if flight.attempt < ATTEMPTS:
            self._start(flight.task, actor, flight.attempt + 1)
            return None
        self._idle.append(actor)
        self._launch()
        return Outcome(key=flight.key, failure=f"given up: {reason}")
