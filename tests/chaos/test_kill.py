"""The driver's process group is killed, or told to go, for real; `resume` then goes on to the same end."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ssbray.campaign.pause import PauseRequest
from tests.chaos.conftest import SEEDS

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ssbray.cli", "campaign"]
RUN = [*COMMAND, "run", str(ROOT / "jobs" / "smoke.yaml"), "--json"]
IN_ONE = 4  #: kills of one campaign: in campaigns of their own each would take a second start of Ray
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]


def environment():
    """Not the cluster of the test run."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}


def finish(*arguments):
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=900, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finish(*RUN, "--dir", tmp_path_factory.mktemp("whole"))


def begin(home, solves):
    """A driver that has stored so many solves, and all processes below it."""
    process = subprocess.Popen([*RUN, "--dir", str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, env=environment())
    wait_for(process, home, solves)
    return process, psutil.Process(process.pid).children(recursive=True)


def wait_for(process, home, solves):
    """Until so many are stored."""
    ledger = home / "smoke" / "ledger.sqlite"
    stored, deadline = 0, time.monotonic() + 600
    while stored < solves and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        if ledger.exists():
            try:
                with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
                    stored = database.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0]
            except sqlite3.OperationalError:
                continue
    assert stored >= solves, process.communicate()[1][-2000:] if process.poll() is not None else "too slow"


def nobody_left(children):
    psutil.wait_procs(children, timeout=60)
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def same(resumed, whole, solves):
    assert resumed["trajectory_sha256"] == whole["trajectory_sha256"]
    assert resumed["best"] == whole["best"]
    assert resumed["fe_solves"] == whole["fe_solves"]
    assert resumed["fe_solves_this_run"] <= whole["fe_solves"] - solves


@pytest.mark.parametrize(("seed", "kills"), [(k, min(IN_ONE, SEEDS - k * IN_ONE)) for k in range(-(-SEEDS // IN_ONE))])
def test_a_killed_campaign_goes_on_to_the_same_end(whole, tmp_path, cli, seed, kills):
    """Killed, gone on with, killed again; what was solved once is never lost, and never solved again."""
    draw = random.Random(seed)
    for solves in sorted(draw.sample(range(1, whole["fe_solves"]), kills)):
        process, children = begin(tmp_path, solves)
        time.sleep(draw.uniform(0.0, 1.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        nobody_left(children)
        code, state, _ = cli("campaign", "status", "smoke", "--dir", tmp_path, "--json")
        assert code == 0
        assert state["status"] == ("completed" if state["progress"] == 1.0 and state["best"] else "interrupted")
        code, stored, _ = cli("campaign", "verify", "smoke", "--dir", tmp_path, "--json")
        assert (code, stored["ok"]) == (0, True)
    same(finish(*COMMAND, "resume", "smoke", "--dir", tmp_path, "--json"), whole, solves)


@pytest.mark.parametrize(("how", "solves"), [("pause", 5), ("TERM", 22), ("at once", 30)])
def test_a_campaign_that_is_asked_to_stop_stops_in_order(whole, tmp_path, how, solves):
    process, children = begin(tmp_path, solves)
    if how == "TERM":
        process.send_signal(signal.SIGTERM)
    elif how == "at once":  # so near the end a command that has to start would come too late
        PauseRequest(tmp_path / "smoke").ask()
    else:
        finish(*COMMAND, "pause", "smoke", "--dir", tmp_path, "--json")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert json.loads(out)["status"] == "paused"
    assert "Traceback" not in err
    nobody_left(children)
    same(finish(*COMMAND, "resume", "smoke", "--dir", tmp_path, "--json"), whole, solves)


def test_killed_solvers_cost_nothing_but_time(whole, tmp_path):
    """One at a time, with solves in between: a task that takes two down is given up."""
    process, _ = begin(tmp_path, 3)
    shot = 0
    for stored in (3, 10, 18):
        wait_for(process, tmp_path, stored)
        end = time.monotonic() + 60
        while shot <= (3, 10, 18).index(stored) and time.monotonic() < end and process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "Solver.evaluate" in " ".join(child.cmdline()):
                        child.kill()
                        shot += 1
                        break
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err[-2000:]
    assert shot == 3
    assert json.loads(out)["trajectory_sha256"] == whole["trajectory_sha256"]
    assert json.loads(out)["best"] == whole["best"]


def test_a_second_driver_is_refused(tmp_path):
    process, children = begin(tmp_path, 1)
    second = subprocess.run([*RUN, "--dir", str(tmp_path)], capture_output=True, text=True, env=environment())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    nobody_left(children)
    assert second.returncode == 2
    assert second.stderr.strip().splitlines()[-1].startswith("ssbray: directory")
    assert "another process is writing here" in second.stderr
