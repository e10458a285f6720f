"""A real MLflow server that dies in the midst of a campaign, and comes back after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from mlflow import MlflowClient

from ssbray.campaign import Listeners, SerialAnnealers, SerialWorkers, run
from ssbray.tracking import MLflowTracker, sync
from tests.campaign import fakes
from tests.chaos import toy

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


class Server:
    """`mlflow server` on the loopback interface, in a process group of its own."""

    def __init__(self, home, port):
        self.uri = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{home / 'server.db'}",
             "--artifacts-destination", str(home / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        end = time.monotonic() + 300
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError("the server does not come up")

    def kill(self):
        below = psutil.Process(self._process.pid).children(recursive=True)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for child in below:
            if child.is_running():
                child.kill()
        psutil.wait_procs(below, timeout=30)


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_that_dies_midway_hears_the_rest_later_and_nothing_twice(tmp_path, port):
    server = Server(tmp_path, port)
    tracker = MLflowTracker(server.uri, "toy", tmp_path)
    directory = tmp_path / "toy"

    class Killer(fakes.Silence):
        def met(self, round_, records):
            if round_ == 1:
                assert tracker._sender.settle(60.0).waiting == 0, "the first round is heard"
                server.kill()

    try:
        summary = run(fakes.spec(**toy.SPEC), directory, workers=SerialWorkers(fakes.evaluate),
                      learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(),
                      listener=Listeners(tracker, Killer()))
        tracker.finished(summary, directory)
        tracker.close()
        again = Server(tmp_path, port)
    except BaseException:
        server.kill()
        raise
    try:
        delivery = sync(server.uri, tmp_path, directory)
        assert delivery.error is None
        assert delivery.sent > 0
        client = MlflowClient(tracking_uri=server.uri)
        experiment = client.get_experiment_by_name("toy").experiment_id
        runs = client.search_runs([experiment])
        assert sorted(each.info.run_name for each in runs) == ["toy", "toy chain 0", "toy chain 1"]
        assert {each.info.status for each in runs} == {"FINISHED"}
        for each in runs:
            if each.info.run_name != "toy":
                steps = [point.step for point in client.get_metric_history(each.info.run_id, "temperature")]
                assert sorted(steps) == list(range(6))
    finally:
        again.kill()
    whole = toy.campaign(tmp_path / "whole")
    assert summary["trajectory_sha256"] == whole["trajectory_sha256"]
