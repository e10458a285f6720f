"""One Ray Tune trial per chain. Trials post their requests in a mailbox; the driver answers them.

The driver alone talks to the solvers and the ledger, so trials hold no CPU and no state that would
be missed: one that is lost starts its walk again and is given the answers it had before. One that is
not there yet is not waited for either: the driver walks its chain until it has caught up.
"""

from __future__ import annotations

import shutil
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.logger import JsonLoggerCallback

from ssbray.campaign.walk import Evaluate, Meet, Plan, Request, walk
from ssbray.campaign.workers import Counter
from ssbray.cluster.lead import Lead
from ssbray.cluster.mailbox import Mailbox, opened, seal
from ssbray.errors import SsbrayWarning

BESIDE_DRIVER = {"node:__internal_head__": 0.001}
HEAD = {"CPU": 0, **BESIDE_DRIVER}  #: on the head, and never waiting for a solver's CPU
PATIENCE_S = 0.02  #: for a solve, before the mailbox is looked into again
FAREWELL_S = 180.0  #: for Tune to end when the campaign does


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
        self._answer = self._mailbox.post.remote(self._index, self._number, seal(request))

    def step(self) -> dict[str, Any]:
        """Walk to the next meeting and a little further, or to the end."""
        while True:
            if self._report and isinstance(self._request, Evaluate):
                report, self._report = self._report, {}
                return report
            try:
                answer = ray.get(self._answer)
            except ray.exceptions.ActorDiedError:  # the driver sees it as well, and walks on alone: to begin again and
                answer = None                      # again, as lost trials do, would keep it waiting at the end
            if answer is None:
                return {"chain": self._index, "done": True}
            self._number += 1
            try:
                self._ask(self._walk.send(opened(answer)))
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


class _Lost(tune.Callback):
    """Chains whose trials have failed for good."""

    def __init__(self) -> None:
        self.chains: deque[int] = deque()

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """One more."""
        self.chains.append(int(trial.config["chain"]))


class TuneAnnealers:
    """Chains as the trials of one Tune experiment."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ahead: dict[int, int] = {}  #: per chain, answers it had been given when its trial took over

    @contextmanager
    def begin(self, plan: Plan, chains: int) -> Iterator[Callable[[Counter], None]]:
        """Start the trials, which takes seconds; what is given walks them to their last meeting.

        Nobody waits for the trials: they come up behind whatever is done meanwhile. When the context is left those that
        still ask are sent home, and Tune ends in order.
        """
        mailbox = ray.remote(num_cpus=0, resources=BESIDE_DRIVER, max_concurrency=4 * chains + 4)(Mailbox).remote()
        storage = self._directory / "tune"
        shutil.rmtree(storage, ignore_errors=True)
        storage.mkdir(mode=0o700, parents=True)
        self._lost = _Lost()
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(ChainTrial, plan=plan, mailbox=mailbox), HEAD),
            param_space={"chain": tune.grid_search(list(range(chains)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=None, reuse_actors=False),
            run_config=tune.RunConfig(name="chains", storage_path=str(storage.resolve()), verbose=0,
                                      callbacks=[JsonLoggerCallback(), self._lost],  # Tune misses the first's files
                                      failure_config=tune.FailureConfig(max_failures=3)))
        self._error: BaseException | None = None
        self._alone = False
        self.ahead = {}
        trials = threading.Thread(target=self._fit, args=(tuner,), daemon=True, name="tune")
        trials.start()
        try:
            yield partial(self._serve, trials, mailbox, Lead(plan, chains))
        finally:
            try:
                self._dismiss(trials, mailbox)
            finally:
                shutil.rmtree(storage, ignore_errors=True)
        if self._error is not None and not self._alone:
            warnings.warn(f"Ray Tune lost trials, and the driver walked their chains ({_in_words(self._error)})",
                          SsbrayWarning, stacklevel=2)

    def _serve(self, trials: threading.Thread, mailbox: Any, lead: Lead, counter: Counter) -> None:
        """Pass requests to the counter and answers back, until every chain has been told the outcome of its last."""
        self.ahead = lead.ahead
        lead.begin(counter)
        taking, idle = mailbox.take.remote(), False  # no taking any more where there is no mailbox
        while lead.left:
            while self._lost.chains:
                lead.retake(self._lost.chains.popleft(), counter)
            if not trials.is_alive():
                for index in lead.ahead:
                    lead.retake(index, counter)
            if taking is not None and ray.wait([taking], timeout=PATIENCE_S if idle else 0)[0]:
                try:
                    letters = ray.get(taking)
                    taking = mailbox.take.remote()
                except ray.exceptions.RayActorError as error:
                    letters, taking = [], None
                    self._walk_alone(lead, counter, error)
                for index, number, request in letters:
                    lead.posted(index, number, opened(request), counter)
            answers = counter.pump(timeout_s=PATIENCE_S)
            idle = not answers and not counter.busy
            for index, answer in answers:
                if taking is not None:
                    mailbox.reply.remote(index, lead.number(index), seal(answer))
                lead.answered(index, answer, counter)

    def _walk_alone(self, lead: Lead, counter: Counter, error: BaseException) -> None:
        """The mailbox is gone, and no trial can be heard: from here on the driver walks every chain."""
        self._alone = True  # that trials fail now, too, is no news
        for index in lead.ahead:
            lead.retake(index, counter)
        warnings.warn("the mailbox of the trials is gone, and the driver walks all chains from here on "
                      f"({_in_words(error)})", SsbrayWarning, stacklevel=2)

    def _dismiss(self, trials: threading.Thread, mailbox: Any) -> None:
        """Send home who still waits for an answer, and let Tune end in order; it must not outlive its cluster."""
        try:
            if ray.is_initialized():  # else Ray would start a cluster to be asked in
                with suppress(ray.exceptions.RayError):  # the mailbox is gone, and with it the trials' requests
                    ray.get(mailbox.close.remote(), timeout=FAREWELL_S)
            trials.join(timeout=FAREWELL_S)
        finally:  # also when the user interrupts the farewell
            if ray.is_initialized():
                with suppress(ray.exceptions.RayError):
                    ray.kill(mailbox)
        if trials.is_alive():
            warnings.warn(f"Ray Tune has not ended within {FAREWELL_S:g} s of the campaign: errors of its trials may "
                          "follow, and mean nothing", SsbrayWarning, stacklevel=2)

    def _fit(self, tuner: tune.Tuner) -> None:
        try:
            results = tuner.fit()
            if results.errors:
                raise results.errors[0]
        except BaseException as error:
            self._error = error


def _in_words(error: BaseException) -> str:
    """In one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
