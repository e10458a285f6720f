"""A study whose driver is killed goes on where it was: what was solved and trained is not done again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
QUICK = {"members": 2, "samples": 8, "map_steps": 60, "vi_steps": 20}


@pytest.fixture
def quick(tmp_path):
    """The study of the repository, as small as it can be."""
    study = yaml.safe_load((ROOT / "jobs" / "study.yaml").read_text())
    study |= {"name": "quick", "segmenter": {"steps": 16, "members": 1},
              "surrogate": {"trials": 0, "fresh": 8, "config": QUICK}, "voltage": {"images": 0},
              "priors": {"factors": {"layer_per_diffusion_length": [0.5, 2.0]}, "specimens": 2}}
    study["images"] |= {"samples": 12, "locations": 1}
    study["layer"] |= {"known": 100, "judged": 10}
    study["samples"]["specimen"] = {"size_nm": [192, 128], "pixel_size_nm": 2.0}
    study["campaign"] |= {"specimen": {"size_nm": [600, 400], "pixel_size_nm": 10.0, "replicates": 1},
                          "annealing": {"initial": 12, "chains": 2, "rounds": 1, "steps": 2, "proposals": 2},
                          "confirm": {"designs": 2, "specimens": 3}, "surrogate": QUICK}
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def command(path, home):
    return [sys.executable, "-m", "ssbray.cli", "study", "run", str(path), "--dir", str(home), "--json"]


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}


def test_a_study_that_was_killed_goes_on(quick, tmp_path):
    home = tmp_path / "studies"
    process = subprocess.Popen(command(quick, home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, env=environment())
    ledger, trained = home / "quick" / "ledger.sqlite", home / "quick" / "stages" / "segmenter.json"
    deadline, stored = time.monotonic() + 900, set()
    while len(stored) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        stored = keys(ledger)
    assert process.poll() is None, process.stderr.read()[-2000:]
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(below, timeout=60)
    stored, stage = keys(ledger), trained.read_text()
    assert 3 <= len(stored) < 100

    done = subprocess.run(command(quick, home), capture_output=True, text=True, timeout=1200, env=environment())
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert not {"micrographs", "parts", "segmenter"} & set(told["done_now"])
    assert {"transport", "gain", "priors"} <= set(told["done_now"])
    assert trained.read_text() == stage
    assert stored <= keys(ledger)

    again = subprocess.run(command(quick, home), capture_output=True, text=True, timeout=600, env=environment())
    assert again.returncode == 0, again.stderr[-3000:]
    assert json.loads(again.stdout)["done_now"] == []


def keys(ledger):
    """Results that are on the disk."""
    if not ledger.exists():
        return set()
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
            return {key for (key,) in database.execute("SELECT key FROM outcomes WHERE failure IS NULL")}
    except sqlite3.OperationalError:
        return set()
