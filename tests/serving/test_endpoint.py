"""The endpoint as a client meets it: a real process, a real port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest

from ssbray import campaign, surrogate
from ssbray.campaign import dataset

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "jobs" / "smoke.yaml"
pytestmark = pytest.mark.serving


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """A small surrogate behind the endpoint; ended with SIGTERM, after which nothing may be left."""
    model = tmp_path_factory.mktemp("model")
    outcomes = [campaign.evaluate(task) for task in dataset.tasks(campaign.load(SMOKE), 12, 3)]
    quick = surrogate.TrainingConfig(hidden=8, steps=1, members=2, samples=8, map_steps=30, vi_steps=20)
    surrogate.train([outcome.graph for outcome in outcomes],
                    np.array([100 * outcome.values["sigma_eff_S_per_cm"] for outcome in outcomes]),
                    groups=[str(k) for k in range(12)], config=quick, seed=0).save(model)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    process = subprocess.Popen([sys.executable, ROOT / "serve" / "run.py", "--model", model, "--spec", SMOKE, "--port",
                                str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    line = process.stdout.readline()
    assert "serving on" in line, process.stderr.read()[-2000:]
    children = psutil.Process(process.pid).children(recursive=True)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    time.sleep(2)
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def ask(url, content=None, kind="application/json"):
    body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data=body, headers={"content-type": kind})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_is_alive_ready_and_says_what_it_is(endpoint):
    assert ask(f"{endpoint}/v1/health/live")[0] == 200
    assert ask(f"{endpoint}/v1/health/ready")[0] == 200
    status, model = ask(f"{endpoint}/v1/model")
    assert status == 200
    assert model["card"]["graphs"] == 12


def test_a_prediction_has_the_promised_keys_and_repeats(endpoint):
    design = {"parameters": {"coating": "LCBO", "cosintering_temperature_C": 650}}
    status, first = ask(f"{endpoint}/v1/predict", design)
    assert status == 200
    assert set(first) == {"model_version", "sigma_eff_S_per_cm", "anomaly", "phase_fraction", "in_domain", "seconds"}
    assert set(first["anomaly"]) == {"score", "p_value", "flag", "reasons"}
    low, high = first["sigma_eff_S_per_cm"]["interval90"]
    assert low < first["sigma_eff_S_per_cm"]["mean"] < high
    assert sum(first["phase_fraction"].values()) == pytest.approx(1.0)
    second = ask(f"{endpoint}/v1/predict", design)[1]
    assert {**second, "seconds": 0} == {**first, "seconds": 0}


@pytest.mark.parametrize(("content", "kind", "status", "field"), [
    ({"parameters": {"coting": "LCBO"}}, "application/json", 422, "coting"),
    ({"parameters": {"coating": "gold"}}, "application/json", 422, "coating"),
    ({"parameters": {"cosintering_temperature_C": 1e9}}, "application/json", 422, "cosintering_temperature_C"),
    ({"x": 1}, "application/json", 422, "parameters"),
    (b"{", "application/json", 422, None),
    (b"", "application/json", 422, None),
    (b"\x89PNG", "image/png", 415, None),
    (b" " * 100_000, "application/json", 413, None),
])
def test_what_is_wrong_is_told_without_a_stack(endpoint, content, kind, status, field):
    got, answer = ask(f"{endpoint}/v1/predict", content, kind)
    assert got == status
    assert set(answer["error"]) == {"code", "field", "message"}
    if field is not None:
        assert answer["error"]["field"] == field
    assert "Traceback" not in json.dumps(answer)


def test_a_missing_model_is_exit_code_2():
    done = subprocess.run([sys.executable, ROOT / "serve" / "run.py", "--model", "nowhere", "--spec", SMOKE],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("serve: ")
    assert done.stderr.count("\n") == 1
