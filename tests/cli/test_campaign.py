"""The real thing in small: specimens, solves, surrogate, Tune, MLflow and report, as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "jobs" / "smoke.yaml"


def ssbray(*arguments, check=True):
    done = subprocess.run([sys.executable, "-m", "ssbray.cli", *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "COLUMNS": "120"}, timeout=280)
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr[-2000:]}")
    return done


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """The same campaign with one and with two solvers."""
    homes = {}
    for workers in (1, 2):
        home = tmp_path_factory.mktemp(f"workers{workers}")
        homes[workers] = home, ssbray("campaign", "run", SMOKE, "--dir", home, "--workers", workers, "--json")
    return homes


def summary(two_runs, workers=2):
    return json.loads((two_runs[workers][0] / "smoke" / "summary.json").read_text())


def test_standard_output_is_one_json_object_equal_to_the_summary(two_runs):
    home, done = two_runs[2]
    assert json.loads(done.stdout) == summary(two_runs)
    assert done.stdout.count("\n") == 1
    assert "round 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_summary_has_every_key_and_a_gain(two_runs):
    result = summary(two_runs)
    assert result["status"] == "completed"
    assert set(result) >= {"name", "status", "evaluations", "fe_solves", "cache_hits", "screened", "best", "reference",
                           "improvement_percent", "improvement_interval90_percent", "trajectory_sha256",
                           "mlflow_run_id", "seconds"}
    assert result["fe_solves"] == result["fe_solves_this_run"] >= 40
    low, high = result["improvement_interval90_percent"]
    assert low < result["improvement_percent"] < high
    assert low > 0
    low, high = result["best"]["interval90"]
    assert low < result["best"]["sigma_eff_S_per_cm"] < high
    assert sum(result["best"]["budget"].values()) == pytest.approx(1.0, abs=1e-9)
    assert result["best"]["asr_ohm_cm2"] == pytest.approx(400e-7 / result["best"]["sigma_eff_S_per_cm"], rel=1e-9)


def test_one_worker_and_two_walk_the_same_way(two_runs):
    one, two = summary(two_runs, 1), summary(two_runs, 2)
    assert one["trajectory_sha256"] == two["trajectory_sha256"]
    for name in ("best", "reference", "improvement_percent", "screened", "fe_solves"):
        assert one[name] == two[name]


def test_the_report_stands_alone(two_runs):
    place = two_runs[2][0] / "smoke"
    page = (place / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert len(list((place / "figures").glob("*.png"))) >= 5
    for path in (place / "figures").glob("*.png"):
        assert min(Image.open(path).size) > 300


def test_mlflow_has_a_run_for_the_campaign_and_one_for_each_chain(two_runs):
    from mlflow import MlflowClient

    home = two_runs[2][0]
    result = summary(two_runs)
    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    parent = client.get_run(result["mlflow_run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["improvement_percent"] == pytest.approx(result["improvement_percent"])
    children = client.search_runs([parent.info.experiment_id],
                                  filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(children) == 2
    history = client.get_metric_history(children[0].info.run_id, "temperature")
    assert [point.step for point in sorted(history, key=lambda point: point.step)] == [0, 1, 2, 3]
    assert {artifact.path for artifact in client.list_artifacts(parent.info.run_id)} >= {"report.html", "summary.json"}


def test_status_reads_a_finished_campaign(two_runs):
    done = ssbray("campaign", "status", "smoke", "--dir", two_runs[1][0], "--json")
    status = json.loads(done.stdout)
    assert status["status"] == "completed"
    assert status["steps"] == 8
    assert status["improvement_percent"] == summary(two_runs, 1)["improvement_percent"]


def test_the_same_command_again_solves_nothing_and_tracks_once(two_runs):
    home, _ = two_runs[1]
    before = summary(two_runs, 1)
    ssbray("campaign", "run", SMOKE, "--dir", home)
    after = summary(two_runs, 1)
    assert after["fe_solves_this_run"] == 0
    for name in ("trajectory_sha256", "best", "mlflow_run_id", "fe_solves"):
        assert after[name] == before[name]


def test_the_trained_model_is_a_model(two_runs):
    from ssbray.surrogate import Surrogate

    model = Surrogate.load(two_runs[2][0] / "smoke" / "model")
    assert model.card["graphs"] > 10
    assert not list((two_runs[2][0] / "smoke").rglob("*.pkl"))


def test_another_seed_under_the_same_name_is_refused(two_runs):
    done = ssbray("campaign", "run", SMOKE, "--dir", two_runs[2][0], "--seed", 8, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("remove it")
    assert summary(two_runs)["status"] == "completed"
