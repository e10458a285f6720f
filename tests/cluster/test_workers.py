"""Solvers and learner on Ray give what those of one process give, also when processes die."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from ssbray.campaign import objective
from ssbray.cluster import learner
from ssbray.cluster.learner import RayLearner
from ssbray.cluster.session import THREADS
from ssbray.cluster.workers import RayWorkers
from ssbray.errors import InputError
from tests.campaign import fakes

pytestmark = pytest.mark.usefixtures("ray_cluster")


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
