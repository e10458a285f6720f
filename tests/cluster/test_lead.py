"""Whoever walks a chain, the driver or its trial, and whenever the one takes over from the other: the same walk."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections import deque
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
import ray

from ssbray import annealing
from ssbray.campaign import SerialAnnealers, SerialWorkers, run
from ssbray.campaign.loop import plan_of
from ssbray.campaign.objective import Evaluation
from ssbray.campaign.walk import Directions, Evaluate, Meet, walk
from ssbray.cluster import annealers
from ssbray.cluster.annealers import TuneAnnealers
from ssbray.cluster.lead import Lead
from ssbray.cluster.mailbox import Mailbox, opened, seal
from ssbray.errors import SsbrayWarning
from ssbray.rng import stream
from tests.campaign import fakes


class Trials:
    """Annealers with trials in this process, each as fast as chance has it, and now and then begun again."""

    def __init__(self, seed, speed, lost=0.0, gone=0.0):
        self._draw, self._speed, self._lost, self._gone = stream(seed, "trials"), speed, lost, gone
        self._trials, self._answers, self._asked, self._posts = {}, {}, set(), deque()
        self.lead, self.lost, self.gone = None, 0, set()

    @contextmanager
    def begin(self, plan, chains):
        yield lambda counter: self._serve(plan, chains, counter)

    def _serve(self, plan, chains, counter):
        self.lead = lead = Lead(plan, chains)
        lead.begin(counter)
        while lead.left:
            for index in range(chains):
                if index not in self.gone and self._draw.random() < self._speed:
                    self._step(index, plan)
                if self._draw.random() < self._gone:
                    self.gone.add(index)
                    lead.retake(index, counter)
            while self._posts and self._draw.random() < 0.7:
                lead.posted(*self._posts.popleft(), counter)
            for index, answer in counter.pump(timeout_s=0.0):
                self._answers[index, lead.number(index)] = answer
                lead.answered(index, answer, counter)

    def _step(self, index, plan):
        """A trial asks what was not asked yet, or goes on where there is an answer, as the mailbox would let it."""
        if index not in self._trials or self._draw.random() < self._lost:
            self.lost += index in self._trials
            steps = walk(index, plan)
            self._trials[index] = steps, 0, next(steps)
        steps, number, request = self._trials[index]
        if (index, number) in self._answers:
            with suppress(StopIteration):
                self._trials[index] = steps, number + 1, steps.send(self._answers[index, number])
        elif (index, number) not in self._asked:
            self._asked.add((index, number))
            self._posts.append((index, number, request))


def campaign(directory, annealers):
    return run(fakes.spec(), directory, workers=SerialWorkers(fakes.evaluate), learner=fakes.QuadraticLearner(),
               annealers=annealers, listener=fakes.Silence())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return campaign(tmp_path_factory.mktemp("alone"), SerialAnnealers())


@pytest.mark.parametrize(("speed", "lost", "gone"), [
    (1.0, 0.0, 0.0), (0.8, 0.05, 0.0), (0.5, 0.1, 0.02), (0.0, 0.0, 0.0), *((1.0, 0.0, 0.02 * k) for k in (1, 2, 3))])
def test_the_walk_is_the_same_whoever_walks(alone, tmp_path, speed, lost, gone):
    """Trials take over as they come up, begin again where they are lost, and some are gone for good."""
    trials = Trials(3, speed, lost, gone)
    summary = campaign(tmp_path, trials)
    assert summary["trajectory_sha256"] == alone["trajectory_sha256"]
    assert summary["best"] == alone["best"]
    assert summary["evaluations"] == alone["evaluations"]
    assert (trials.lost > 0) == (lost > 0)
    assert (trials.gone != set()) == (gone > 0)
    ahead = trials.lead.ahead
    assert sorted(ahead) == [0, 1, 2]
    if not gone:
        assert (max(ahead.values()) < 16) == (speed > 0)  # 16 requests and more with nobody else there


def test_a_late_request_of_a_trial_that_is_gone_does_not_give_it_the_lead():
    plan, heard = plan_of(fakes.spec()), []

    class Counter:
        def accept(self, index, request):
            heard.append(request)

    counter, lead, trial = Counter(), Lead(plan, 1), walk(0, plan)
    (point,) = plan.space.spread(1, 0)
    directions = Directions(chain=annealing.start(0, point, 1.0, plan.schedule), known=(), screening=False)
    lead.begin(counter)
    lead.posted(0, 0, next(trial), counter)
    lead.answered(0, directions, counter)
    assert [type(each) for each in heard] == [Meet], "the trial leads"
    lead.retake(0, counter)
    lead.posted(0, 1, trial.send(directions), counter)
    assert [type(each) for each in heard] == [Meet, Evaluate], "asked once, by the driver"
    lead.answered(0, Evaluation(value=1.0, spread=0.0, failure=None, keys=()), counter)
    assert [type(each) for each in heard] == [Meet, Evaluate, Evaluate]
    assert lead.ahead == {0: 1}


class Dying:
    """A mailbox with trials behind it, in this process, and what is asked of Ray about it; after some letters it dies.

    Nothing is asked of it any more once that is known.
    """

    def __init__(self, letters):
        self._letters, self.known, self.heard = letters, False, 0
        self._walks, self._posts = {}, deque()
        self.take = SimpleNamespace(remote=lambda: self._asked("letters"))
        self.reply = SimpleNamespace(remote=self._reply)
        self.exceptions, self.lead = ray.exceptions, None

    def begin(self, plan, chains):
        self._walks = {index: walk(index, plan) for index in range(chains)}
        self._posts.extend((index, 0, seal(next(steps))) for index, steps in self._walks.items())

    def _asked(self, what):
        assert not self.known
        return what

    def _reply(self, index, number, answer):
        self._asked("an answer")
        with suppress(StopIteration):
            self._posts.append((index, number + 1, seal(self._walks[index].send(opened(answer)))))

    def wait(self, waited, timeout):
        return waited if self._posts else [], []

    def get(self, ticket):
        if self.heard >= self._letters:
            self.known, self.led = True, [index for index in self._walks if index not in self.lead._walks]
            raise ray.exceptions.ActorDiedError
        letters = list(self._posts)
        self._posts.clear()
        self.heard += len(letters)
        return letters


@pytest.mark.parametrize("letters", [0, 4, 11, 20])
def test_the_driver_walks_on_alone_where_the_mailbox_dies(alone, tmp_path, monkeypatch, letters):
    """Whether the trials were not there yet, or lead, or are between two requests."""
    mailbox, trials = Dying(letters), TuneAnnealers(tmp_path)
    trials._lost, trials._alone = SimpleNamespace(chains=deque()), False

    class Walker:
        @contextmanager
        def begin(self, plan, chains):
            mailbox.begin(plan, chains)
            mailbox.lead = Lead(plan, chains)
            yield lambda counter: trials._serve(SimpleNamespace(is_alive=lambda: True), mailbox, mailbox.lead, counter)

    monkeypatch.setattr(annealers, "ray", mailbox)
    with pytest.warns(SsbrayWarning, match="mailbox of the trials is gone") as said:
        summary = campaign(tmp_path, Walker())
    assert len(said) == 1
    assert mailbox.known
    assert (mailbox.led != []) == (letters > 0)
    assert trials._alone
    assert summary["trajectory_sha256"] == alone["trajectory_sha256"]


class Mortal(Mailbox):
    """Its process is killed at its 20th letter."""

    async def post(self, index, number, request):
        if len(self._asked) == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().post(index, number, request)


class Waiting(Lead):
    """Gives no answer before all trials are there, so that they lead when the mailbox dies."""

    def begin(self, counter):
        super().begin(counter)
        pump = counter.pump
        counter.pump = lambda timeout_s: time.sleep(timeout_s) or [] if self._walks.keys() - self._gone else pump(
            timeout_s)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_mailbox_that_is_killed_does_not_end_the_campaign(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(annealers, "Mailbox", Mortal)
    monkeypatch.setattr(annealers, "Lead", Waiting)
    trials = TuneAnnealers(tmp_path)
    with pytest.warns(SsbrayWarning, match="the driver walks all chains from here on") as said:
        summary = campaign(tmp_path, trials)
    assert len([each for each in said if each.category is SsbrayWarning]) == 1
    assert summary["trajectory_sha256"] == alone["trajectory_sha256"]
    assert all(0 < answers < 16 for answers in trials.ahead.values()), "the trials led, and then the driver"
    assert not (tmp_path / "tune").exists()
    assert "tune" not in [thread.name for thread in threading.enumerate()]


class Farewell:
    """Ray and Tune as they are when a campaign ends; Tune's trials end when they are told."""

    def __init__(self, monkeypatch, get=lambda *_, **__: None, connected=True, kill=None):
        self.killed, self.over = [], threading.Event()
        box = SimpleNamespace(close=SimpleNamespace(remote=self.over.set if get is not None else lambda: None))
        self._kill = kill
        monkeypatch.setattr(annealers, "ray", SimpleNamespace(
            remote=lambda **_: lambda actor: SimpleNamespace(remote=lambda: box), is_initialized=lambda: connected,
            get=get or (lambda *_, **__: None), kill=self.kill, exceptions=ray.exceptions))
        monkeypatch.setattr(annealers, "tune", SimpleNamespace(
            Tuner=lambda *_, **__: SimpleNamespace(fit=self.fit), **{name: lambda *_, **__: None for name in (
                "with_resources", "with_parameters", "grid_search", "TuneConfig", "RunConfig", "FailureConfig")}))

    def fit(self):
        self.over.wait(60)
        return SimpleNamespace(errors=[])

    def kill(self, actor):
        self.killed.append(actor)
        if self._kill is not None:
            raise self._kill


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupted_farewell_leaves_nothing_behind(tmp_path, monkeypatch):
    ended = Farewell(monkeypatch, get=interrupted)
    with pytest.raises(KeyboardInterrupt), TuneAnnealers(tmp_path).begin(plan_of(fakes.spec()), 1):
        raise ZeroDivisionError("the first error")
    assert len(ended.killed) == 1
    assert not (tmp_path / "tune").exists()


