"""The endpoint as a client meets it: real processes, a real port, replicas that die and are replaced."""

from __future__ import annotations

import io
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from serve.backend import LocalBackend
from ssbray.domain import Micrograph
from ssbray.service.asked import Wishes
from ssbray.service.settings import Settings
from tests.serving.asgi import form

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "jobs" / "smoke.yaml"
pytestmark = [pytest.mark.serving, pytest.mark.timeout(900)]
PICTURE = np.random.default_rng(5).integers(0, 255, (48, 48), dtype=np.uint8)


def image():
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG")
    return buffer.getvalue()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}


def ask(url, *, headers=None, body=None, timeout=120):
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        content = error.read()
        return error.code, json.loads(content) if content.startswith(b"{") else {"plain": content}, error.headers


def predict(url, **more):
    headers, body = form(image=image(), pixel_size_nm=5, detector="haadf")
    return ask(f"{url}/v1/predict", headers={**headers, **more}, body=body)


def expected(pair):
    micrograph = Micrograph(images={"haadf": PICTURE.astype(np.float32)}, pixel_size_nm=5.0)
    return LocalBackend(Settings(**pair, maps=2)).answer(micrograph, Wishes())


def loopback(address):
    """Whether an address is of this machine alone, written as IPv6 or not."""
    found = ipaddress.ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def left_over(children):
    """Those that still run."""
    gone, alive = psutil.wait_procs(children, timeout=5)
    return [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, models):
    """`ssbray serve`; ended with SIGTERM, after which nothing may be left."""
    home, port = tmp_path_factory.mktemp("endpoint"), free_port()
    served = {part: str(shutil.copytree(path, home / part)) for part, path in models[0].items()}
    given = {**served, "spec": str(SMOKE), "maps": 2, "limits": {"timeout_s": 300, "per_minute": 100_000}}
    config = {"http_options": {"host": "127.0.0.1", "port": port}, "applications": [{
        "name": "ssbray", "import_path": "serve.app:build", "args": given}]}
    (home / "serve.yaml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [Path(sys.executable).with_name("ssbray"), "serve", "--config", home / "serve.yaml", "--log", home / "log"],
        stdout=subprocess.PIPE, stderr=(home / "errors").open("w"), text=True, env=environment(), cwd=home)
    try:
        for line in process.stdout:
            if "serving on" in line:
                break
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}", process, home / "log", served
        children = psutil.Process(process.pid).children(recursive=True)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, time.monotonic() - started
        assert left_over(children) == []
    finally:
        process.kill()


def test_it_answers_what_the_functions_answer(endpoint, models):
    url, _, log, _ = endpoint
    assert ask(f"{url}/v1/health/ready")[0] == 200
    status, got, headers = predict(url, **{"x-request-id": "mine-1", "x-request-timeout-seconds": "0"})
    assert status == 200
    assert headers.get_all("x-request-id") == ["mine-1"]
    wanted = expected(models[0])
    assert got["model_version"] == wanted["model_version"]
    for name in ("mean", "std"):
        assert got["sigma_eff_S_per_cm"][name] == pytest.approx(wanted["sigma_eff_S_per_cm"][name], rel=1e-6)
    assert got["phase_fraction"] == pytest.approx(wanted["phase_fraction"])
    assert sum(got["resistance_budget"].values()) == pytest.approx(1, abs=1e-5)
    assert any(json.loads(line)["request_id"] == "mine-1" for line in log.read_text().splitlines())
    assert log.stat().st_mode & 0o777 == 0o600
    assert ask(f"{url}/v1/model")[1]["sha256"]


def test_a_design_has_the_promised_keys_and_repeats(endpoint):
    url = endpoint[0]
    body = json.dumps({"parameters": {"coating": "LCBO", "cosintering_temperature_C": 650}}).encode()
    kind = {"content-type": "application/json"}
    status, first, _ = ask(f"{url}/v1/predict", headers=kind, body=body)
    assert status == 200
    low, high = first["sigma_eff_S_per_cm"]["interval90"]
    assert low < first["sigma_eff_S_per_cm"]["mean"] < high
    assert sum(first["phase_fraction"].values()) == pytest.approx(1.0)
    second = ask(f"{url}/v1/predict", headers=kind, body=body)[1]
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    status, answer, _ = ask(f"{url}/v1/predict", headers=kind, body=b'{"parameters": {"coting": "LCBO"}}')
    assert (status, answer["error"]["field"]) == (422, "coting")
    assert "did you mean 'coating'" in answer["error"]["message"]


