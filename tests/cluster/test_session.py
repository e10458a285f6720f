"""A cluster that is not there, or cannot be, is one line for the user."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys

import psutil
import pytest

CONNECT = """
import sys
from ssbray.cluster.session import connect
from ssbray.errors import InputError
try:
    with connect():
        print("connected")
except InputError as error:
    print(error)
"""


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def said(**changes):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_A")}
    done = subprocess.run([sys.executable, "-c", CONNECT], env={**environment, **changes}, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_is_not_there(nobody, scheme):
    answer = said(RAY_ADDRESS=scheme + nobody)
    assert answer.startswith(f"RAY_ADDRESS = '{scheme}{nobody}': this cluster cannot be joined")
    assert answer.count("\n") == 1


def test_a_cluster_that_has_no_place(tmp_path):
    (tmp_path / "file").write_text("")
    answer = said(RAY_TMPDIR=str(tmp_path / "file" / "below"))
    assert answer.startswith("Ray = 'on this machine': does not start")
    assert answer.count("\n") == 1


def test_without_an_address_a_cluster_of_its_own_is_started_whatever_runs_here(monkeypatch):
    """Ray left to itself joins the cluster that was last started on this machine."""
    import ray

    from ssbray.cluster import session

    asked: list[dict[str, object]] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: asked.append(options))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(session, "_require_token", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with session.connect(cpus=1):
        assert [options["address"] for options in asked] == ["local"]


@pytest.mark.usefixtures("ray_cluster")
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