@pytest.mark.parametrize("state", [
    {"kill": ray.exceptions.RaySystemError("Ray has not been started yet")},
    {"kill": ray.exceptions.ActorHandleNotFoundError("of another cluster")}, {"connected": False}])
def test_a_ray_that_is_gone_does_not_hide_what_went_wrong(tmp_path, monkeypatch, state):
    ended = Farewell(monkeypatch, **state)
    ended.over.set()
    with pytest.raises(ZeroDivisionError), TuneAnnealers(tmp_path).begin(plan_of(fakes.spec()), 1):
        raise ZeroDivisionError("the first error")
    assert len(ended.killed) == ("kill" in state)  # Ray would start a cluster to be asked in
    assert not (tmp_path / "tune").exists()


@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_trials_that_outlive_the_campaign_are_said(tmp_path, monkeypatch, patience):
    """Told to end, they do; those that nobody told do not."""
    ended = Farewell(monkeypatch, get=None if patience == 0 else lambda *_, **__: None)
    monkeypatch.setattr(annealers, "FAREWELL_S", patience)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with TuneAnnealers(tmp_path).begin(plan_of(fakes.spec()), 1):
            pass
    ended.over.set()
    assert ["has not ended within 0 s" in str(each.message) for each in said] == [True] * (patience == 0)
    assert len(ended.killed) == 1
