"""The driver's process group is killed, for real; the same command then goes on to the same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ssbray.cli", "campaign", "run", str(ROOT / "jobs" / "smoke.yaml"), "--json"]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


def environment():
    """Not the cluster of the test run."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}


def finish(home):
    done = subprocess.run([*COMMAND, "--dir", str(home)], capture_output=True, text=True, timeout=300, check=True,
                          env=environment())
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("solves", [3, 18, 24, 34])
def test_a_killed_campaign_goes_on_to_the_same_end(whole, tmp_path, solves):
    import sqlite3

    process = subprocess.Popen([*COMMAND, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True, env=environment())
    ledger = tmp_path / "smoke" / "ledger.sqlite"
    stored, deadline = 0, time.monotonic() + 200
    while stored < solves and time.monotonic() < deadline:
        time.sleep(0.05)
        if ledger.exists():
            try:
                with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
                    stored = database.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0]
            except sqlite3.OperationalError:
                continue
    assert stored >= solves
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, timeout=30)
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    resumed = finish(tmp_path)
    assert resumed["trajectory_sha256"] == whole["trajectory_sha256"]
    assert resumed["best"] == whole["best"]
    assert resumed["fe_solves"] == whole["fe_solves"]
    assert resumed["fe_solves_this_run"] <= whole["fe_solves"] - solves
