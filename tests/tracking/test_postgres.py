"""Runs in a real PostgreSQL, their files by URI elsewhere; the server is killed midway and hears the rest later."""

from __future__ import annotations

import threading
from urllib.parse import quote

import pytest
from mlflow import MlflowClient

from ssbray.campaign import Listeners, SerialAnnealers, SerialWorkers, run
from ssbray.tracking import SURROGATE, MLflowTracker, fetch, registry, sync
from tests.campaign import fakes
from tests.tracking import postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def server():
    pytest.importorskip("psycopg2", reason="no driver for PostgreSQL: pip install 'ssbray[postgres]'")
    if (programs := postgres.programs()) is None:
        pytest.skip("no PostgreSQL here: initdb and postgres are not found")
    made = postgres.Postgres(programs)
    yield made
    made.remove()


def test_a_database_that_dies_midway_hears_the_rest_later_and_nothing_twice(server, tmp_path, monkeypatch, capsys):
    files, elsewhere = tmp_path / "files of runs", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # where MLflow would put files if it were not told
    home, directory = tmp_path / "home", tmp_path / "home" / "toy"
    tracker = MLflowTracker(server.uri, "toy", home, files.as_uri())

    class Killer(fakes.Silence):
        def met(self, round_, records):
            if round_ == 1:
                assert tracker._sender.settle(300.0).waiting == 0, "the first round is heard"
                server.kill()

    summary = run(fakes.spec(), directory, workers=SerialWorkers(fakes.evaluate), learner=fakes.QuadraticLearner(),
                  annealers=SerialAnnealers(), listener=Listeners(tracker, Killer()))
    (directory / "summary.json").write_text("{}")
    tracker.finished(summary, directory)
    tracker.close()
    said = capsys.readouterr().err
    assert "records for MLflow wait" in said
    assert said.count("\n") == 1

    server.start()
    delivery = sync(server.uri, home, directory)
    assert (delivery.error, delivery.waiting) == (None, 0)
    assert delivery.sent > 0
    told = runs_of(server)
    assert sorted(told) == ["toy", "toy chain 0", "toy chain 1", "toy chain 2"]
    assert {each.info.status for each in told.values()} == {"FINISHED"}
    whole = histories(server, told)
    for chain in range(3):
        assert [step for step, _ in whole[f"toy chain {chain}", "temperature"]] == list(range(8))
    assert told["toy"].data.tags["ssbray.trajectory_sha256"] == summary["trajectory_sha256"]

    (directory / "tracking.sent").unlink()  # all of it once more
    assert sync(server.uri, home, directory).error is None
    again = runs_of(server)
    assert {name: each.info.run_id for name, each in again.items()} == {
        name: each.info.run_id for name, each in told.items()}
    assert histories(server, again) == whole

    assert told["toy"].info.artifact_uri.startswith(quote(files.as_uri(), safe=":/%"))
    assert [path.name for path in files.rglob("summary.json")] == ["summary.json"]
    assert not any(elsewhere.iterdir())
    assert not (home / "mlflow.db").exists()
    (version,) = registry.versions(server.uri, SURROGATE)
    got = fetch(server.uri, f"models:/{SURROGATE}/{version.version}", tmp_path / "models")
    assert {path.name for path in got.iterdir()} == {path.name for path in (directory / "model").iterdir()}


def test_files_lie_in_the_home_of_campaigns_where_nobody_says_where(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker(server.uri, "toy", tmp_path / "home")
    (tmp_path / "home" / "toy").mkdir(parents=True)
    tracker.started(fakes.spec(), tmp_path / "home" / "toy", 1)
    assert tracker._sender.settle(300.0).waiting == 0
    tracker.stopped("KILLED")
    tracker.close()
    assert {each.info.artifact_uri.rpartition("/mlartifacts/")[0] for each in runs_of(server).values()} == {
        (tmp_path / "home").as_uri()}
    assert {each.info.status for each in runs_of(server).values()} == {"KILLED"}
    (tmp_path / "eye").mkdir()
    (tmp_path / "eye" / "weights.safetensors").write_bytes(b"net")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    registry.register(server.uri, registry.SEGMENTER, tmp_path / "eye", None, home=tmp_path / "home")
    assert len(list((tmp_path / "home" / "mlartifacts").rglob("weights.safetensors"))) == 1
    assert not any(elsewhere.iterdir())
    assert "tracking" not in {thread.name for thread in threading.enumerate()}


def runs_of(server):
    client = MlflowClient(tracking_uri=server.uri)
    found = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert len({each.info.run_name for each in found}) == len(found), "no run is there twice"
    return {each.info.run_name: each for each in found}


def histories(server, runs):
    """All points of all metrics."""
    client = MlflowClient(tracking_uri=server.uri)
    return {(name, metric): sorted((point.step, point.value) for point in client.get_metric_history(
        each.info.run_id, metric)) for name, each in runs.items() for metric in each.data.metrics}
