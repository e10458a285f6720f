"""`ssbray evaluate surrogate` on a store of small solved specimens."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssbray import campaign
from ssbray.campaign import dataset
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.task import evaluate
from ssbray.cli.main import main
from ssbray.surrogate import TrainingConfig, train

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
