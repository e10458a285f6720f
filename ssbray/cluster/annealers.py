"""One Ray Tune trial per chain. Trials post their requests in a mailbox; the driver answers them.

The driver alone talks to the solvers and the ledger, so trials hold no CPU and no state that would
be missed: one that is lost starts its walk again and is given the answers it had before.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.logger import JsonLoggerCallback

from ssbray.campaign.walk import Evaluate, Meet, Plan, Request, walk
from ssbray.campaign.workers import Counter

HEAD = {"CPU": 0, "node:__internal_head__": 0.001}  #: beside the driver, and never waiting for a solver's CPU
PATIENCE_S = 0.02
FAREWELL_S = 180.0  #: for the trials to end when the campaign stops early


class _Mailbox:
    """Requests of the chains in, answers out; every answer is kept for a trial that must start again."""

    def __init__(self) -> None:
        self._requests: asyncio.Queue[tuple[int, int, Request]] = asyncio.Queue()
        self._asked: set[tuple[int, int]] = set()
        self._answers: dict[tuple[int, int], Any] = {}
        self._news = asyncio.Condition()
        self._over = False

    async def post(self, index: int, number: int, request: Request) -> Any:
        """Hand in a chain's request of that number, once however often it is posted, and wait for its answer.

        None when the campaign has stopped.
        """
        if (index, number) not in self._asked:
            self._asked.add((index, number))
            self._requests.put_nowait((index, number, request))
        async with self._news:
            await self._news.wait_for(lambda: self._over or (index, number) in self._answers)
        return None if self._over else self._answers[index, number]

    async def take(self) -> list[tuple[int, int, Request]]:
        """All requests that are there, at least one."""
        taken = [await self._requests.get()]
        while not self._requests.empty():
            taken.append(self._requests.get_nowait())
        return taken

    async def reply(self, index: int, number: int, answer: Any) -> None:
        """Answer a chain's request of that number."""
        self._answers[index, number] = answer
        async with self._news:
            self._news.notify_all()

    async def close(self) -> None:
        """The campaign stops: send everybody home."""
        self._over = True
        async with self._news:
            self._news.notify_all()


class ChainTrial(tune.Trainable):
    """A chain; one Tune iteration is one round, from meeting to meeting.

    A round is reported when the first solve of the next one is under way: Tune takes a good part of a second for it.
    """

    def setup(self, config: dict[str, Any], plan: Plan | None = None, mailbox: Any = None) -> None:
        """Begin the walk."""
        assert plan is not None
        self._index, self._mailbox, self._number = int(config["chain"]), mailbox, 0
        self._walk = walk(self._index, plan)
        self._report: dict[str, Any] = {}
        self._ask(next(self._walk))

    def _ask(self, request: Request) -> None:
        self._request = request
        self._answer = self._mailbox.post.remote(self._index, self._number, request)

    def step(self) -> dict[str, Any]:
        """Walk to the next meeting and a little further, or to the end."""
        while True:
            if self._report and isinstance(self._request, Evaluate):
                report, self._report = self._report, {}
                return report
            answer = ray.get(self._answer)
            if answer is None:
                return {"chain": self._index, "done": True}
            self._number += 1
            try:
                self._ask(self._walk.send(answer))
            except StopIteration:
                return {"chain": self._index, **self._report, "done": True}
            if isinstance(self._request, Meet):
                values = [record.value for record in self._request.records if record.value is not None]
                self._report = {"chain": self._index, "round": self._request.round, "best": min(values, default=None),
                                "accepted": sum(record.accepted for record in self._request.records), "done": False}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: the mailbox knows the answers so far."""
        return {}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to load."""


class TuneAnnealers:
    """Chains as the trials of one Tune experiment."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def begin(self, plan: Plan, chains: int) -> Iterator[Callable[[Counter], None]]:
        """Start the trials, which takes seconds, and let them wait; what is given walks them to their last meeting.

        Tune comes to its end behind whatever is done next, until the context is left.
        """
        mailbox = ray.remote(num_cpus=0, max_concurrency=4 * chains + 4)(_Mailbox).remote()
        storage = self._directory / "tune"
        shutil.rmtree(storage, ignore_errors=True)
        storage.mkdir(mode=0o700, parents=True)
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(ChainTrial, plan=plan, mailbox=mailbox), HEAD),
            param_space={"chain": tune.grid_search(list(range(chains)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=None, reuse_actors=False),
            run_config=tune.RunConfig(name="chains", storage_path=str(storage.resolve()), verbose=0,
                                      callbacks=[JsonLoggerCallback()],  # Tune complains where it finds no result file
                                      failure_config=tune.FailureConfig(max_failures=3)))
        self._error: BaseException | None = None
        trials = threading.Thread(target=self._fit, args=(tuner,), daemon=True, name="tune")
        trials.start()
        try:
            yield partial(self._serve, trials, mailbox, plan.rounds, chains)
            trials.join(timeout=FAREWELL_S)
        except BaseException:
            self._dismiss(trials, mailbox)
            raise
        finally:
            ray.kill(mailbox)
            shutil.rmtree(storage, ignore_errors=True)
        if self._error is not None:
            raise self._error

    def _serve(self, trials: threading.Thread, mailbox: Any, rounds: int, chains: int, counter: Counter) -> None:
        """Pass requests to the counter and answers back, until every chain has been told the outcome of its last."""
        open_: dict[int, int] = {}  # chain -> number of its request
        last: set[int] = set()  # chains whose open request is their last meeting
        taking = mailbox.take.remote()
        while chains and trials.is_alive():
            taken, _ = ray.wait([taking], timeout=PATIENCE_S / 2)
            if taken:
                for index, number, request in ray.get(taking):
                    open_[index] = number
                    if isinstance(request, Meet) and request.round == rounds:
                        last.add(index)
                    counter.accept(index, request)
                taking = mailbox.take.remote()
            for index, answer in counter.pump(timeout_s=PATIENCE_S):
                mailbox.reply.remote(index, open_[index], answer)
                chains -= index in last
        if self._error is not None:
            raise self._error

    def _dismiss(self, trials: threading.Thread, mailbox: Any) -> None:
        """Let Tune end in order; left alone it would start a cluster of its own when this one is gone."""
        try:
            ray.get(mailbox.close.remote(), timeout=FAREWELL_S)
        except ray.exceptions.RayError:  # the mailbox's machine is gone, and with it the trials' requests
            return
        trials.join(timeout=FAREWELL_S)

    def _fit(self, tuner: tune.Tuner) -> None:
        try:
            results = tuner.fit()
            if results.errors:
                raise results.errors[0]
        except BaseException as error:
            self._error = error