def test_errors_come_through_the_proxy_in_our_shape(endpoint):
    url = endpoint[0]
    headers, body = form(image=b"GIF89a", pixel_size_nm=5)
    assert ask(f"{url}/v1/predict", headers=headers, body=body)[0] == 415
    status, answer, _ = ask(f"{url}/v1/predict", headers={"content-type": "application/json"}, body=b" " * 100_000)
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert ask(f"{url}/v1/model", headers={"host": "evil.example"})[0] == 403
    assert ask(f"{url}/nowhere")[1]["error"]["code"] == "not_found"


def test_nothing_but_replicas_listens_beyond_this_machine(endpoint):
    """Ray Serve binds a port of each replica to all interfaces whatever it is told; the rest is on the loopback."""
    process = psutil.Process(endpoint[1].pid)
    outside = [(child.name(), child.cmdline()[0] if child.cmdline() else "", one.laddr)
               for child in [process, *process.children(recursive=True)]
               for one in child.net_connections(kind="inet")
               if one.status == psutil.CONN_LISTEN and not loopback(one.laddr.ip)]
    assert all("ServeReplica" in title for _, title, _ in outside), outside


def test_a_dead_replica_costs_a_try_and_no_wrong_number(endpoint, models):
    url, process, *_ = endpoint
    wanted = expected(models[0])["sigma_eff_S_per_cm"]["mean"]
    found = []

    def work():
        found.append(predict(url))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    for child in psutil.Process(process.pid).children(recursive=True):
        if "ServeReplica:ssbray:Segmentation" in " ".join(child.cmdline()):
            child.kill()
    for thread in threads:
        thread.join()
    statuses = [status for status, _, _ in found]
    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    for status, answer, _ in found:
        if status == 200:
            assert answer["sigma_eff_S_per_cm"]["mean"] == pytest.approx(wanted, rel=1e-6)
    deadline = time.monotonic() + 120
    while predict(url)[0] != 200:
        assert time.monotonic() < deadline


def test_a_roll_out_never_mixes_two_releases(endpoint, models):
    """While one pair of models takes the place of another, each answer's version is the one that its numbers have."""
    url, process, _, served = endpoint
    wanted = {(one := expected(pair))["model_version"]: one["sigma_eff_S_per_cm"]["mean"] for pair in models}
    assert len(wanted) == 2
    for part, place in served.items():  # a model is renamed into its place, as one that was trained anew is
        shutil.move(place, f"{place}.old")
        shutil.copytree(models[1][part], place)
    found, done = [], threading.Event()

    def work():
        while not done.is_set():
            found.append(predict(url))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 200
        while not found or found[-1][1].get("model_version") != list(wanted)[1]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    statuses = [status for status, _, _ in found]
    assert set(statuses) <= {200, 503}, [answer for status, answer, _ in found if status not in (200, 503)][:3]
    assert statuses.count(503) <= 0.2 * len(statuses)
    for status, answer, _ in found:
        if status == 200:
            assert answer["sigma_eff_S_per_cm"]["mean"] == pytest.approx(wanted[answer["model_version"]], rel=1e-6)


def test_models_that_are_no_good_do_not_take_over(endpoint):
    """Comes last: what is in the folder afterwards is no model."""
    url, process, log, served = endpoint
    before = ask(f"{url}/v1/model")[1]["release"]
    (Path(served["surrogate"]) / "model.json").write_text("{}")
    deadline = time.monotonic() + 200
    while "serving as before: surrogate" not in log.with_name("errors").read_text():
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGHUP)  # the roll-out before may not have ended yet
        time.sleep(1)
    assert ask(f"{url}/v1/model")[1]["release"] == before
