"""MLflow hears everything once, whenever it is there, and the campaign does not care when it is not."""

from __future__ import annotations

import json
import math
import socket
import threading
import time

import pytest
from mlflow import MlflowClient

from ssbray.campaign import Listeners, SerialAnnealers, SerialWorkers, run
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.tracking import SURROGATE, MLflowTracker, Scores, fetch, listener, registry, runs, sync
from ssbray.tracking.spool import FILE, Spool
from tests.campaign import fakes


def campaign(home, tracker, evaluate=fakes.evaluate):
    directory = home / "toy"
    try:
        summary = run(fakes.spec(), directory, workers=SerialWorkers(evaluate), learner=fakes.QuadraticLearner(),
                      annealers=SerialAnnealers(), listener=Listeners(tracker))
        summary["mlflow_run_id"] = tracker.settle().run_id
        (directory / "summary.json").write_text(json.dumps(summary))
        tracker.finished(summary, directory)
    except Paused:
        tracker.stopped("KILLED")
        raise
    finally:
        tracker.close()
    return summary


def client(home):
    return MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")


def stored(home):
    """All runs with all points of all metrics, less when they came."""
    found, mlflow = {}, client(home)
    experiment = mlflow.get_experiment_by_name("toy")
    for each in mlflow.search_runs([experiment.experiment_id]):
        points = {name: sorted((point.step, point.value) for point in mlflow.get_metric_history(each.info.run_id, name))
                  for name in each.data.metrics if not name.startswith("seconds.")}
        found.setdefault(each.data.tags["mlflow.runName"], []).append((each.info.status, points, each.data.params))
    return found


def stored_id(home):
    """Identity of the campaign's own run."""
    return json.loads((home / "toy" / "summary.json").read_text())["mlflow_run_id"]


def test_each_step_is_there_once_and_runs_are_closed(home):
    summary = campaign(home, MLflowTracker(None, "toy", home))
    found = stored(home)
    assert {name: len(entries) for name, entries in found.items()} == {
        "toy": 1, "toy chain 0": 1, "toy chain 1": 1, "toy chain 2": 1}
    assert {entry[0] for entries in found.values() for entry in entries} == {"FINISHED"}
    for chain in range(3):
        _, points, _ = found[f"toy chain {chain}"][0]
        assert [step for step, _ in points["temperature"]] == list(range(8))
        assert "best.cosintering_temperature_C" in points
        assert min(value for _, value in points["cost"]) == min(value for _, value in points["best_cost"])
    _, points, params = found["toy"][0]
    assert points["improvement_percent"] == [(0, pytest.approx(summary["improvement_percent"]))]
    assert params["seed"] == "11"
    assert client(home).get_run(summary["mlflow_run_id"]).data.tags["ssbray.trajectory_sha256"] == summary[
        "trajectory_sha256"]
    bundle, *files = [each.path for each in client(home).list_artifacts(summary["mlflow_run_id"])]
    assert (bundle.partition("-")[0], files) == ("bundle", ["summary.json"])


def test_a_chart_has_axes_for_what_was_found(home):
    """Numbers as metrics, which sort and compare; choices as parameters; the same for a campaign and its chains."""
    summary = campaign(home, MLflowTracker(None, "toy", home))
    for name, ((_, points, params),) in stored(home).items():
        assert params["best.coating"] in ("bare", "LiNbO3", "LCBO"), name
        assert (params["best.atmosphere"], params["chains"], params["seed"]) == ("O2", "3", "11")
        assert 500 <= points["best.cosintering_temperature_C"][0][1] <= 900
        assert "surrogate.seed" not in points
        if name != "toy":
            ((_, found),) = points["best.objective"]
            assert found == pytest.approx(math.exp(points["best_cost"][-1][1]))  # the cost is the logarithm of the ASR
    tags = client(home).get_run(summary["mlflow_run_id"]).data.tags
    assert tags["mlflow.note.content"].startswith(f"{summary['improvement_percent']:+.1f} % conductivity")


