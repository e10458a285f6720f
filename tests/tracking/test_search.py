"""A search in MLflow: a parent, a child for each trial, once each however often it is run."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from ssbray.tracking.search import EXPERIMENT, SearchTracker

SCORES = {"crps": 0.1, "mape_percent": 1.0, "coverage90": 0.9, "seconds": 2.0}
ROWS = [{"trial": 0, "settings": {"hidden": 8}, "nll": -1.0, **SCORES, "failure": None},
        {"trial": 1, "settings": {"hidden": 16}, "nll": None, **dict.fromkeys(SCORES), "failure": "no score"}]


def told(uri, home, rows, status="FINISHED"):
    table = home / "trials.json"
    table.write_text("{}")
    tracker = SearchTracker(uri, home / "mlartifacts", "model", "identity", {"seed": 3})
    for row in rows:
        tracker.trial(row)
    tracker.finished(ROWS[0], ROWS[0], table)
    tracker.close(status, patience_s=120)
    return tracker


def test_parent_and_children_once(home):
    uri = f"sqlite:///{home / 'mlflow.db'}"
    told(uri, home, ROWS[:1], "KILLED")
    tracker = told(uri, home, ROWS)
    assert tracker.error is None
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert len(runs) == 3
    (parent,) = (run for run in runs if run.info.run_id == tracker.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"seed": "3"}
    assert parent.data.metrics["best.nll"] == -1.0
    assert parent.data.tags["best.hidden"] == "8"
    assert [one.path for one in client.list_artifacts(tracker.run_id)] == ["trials.json"]
    children = {run.data.tags["ssbray.trial"]: run for run in runs if run is not parent}
    assert all(run.data.tags["mlflow.parentRunId"] == tracker.run_id for run in children.values())
    assert children["0"].data.params == {"hidden": "8"}
    assert children["0"].data.metrics == {"nll": -1.0, **SCORES}
    assert children["1"].info.status == "FAILED"
    assert children["1"].data.tags["ssbray.failure"] == "no score"
    assert len(client.get_metric_history(children["0"].info.run_id, "nll")) == 1


def test_nobody_there_is_one_line(tmp_path, nobody, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = told(nobody, tmp_path, ROWS)
    assert tracker.run_id is None
    err = capsys.readouterr().err
    assert "MLflow tracking stopped, the search did not" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/mlflow.db"])
def test_a_store_that_cannot_be_is_one_line(tmp_path, uri, capsys):
    assert told(uri, tmp_path, ROWS).error is not None
    assert capsys.readouterr().err.count("\n") == 1
