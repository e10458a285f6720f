"""A toy campaign on solver actors that hang or are killed by a design, and on two nodes of which one dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssbray.campaign import SerialAnnealers, SerialWorkers, progress, run
from ssbray.cluster.session import connect
from tests.campaign import fakes
from tests.chaos import toy

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster():
    with connect(cpus=2):
        yield


def on_ray(directory, evaluate, timeout_s=600.0):
    from ssbray.cluster.workers import RayWorkers

    workers = RayWorkers(solvers=2, evaluate=evaluate, timeout_s=timeout_s)
    try:
        return run(fakes.spec(**toy.SPEC), directory, workers=workers, learner=fakes.QuadraticLearner(),
                   annealers=SerialAnnealers(), listener=fakes.Silence())
    finally:
        workers.close()


def alone(directory, evaluate):
    return run(fakes.spec(**toy.SPEC), directory, workers=SerialWorkers(evaluate), learner=fakes.QuadraticLearner(),
               annealers=SerialAnnealers(), listener=fakes.Silence())


def poisonous(task):
    return task.kind == "solve" and task.parameters["cosintering_temperature_C"] > 860


def poison(task):
    if poisonous(task):
        os.kill(os.getpid(), signal.SIGKILL)
    return fakes.evaluate(task)


def hangs(task):
    if poisonous(task):
        time.sleep(3600)
    return fakes.evaluate(task)


def fails(task):
    from ssbray.campaign import Outcome

    return Outcome(key=task.key, failure="lost") if poisonous(task) else fakes.evaluate(task)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("evaluate", "timeout_s", "says"), [
    (poison, 600.0, "given up: "), (hangs, 1.5, "no answer within 1.5 s")])
def test_designs_that_kill_or_hang_fail_and_nothing_else_does(tmp_path, evaluate, timeout_s, says):
    """The same trajectory as where those designs fail in order."""
    whole = alone(tmp_path / "alone", fails)
    summary = on_ray(tmp_path / "ray", evaluate, timeout_s)
    assert summary["trajectory_sha256"] == whole["trajectory_sha256"]
    assert summary["best"] == whole["best"]
    failures = progress.read(tmp_path / "ray")["failures"]
    assert failures
    assert all(says in failure for failure in failures)


def test_a_node_that_dies_takes_no_solve_with_it(tmp_path):
    """In a process of its own, as it brings its own cluster."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    done = subprocess.run([sys.executable, "-m", "tests.chaos.nodes", str(tmp_path / "nodes")], capture_output=True,
                          text=True, cwd=Path(__file__).parents[2], timeout=800,
                          env={**environment, "RAY_AUTH_MODE": "disabled"})
    assert done.returncode == 0, done.stderr[-2000:]
    found = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"summary"'))
    assert found["nodes_at_the_end"] == 2, "the head and one more"
    summary, whole = found["summary"], alone(tmp_path / "alone", fakes.evaluate)
    for name in ("trajectory_sha256", "best", "fe_solves"):
        assert summary[name] == whole[name]
