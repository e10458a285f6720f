"""The Ray forms of workers and annealers give what the one-process forms give, also when processes die."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import threading
import time
from dataclasses import replace

import psutil
import pytest

from ssbray.campaign import SerialAnnealers, SerialWorkers, objective, run
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.cluster import annealers, learner
from ssbray.cluster.annealers import TuneAnnealers
from ssbray.cluster.lead import Lead
from ssbray.cluster.learner import RayLearner
from ssbray.cluster.mailbox import Mailbox
from ssbray.cluster.session import THREADS
from ssbray.cluster.workers import RayWorkers
from ssbray.errors import InputError, SsbrayWarning
from tests.campaign import fakes

pytestmark = pytest.mark.usefixtures("ray_cluster")
MARK = "SSBRAY_TEST_MARK"


def tasks(count):
    point = {"cosintering_temperature_C": 700.0, "cosintering_time_h": 1.0, "coating": "bare",
             "coating_thickness_nm": 1.0}
    return objective.tasks(fakes.spec(), point, count=count)


def collect(workers, count, patience_s=200.0):
    done, end = [], time.monotonic() + patience_s
    while len(done) < count and time.monotonic() < end:
        if (outcome := workers.next_done(0.2)) is not None:
            done.append(outcome)
    return done


@pytest.fixture
def pool():
    made = []

    def make(evaluate=fakes.evaluate, **options):
        made.append(RayWorkers(evaluate=evaluate, **options))
        return made[-1]

    yield make
    for workers in made:
        workers.close()


def test_every_task_comes_back_once(pool):
    workers = pool(solvers=2)
    wanted = tasks(20)
    for task in wanted:
        workers.submit(task)
    done = collect(workers, 20)
    assert sorted(outcome.key for outcome in done) == sorted(task.key for task in wanted)
    assert all(outcome.worker for outcome in done)
    assert workers.next_done(0.0) is None


def die_once(task):
    mark = os.path.join(task.materials["mark"], str(task.seed))
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return fakes.evaluate(task)


def die(task):
    if task.seed % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return fakes.evaluate(task)


def hang(task):
    if task.seed % 2:
        time.sleep(600)
    return fakes.evaluate(task)


def test_a_killed_solver_is_replaced_and_its_task_repeated(pool, tmp_path):
    workers = pool(die_once, solvers=2)
    wanted = [replace(task, materials={"mark": str(tmp_path)}) for task in tasks(4)]
    for task in wanted:
        workers.submit(task)
    done = collect(workers, 4)
    assert len(done) == 4
    assert all(outcome.ok for outcome in done)
    assert len(list(tmp_path.iterdir())) == 4  # each did die


@pytest.mark.parametrize("kind", ["solve", "graph"])
def test_a_task_that_always_kills_is_given_up_and_the_others_finish(pool, kind):
    """Graphs share a call, and one that kills takes the others of its call down once."""
    workers = pool(die, solvers=2)
    wanted = [replace(task, seed=seed, kind=kind) for seed, task in enumerate(tasks(6))]
    for task in wanted:
        workers.submit(task)
    done = {outcome.key: outcome for outcome in collect(workers, 6)}
    assert [done[task.key].ok for task in wanted] == [True, False] * 3
    assert "given up" in done[wanted[1].key].failure


def test_a_hung_task_meets_its_deadline(pool):
    workers = pool(hang, solvers=2, timeout_s=1.0)
    wanted = [replace(task, seed=seed) for seed, task in enumerate(tasks(3))]
    for task in wanted:
        workers.submit(task)
    done = {outcome.key: outcome for outcome in collect(workers, 3)}
    assert [done[task.key].ok for task in wanted] == [True, False, True]
    assert "within 1 s" in done[wanted[1].key].failure


def hang_among_many(task):
    time.sleep(600 if task.seed == 0 else 0.05)
    return fakes.evaluate(task)


def test_a_hung_task_meets_its_deadline_while_others_go_on(pool):
    """An answer is always there to be taken, so that nobody ever waits."""
    workers = pool(hang_among_many, solvers=2, timeout_s=0.5)
    wanted = [replace(task, seed=seed) for seed, task in enumerate(tasks(60))]
    for task in wanted:
        workers.submit(task)
    done = [outcome.key for outcome in collect(workers, 60)]
    assert len(done) == 60
    assert done.index(wanted[0].key) < 50


def of_another_version(task):
    return replace(fakes.evaluate(task), key="another")


def test_a_node_with_another_version_is_named(pool):
    workers = pool(of_another_version, solvers=1)
    workers.submit(tasks(1)[0])
    with pytest.raises(InputError, match="another version of ssbray than this driver"):
        collect(workers, 1)


def test_what_this_machine_has_not_is_not_waited_for():
    with pytest.raises(InputError, match=r"cluster\.cpus_per_solver = 512"):
        RayWorkers(solvers=1, cpus_per_solver=512)
    with pytest.raises(InputError, match=r"cluster\.learner_gpus = 1"):
        RayLearner({}, gpus=1)


class Pupil:
    """Remembers what it was taught; dies once when asked for the first time."""

    def __init__(self, config, device):
        self._mark, self._known = config["mark"], None

    def train(self, graphs, sigma, groups, seed):
        self._known = (list(sigma), seed)
        return {"pid": os.getpid()}

    def predict(self, graphs):
        if not os.path.exists(self._mark):
            open(self._mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._known

    def files(self):
        return {"model.json": b"{}", "weights.safetensors": bytes(self._known[1])}


def test_a_lost_learner_is_replaced_and_taught_again(tmp_path, monkeypatch):
    monkeypatch.setattr(learner, "_Learner", Pupil)
    pupil = RayLearner({"mark": str(tmp_path / "mark")})
    pupil.train([], [1.0, 2.0], [], 7)
    assert pupil.predict([]) == ([1.0, 2.0], 7)
    pupil.save(str(tmp_path / "model"))
    assert (tmp_path / "model" / "weights.safetensors").read_bytes() == bytes(7)


def test_more_solvers_than_cpus_lose_nothing(pool):
    workers = pool(solvers=5, timeout_s=5.0)
    wanted = tasks(12)
    for task in wanted:
        workers.submit(task)
    done = collect(workers, 12)
    assert [outcome.failure for outcome in done] == [None] * 12


def refuse(task):
    raise InputError("laws", "x", "mend it")


def test_what_the_user_can_mend_arrives_in_one_line(pool):
    workers = pool(refuse, solvers=1)
    workers.submit(tasks(1)[0])
    with pytest.raises(InputError) as caught:
        collect(workers, 1)
    assert str(caught.value) == "laws = 'x': mend it"


def broken(task):
    raise ZeroDivisionError("a mistake of ours")


def test_a_mistake_in_our_code_is_seen(pool):
    workers = pool(broken, solvers=1)
    workers.submit(tasks(1)[0])
    with pytest.raises(Exception, match="a mistake of ours"):
        collect(workers, 1)


def test_solvers_are_pinned_to_one_thread(pool):
    import ray

    workers = pool(solvers=1)
    assert ray.get(next(iter(workers._starting))) == THREADS


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


def test_the_token_is_private_and_nothing_listens_to_the_world():
    path = os.environ["RAY_AUTH_TOKEN_PATH"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    me = psutil.Process()
    processes = [me, *me.children(recursive=True)]
    assert any("raylet" in process.name() for process in processes)
    places = {(process.name(), *connection.laddr) for process in processes for connection in listening(process)}
    assert places
    assert {place for place in places if not place[1].removeprefix("::ffff:").startswith(("127.", "::1"))} == set()


def listening(process):
    try:
        return [each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    except psutil.NoSuchProcess:
        return []
