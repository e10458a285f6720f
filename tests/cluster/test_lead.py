"""Whoever walks a chain, the driver or its trial, and whenever the one takes over from the other: the same walk."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress

import pytest

from ssbray import annealing
from ssbray.campaign import SerialAnnealers, SerialWorkers, run
from ssbray.campaign.loop import plan_of
from ssbray.campaign.objective import Evaluation
from ssbray.campaign.walk import Directions, Evaluate, Meet, walk
from ssbray.cluster.lead import Lead
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