def test_another_choice_than_before_is_in_the_tag_and_holds_nothing_up(home):
    """MLflow refuses to change a parameter; the campaign's spool must not wait for that for ever."""
    campaign(home, MLflowTracker(None, "toy", home))
    lines = [json.loads(line) for line in (home / "toy" / FILE).read_text().splitlines()]
    for record in (lines[-1]["names"], lines[-1]["tags"]):
        record["best.coating"] = "another"
    del lines[-1]["names_of_chains"]  # as in a spool from before there were any
    (home / "toy" / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (home / "toy" / "tracking.sent").unlink()
    assert sync(None, home, home / "toy").error is None
    run = client(home).get_run(stored_id(home))
    assert run.data.tags["best.coating"] == "another"
    assert run.data.params["best.coating"] != "another"


def test_the_surrogate_is_registered_once_with_its_scores(home):
    summary = campaign(home, MLflowTracker(None, "toy", home))
    campaign(home, MLflowTracker(None, "toy", home))
    check = summary["surrogate"]["fresh_specimens"]
    (version,) = registry.versions(f"sqlite:///{home / 'mlflow.db'}", SURROGATE)
    assert version.scores == Scores(nll=check["nll"], coverage90=check["coverage90"], n=check["n"],
                                    data=check["specimens_sha256"])
    run = client(home).get_run(summary["mlflow_run_id"])
    assert version.run_id == summary["mlflow_run_id"]
    assert run.data.tags["ssbray.model"] == f"models:/{SURROGATE}/1"
    assert (run.data.tags["ssbray.champion"] == "yes") == version.champion
    got = fetch(f"sqlite:///{home / 'mlflow.db'}", f"models:/{SURROGATE}/1", home / "models")
    assert {path.name for path in got.iterdir()} == {path.name for path in (home / "toy" / "model").iterdir()}


def test_a_store_without_a_registry_still_has_its_runs_closed(home, monkeypatch, capsys):
    def refuse(*_, **__):
        raise RuntimeError("no registry here")

    monkeypatch.setattr(runs, "register", refuse)
    campaign(home, MLflowTracker(None, "toy", home))
    assert {entries[0][0] for entries in stored(home).values()} == {"FINISHED"}
    assert "no registry here" in capsys.readouterr().err


def test_saying_it_all_again_changes_nothing(home):
    campaign(home, MLflowTracker(None, "toy", home))
    before = stored(home)
    campaign(home, MLflowTracker(None, "toy", home))
    (home / "toy" / "tracking.sent").unlink()
    assert sync(None, home, home / "toy").error is None
    after = stored(home)
    for entries in after.values():  # solves of this run, and what was found in the cache, do differ
        entries[0][1].pop("cache_hits", None)
    for entries in before.values():
        entries[0][1].pop("cache_hits", None)
    assert after == before


def test_a_server_that_is_not_there_changes_nothing_and_hears_it_later(home, nobody, capsys):
    summary = campaign(home, MLflowTracker(nobody, "toy", home))
    assert summary["mlflow_run_id"] is None
    said = capsys.readouterr().err
    waiting = len(Spool(home / "toy").waiting())
    assert waiting == len((home / "toy" / FILE).read_text().splitlines()) > 8
    assert f"{waiting} records for MLflow wait" in said
    assert "campaign sync toy" in said
    assert said.count("\n") == 1
    again = sync(nobody, home, home / "toy")
    assert (again.sent, again.waiting) == (0, waiting)
    assert again.error
    delivered = sync(None, home, home / "toy")  # the same campaign, a server that answers
    assert (delivered.sent, delivered.waiting, delivered.error) == (waiting, 0, None)
    assert [step for step, _ in stored(home)["toy chain 1"][0][1]["temperature"]] == list(range(8))
    quiet = run(fakes.spec(), home / "quiet", workers=SerialWorkers(fakes.evaluate), learner=fakes.QuadraticLearner(),
                annealers=SerialAnnealers(), listener=fakes.Silence())
    assert summary["trajectory_sha256"] == quiet["trajectory_sha256"]


def test_a_server_that_never_answers_costs_a_moment(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(listener, "PATIENCE_S", 1.0)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        tracker = MLflowTracker(f"http://127.0.0.1:{deaf.getsockname()[1]}", "toy", home)
        summary = campaign(home, tracker)
        assert summary["status"] == "completed"
        assert tracker.settle().waiting > 8


@pytest.mark.parametrize("deadly", [1, 5, *(pytest.param(call, marks=pytest.mark.slow) for call in (2, 9))])
def test_a_server_that_dies_between_taking_and_answering_leaves_no_duplicates(home, monkeypatch, deadly):
    """Each call is carried out and then fails, from the n-th on, until somebody asks again."""
    calls, real = [0], MlflowClient.log_batch

    def dying(self, *arguments, **keywords):
        real(self, *arguments, **keywords)
        calls[0] += 1
        if calls[0] >= deadly:
            raise ConnectionError("gone\nin two lines")

    monkeypatch.setattr(MlflowClient, "log_batch", dying)
    campaign(home, MLflowTracker(None, "toy", home))
    monkeypatch.undo()
    assert sync(None, home, home / "toy").error is None
    found = stored(home)
    assert {len(entries) for entries in found.values()} == {1}
    assert {entries[0][0] for entries in found.values()} == {"FINISHED"}
    for chain in range(3):
        assert [step for step, _ in found[f"toy chain {chain}"][0][1]["temperature"]] == list(range(8))


def test_a_paused_campaign_is_no_running_one(home):
    def asking(task):
        PauseRequest(home / "toy").ask()
        return fakes.evaluate(task)

    with pytest.raises(Paused):
        campaign(home, MLflowTracker(None, "toy", home), asking)
    assert {entries[0][0] for entries in stored(home).values()} == {"KILLED"}
    campaign(home, MLflowTracker(None, "toy", home))
    assert {entries[0][0] for entries in stored(home).values()} == {"FINISHED"}
    assert {len(entries) for entries in stored(home).values()} == {1}


def test_runs_of_a_killed_driver_are_closed_by_sync(home):
    tracker = MLflowTracker(None, "toy", home)
    (home / "toy").mkdir()
    tracker.started(fakes.spec(), home / "toy", 1)
    assert tracker.settle().waiting == 0
    tracker._sender.close()
    assert {entries[0][0] for entries in stored(home).values()} == {"RUNNING"}
    sync(None, home, home / "toy", ended="KILLED")
    assert {entries[0][0] for entries in stored(home).values()} == {"KILLED"}


def test_a_spool_that_cannot_be_written_stops_tracking_only(home, capsys, monkeypatch):
    def full(self, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "append", full)
    assert campaign(home, MLflowTracker(None, "toy", home))["status"] == "completed"
    assert "MLflow tracking stopped, the campaign did not" in capsys.readouterr().err


def test_a_record_that_was_cut_off_is_none(tmp_path):
    spool = Spool(tmp_path)
    spool.begin()
    spool.append({"kind": "open"})
    with spool.path.open("ab") as file:
        file.write(b'{"kind": "ste')
    assert [record["kind"] for record in spool.waiting()] == ["open"]
    spool.sent(spool.next()[1])
    assert spool.next() is None


def test_two_threads_share_a_spool(tmp_path):
    spool = Spool(tmp_path)
    spool.begin()
    writer = threading.Thread(target=lambda: [spool.append({"n": n, "text": "x" * 500}) for n in range(300)])
    writer.start()
    heard, end = [], time.monotonic() + 60
    while len(heard) < 300 and time.monotonic() < end:
        if (found := spool.next()) is not None:
            heard.append(found[0]["n"])
            spool.sent(found[1])
    writer.join()
    assert heard == list(range(300))
