"""Chains on Ray: the trajectory is that of one process, also when trials die, wait or are sent home."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from ssbray.campaign import SerialAnnealers, SerialWorkers, run
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.cluster import annealers
from ssbray.cluster.annealers import TuneAnnealers
from ssbray.cluster.lead import Lead
from ssbray.cluster.mailbox import Mailbox
from ssbray.errors import SsbrayWarning
from tests.campaign import fakes

pytestmark = pytest.mark.usefixtures("ray_cluster")


class Patient(Lead):
    """Gives no answer before all trials are there, so that they lead from the beginning."""

    def begin(self, counter):
        super().begin(counter)
        pump = counter.pump
        counter.pump = lambda timeout_s: time.sleep(timeout_s) or [] if self._walks else pump(timeout_s)


@pytest.mark.parametrize(("solvers", "lead"), [(1, Lead), (2, Patient)])
def test_the_trajectory_is_that_of_one_process(pool, tmp_path, monkeypatch, solvers, lead):
    """Where the driver walks until the trials are there, and where it waits for them."""
    def campaign(name, workers, walker):
        return run(fakes.spec(), tmp_path / name, workers=workers, learner=fakes.QuadraticLearner(),
                   annealers=walker, listener=fakes.Silence())

    monkeypatch.setattr(annealers, "Lead", lead)
    alone = campaign("alone", SerialWorkers(fakes.evaluate), SerialAnnealers())
    trials = TuneAnnealers(tmp_path / "ray")
    ray_ = campaign("ray", pool(solvers=solvers), trials)
    assert ray_["trajectory_sha256"] == alone["trajectory_sha256"]
    assert ray_["best"] == alone["best"]
    assert not (tmp_path / "ray" / "tune").exists()
    assert "tune" not in [thread.name for thread in threading.enumerate()]
    assert all((answers > 0) == (lead is Lead) for answers in trials.ahead.values())


class Cursed(Mailbox):
    """One chain's trials fail at its second request, whenever they come."""

    async def post(self, index, number, request):
        if (index, number) == (1, 1):
            raise RuntimeError("cursed")
        return await super().post(index, number, request)


@pytest.mark.slow
def test_the_chain_of_a_trial_that_always_fails_is_walked_all_the_same(pool, tmp_path, monkeypatch):
    """The others lead; they would wait for it at the next meeting for ever."""
    def campaign(name, workers, walker):
        return run(fakes.spec(), tmp_path / name, workers=workers, learner=fakes.QuadraticLearner(),
                   annealers=walker, listener=fakes.Silence())

    class Strict(Lead):
        def begin(self, counter):
            super().begin(counter)
            pump = counter.pump
            counter.pump = lambda timeout_s: time.sleep(timeout_s) or [] if len(self._walks) > len(
                self._gone) else pump(timeout_s)

    monkeypatch.setattr(annealers, "Mailbox", Cursed)
    monkeypatch.setattr(annealers, "Lead", Strict)
    alone = campaign("alone", SerialWorkers(fakes.evaluate), SerialAnnealers())
    trials = TuneAnnealers(tmp_path / "ray")
    with pytest.warns(SsbrayWarning, match="the driver walked their chains"):
        cursed = campaign("ray", pool(solvers=1), trials)
    assert cursed["trajectory_sha256"] == alone["trajectory_sha256"]
    assert (trials.ahead[0], trials.ahead[2]) == (0, 0)
    assert trials.ahead[1] > 0


@pytest.mark.parametrize("after", [25, 40])
def test_a_pause_sends_the_trials_home(pool, tmp_path, after):
    """In order, so that Tune has nothing left to do when its cluster is gone."""
    class Counting(fakes.Silence):
        def solved(self, outcome, cached):
            self.events.append(outcome.key)
            if len(self.events) == after:
                PauseRequest(tmp_path / "held").ask()

    with pytest.raises(Paused):
        run(fakes.spec(), tmp_path / "held", workers=pool(solvers=2), learner=fakes.QuadraticLearner(),
            annealers=TuneAnnealers(tmp_path / "held"), listener=Counting())
    assert [thread.name for thread in threading.enumerate() if thread.name == "tune"] == []
    assert not (tmp_path / "held" / "tune").exists()
    resumed, alone = (run(fakes.spec(), tmp_path / name, workers=SerialWorkers(fakes.evaluate),
                          learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(), listener=fakes.Silence())
                      for name in ("held", "alone"))
    assert resumed["trajectory_sha256"] == alone["trajectory_sha256"]
    assert resumed["fe_solves_this_run"] < alone["fe_solves_this_run"]


def test_a_restarted_trial_gets_the_answers_of_the_first():
    """A request that is posted again before its answer must not swallow the next request's answer."""
    async def story():
        box = Mailbox()
        first = asyncio.create_task(box.post(0, 0, "a"))
        assert await box.take() == [(0, 0, "a")]
        again = asyncio.create_task(box.post(0, 0, "a"))
        await asyncio.sleep(0)
        await box.reply(0, 0, "A")
        assert (await first, await again) == ("A", "A")
        second = asyncio.create_task(box.post(0, 1, "b"))
        assert await box.take() == [(0, 1, "b")]
        await box.reply(0, 1, "B")
        assert await second == "B"

    asyncio.run(asyncio.wait_for(story(), 10))


def test_what_is_answered_already_does_not_go_to_the_driver():
    async def story():
        box = Mailbox()
        await box.reply(0, 0, "A")
        assert await box.post(0, 0, "a") == "A"
        last = asyncio.create_task(box.post(0, 1, "b"))
        assert await box.take() == [(0, 1, "b")]
        await box.close()
        assert await last is None

    asyncio.run(asyncio.wait_for(story(), 10))
