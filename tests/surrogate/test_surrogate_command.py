"""`ssbray evaluate surrogate` on a store of small solved specimens."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from ssbray import campaign
from ssbray.campaign import dataset
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.task import evaluate
from ssbray.cli import tune
from ssbray.cli.main import main
from ssbray.errors import InputError
from ssbray.surrogate import Surrogate, TrainingConfig, train

QUICK = TrainingConfig(hidden=8, steps=1, members=4, samples=8, map_steps=40, vi_steps=20)
SMOKE = Path(__file__).parents[2] / "jobs" / "smoke.yaml"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store")
    with Ledger(path) as ledger:
        for task in dataset.tasks(campaign.load(SMOKE), 40, seed=1):
            small = replace(task, size_nm=(300.0, 200.0), pixel_size_nm=10.0)
            ledger.put(small, evaluate(small))
    return path


@pytest.fixture(scope="module")
def model(store, tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    rows, losses = dataset.read(store)[:30], dataset.losses(store)
    train([graph for _, _, graph, _ in rows], [sigma for *_, sigma in rows], groups=[group for _, group, *_ in rows],
          config=QUICK, seed=0, losses=[losses[key] for key, *_ in rows]).save(path)
    (path / "training.json").write_text(json.dumps(
        {"store": str(store), "seed": 0, "keys": [key for key, *_ in rows]}))
    return path


def test_losses_are_those_of_the_finite_elements(store):
    graphs = {key: graph for key, _, graph, _ in dataset.read(store)}
    losses = dataset.losses(store)
    assert set(losses) == set(graphs)
    for key, (nodes, edges) in losses.items():
        assert (len(nodes), len(edges)) == graphs[key].size
        assert nodes.sum() + edges.sum() == pytest.approx(1, abs=2e-3)  # four digits each


def test_scores_with_every_baseline_and_the_floor(store, model, capsys):
    assert main(["evaluate", "surrogate", "--model", str(model), "--data", str(store), "--floor", "2",
                 "--baselines", "all", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 10
    assert {"deep ensemble", "network + gradient boosting", "mean"} < set(found["baselines"])
    assert found["loss_kl"]["model"] > 0
    assert found["floor"]["n"] == 2
    assert found["floor_percent"] == found["floor"]["percent"] > 0


@pytest.mark.parametrize("kind", ["between", "beyond"])
def test_a_split_by_a_parameter_trains_anew(store, model, capsys, kind):
    assert main(["evaluate", "surrogate", "--model", str(model), "--data", str(store), "--floor", "0", "--baselines",
                 "simple", "--split", kind, "--by", "cosintering_time_h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["split"] == {"kind": kind, "by": "cosintering_time_h"}
    assert found["n"] == 6  # a fifth of the thirty that it had learnt from
    assert found["floor_percent"] is None
    assert np.isfinite([score for row in found["baselines"].values() for score in row.values()]).all()


def test_the_table_names_what_was_not_measured(store, model, capsys):
    assert main(["evaluate", "surrogate", "--model", str(model), "--data", str(store), "--floor", "0", "--baselines",
                 "simple"]) == 0
    out = capsys.readouterr().out
    assert "Bayesian graph network" in out
    assert "not measured" in out


@pytest.mark.parametrize(("more", "field"), [(["--split", "between"], "--by"), (["--by", "x"], "--by"),
                                             (["--split", "beyond", "--by", "coating"], "--by"),
                                             (["--floor", "-1"], "--floor")])
def test_bad_options_are_refused_by_name(store, model, capsys, more, field):
    assert main(["evaluate", "surrogate", "--model", str(model), "--data", str(store), *more]) == 2
    assert field in capsys.readouterr().err


@pytest.mark.parametrize(("more", "told"), [
    (["--set", "hiden=8"], "did you mean 'hidden'?"), (["--set", "hidden"], "NAME=VALUE"),
    (["--set", "hidden=many"], "--set hidden"), (["--set", "members=20"], "at least two each"),
    (["--tune", "0"], "--tune"), (["--minutes", "3"], "say how many trials"),
    (["--tune", "3", "--minutes", "0"], "--minutes"), (["--tune", "3", "--trial-members", "0"], "--trial-members")])
def test_bad_options_of_a_training_are_one_line(store, tmp_path, capsys, more, told):
    assert main(["train", "surrogate", "--data", str(store), "--out", str(tmp_path / "model"), *more]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_options_of_a_training_are_kept(store, tmp_path, capsys):
    options = [f"{name}={value}" for name, value in QUICK.model_dump().items()
               if value != TrainingConfig.model_fields[name].default]
    assert main(["train", "surrogate", "--data", str(store), "--out", str(tmp_path), "--json",
                 *(word for option in options for word in ("--set", option))]) == 0
    assert Surrogate.load(tmp_path).config == QUICK
    assert json.loads(capsys.readouterr().out)["graphs"] <= 32


def test_rows_of_another_search_are_not_taken_for_ones_own(tmp_path, capsys):
    path, about = tmp_path / "trials.json", {"seed": 0, "space": {"hidden": [8, 64]}}
    assert tune._known(path, about) == []
    rows = [{"trial": 1, "settings": {"hidden": 9}, "nll": -1.0}, {"trial": 0, "settings": {"hidden": 8}, "nll": None}]
    old = [{"trial": 0, "settings": {"hidden": 8}, "nll": -2.0}, {"trial": 1, "settings": {"hidden": 9}, "nll": -1.0}]
    tune._write(path, about, rows, old)
    kept = json.loads(path.read_text())
    assert [row["trial"] for row in kept["trials"]] == [0, 1]
    assert kept["earlier"] == []
    tune._write(path, about, rows[:1], old)  # it was stopped before it came to what it knew already
    assert tune._known(path, about) == [rows[0], old[0]]
    assert capsys.readouterr().err == ""
    assert tune._known(path, {**about, "seed": 1}) == []
    assert "another search" in capsys.readouterr().err
    path.write_text("{}")
    with pytest.raises(InputError, match=r"trials\.json"):
        tune._known(path, about)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_search_is_kept_beside_the_model_and_goes_on(store, tmp_path, capsys):
    def run(trials):
        code = main(["train", "surrogate", "--data", str(store), "--out", str(tmp_path / "model"), "--hold-out", "0",
                     "--tune", str(trials), "--workers", "2", "--trial-members", "2", "--json",
                     *(word for name in ("map_steps=20", "vi_steps=10", "members=4", "samples=8", "hidden=8")
                       for word in ("--set", name))])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out), err

    found, _ = run(2)
    table = json.loads((tmp_path / "model" / "trials.json").read_text())
    assert [row["trial"] for row in table["trials"]] == [0, 1]
    model = Surrogate.load(tmp_path / "model")
    search = model.card["search"]
    assert search["rows"] == table["trials"]
    best = min(table["trials"], key=lambda row: row["nll"])
    assert search["best"] == best == found["search"]["best"]
    assert "hidden" not in best["settings"]
    assert (model.config.hidden, model.config.members) == (8, 4)
    assert {name: getattr(model.config, name) for name in best["settings"]} == best["settings"]
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    run_ids = [client.get_experiment_by_name("surrogate search").experiment_id]
    assert len(client.search_runs(run_ids)) == 3
    again, err = run(3)
    assert "MLflow" not in err
    assert again["search"]["rows"][:2] == table["trials"]  # seconds and all: they were not run again
    assert len(client.search_runs(run_ids)) == 4
    assert "beginning anew" not in err
