"""Training end to end on small data: bits, borders, the disk."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ssbray.errors import InputError
from ssbray.surrogate import Surrogate, TrainingConfig, evaluate, train
from ssbray.surrogate.calibration import Calibration, hold_out

from .voronoi_maps import random_case

QUICK = TrainingConfig(hidden=8, steps=1, members=2, samples=6, map_steps=25, vi_steps=15, batch_size=8)
COUNT = 36


@pytest.fixture(scope="module")
def data():
    """Small maps with a made-up truth, so that no solve is needed."""
    graphs = [random_case(seed, (40, 50)).graph() for seed in range(COUNT)]
    sigma = [g.sigma_network * np.exp(0.1 + 0.5 * g.edge_features[:, g.edge_names.index("loss")].max()) for g in graphs]
    return graphs, np.array(sigma), [f"design {k // 2}" for k in range(COUNT)]


@pytest.fixture(scope="module")
def model(data):
    graphs, sigma, groups = data
    return train(graphs, sigma, groups=groups, config=QUICK, seed=3)


def test_same_data_and_seed_give_the_same_bits(data, model):
    graphs, sigma, groups = data
    torch.manual_seed(99)  # what the caller did before must not matter
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    again = train(graphs, sigma, groups=groups, config=QUICK, seed=3)
    assert again.version == model.version
    for mine, theirs in zip(model.predict_arrays(graphs), again.predict_arrays(graphs), strict=True):
        assert np.array_equal(mine, theirs)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert train(graphs, sigma, groups=groups, config=QUICK, seed=4).version != model.version


def test_save_and_load(data, model, tmp_path):
    graphs, _, _ = data
    model.save(tmp_path / "m")
    back = Surrogate.load(tmp_path / "m")
    assert back.predict(graphs) == model.predict(graphs)
    assert back.card == model.card
    assert back.config == model.config
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["model.json", "weights.safetensors"]
    header = json.loads((tmp_path / "m" / "model.json").read_text())
    assert header["sha256"].startswith(model.version)


def damage(kind, directory):
    weights, header = directory / "weights.safetensors", directory / "model.json"
    data = weights.read_bytes()
    if kind == "flipped bit":
        weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif kind == "cut":
        weights.write_bytes(data[:100])
    elif kind == "no weights":
        weights.unlink()
    elif kind == "no header":
        header.unlink()
    elif kind == "not json":
        header.write_text("hello")
    elif kind == "foreign":
        header.write_text(json.dumps({"format": "pt"}))
    elif kind == "list":
        header.write_text("[]")
    elif kind == "unknown option":
        header.write_text(header.read_text().replace('"hidden"', '"hiden"'))


@pytest.mark.parametrize("kind", ["flipped bit", "cut", "no weights", "no header", "not json", "foreign", "list",
                                  "unknown option"])
def test_damaged_and_foreign_models_are_refused_by_name(model, tmp_path, kind):
    model.save(tmp_path / "some model")
    damage(kind, tmp_path / "some model")
    with pytest.raises(InputError, match="some model"):
        Surrogate.load(tmp_path / "some model")


def test_what_does_not_conduct_is_exactly_that(data, model):
    graphs, sigma, groups = data
    dead = replace(graphs[0], sigma_network=0.0)
    mixed, alone = model.predict([dead, graphs[1]]), model.predict([graphs[1]])
    assert mixed[0].sigma == 0.0
    assert mixed[0].mean_ln == -np.inf
    assert mixed[0].interval90 == (0.0, 0.0)
    assert mixed[1].mean_ln == pytest.approx(alone[0].mean_ln, abs=1e-6)
    some = train([*graphs, dead, graphs[3]], [*sigma, 0.0, 0.0], groups=[*groups, "x", "y"], config=QUICK, seed=3)
    assert some.card["graphs_excluded"] == 2
    assert some.card["graphs"] == COUNT
    assert evaluate(some, [dead, *graphs], [0.0, *sigma], train_graphs=graphs,
                    train_sigma=sigma)["non_conducting"] == 1


def test_prediction_and_its_interval(data, model):
    graphs, _, _ = data
    one = model.predict(graphs[:1])[0]
    mean, epistemic, aleatoric = model.predict_arrays(graphs[:1])
    assert (one.mean_ln, one.epistemic_ln, one.aleatoric_ln) == (mean[0], epistemic[0], aleatoric[0])
    reach = model.calibration.reach
    assert np.log(one.interval90) == pytest.approx([one.mean_ln - reach * one.std_ln, one.mean_ln + reach * one.std_ln])
    assert one.model_version == model.version
    assert model.predict([]) == []


def test_losses_are_learnt(data):
    """Shares that the network does not know are predicted after they were shown, and saved with the model."""
    graphs, sigma, groups = data

    def moved(graph):
        nodes = graph.node_features[:, graph.node_names.index("fine_loss")] * np.where(graph.phase == 0, 3.0, 1.0)
        edges = graph.edge_features[:, graph.edge_names.index("fine_loss")]
        total = nodes.sum() + edges.sum()
        return nodes / total, edges / total

    losses = [moved(graph) for graph in graphs]
    config = QUICK.model_copy(update={"map_steps": 150, "share_counts": 30.0})
    shown = train(graphs, sigma, groups=groups, config=config, seed=0, losses=losses)
    found = evaluate(shown, graphs, sigma, train_graphs=graphs, train_sigma=sigma, losses=losses)["loss_kl"]
    assert found["model"] < 0.7 * found["network"]
    for nodes, edges in shown.losses(graphs):
        assert nodes.sum() + edges.sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="losses"):
        train(graphs, sigma, groups=groups, config=QUICK, seed=0, losses=losses[1:])
    with pytest.raises(InputError, match="nodes and edges"):
        train(graphs, sigma, groups=groups, config=QUICK, seed=0, losses=losses[::-1])


def test_what_conducts_for_one_only_is_counted(data, model):
    graphs, sigma, _ = data
    dead = replace(graphs[0], sigma_network=0.0)
    found = evaluate(model, [dead, dead, *graphs[2:]], [0.0, 1.0, 0.0, *sigma[3:]], train_graphs=graphs,
                     train_sigma=sigma)
    assert found["n"] == COUNT - 3
    assert found["non_conducting"] == 3
    assert found["misjudged"] == 2


def test_deep_baselines_on_request(data, model):
    graphs, sigma, _ = data
    found = evaluate(model, graphs[:9], sigma[:9], train_graphs=graphs, train_sigma=sigma, extent="all")
    assert {"deep ensemble", "MC dropout", "last-layer Laplace"} < set(found["baselines"])
    assert all(np.isfinite(list(scores.values())).all() for scores in found["baselines"].values())
    assert set(found["ahead"]) == set(found["baselines"])
    assert found["ahead"]["mean"]["crps"][0] > 0


def test_strangers_are_out_of_domain(data, model):
    graphs, _, _ = data
    assert model.in_domain(graphs).all()
    strange = replace(graphs[0], node_features=graphs[0].node_features + 30)
    assert not model.in_domain([strange])[0]
    assert not model.predict([strange])[0].in_domain


def test_groups_are_never_split(data):
    groups = np.array(data[2])
    out = hold_out(list(groups), QUICK.members, QUICK.calibration_fraction, seed=1)
    assert out.shape == (QUICK.members, COUNT)
    for row in out:
        assert 0 < row.sum() < COUNT / 2
        assert not set(groups[row]) & set(groups[~row])
    assert not (out[0] & out[1]).any()


def test_few_graphs_are_not_called_calibrated(data):
    graphs, sigma, groups = data
    small = train(graphs[:12], sigma[:12], groups=groups[:12], config=QUICK, seed=0)
    unknown = Calibration()
    assert (small.calibration.inflation, small.calibration.reach, small.calibration.graphs) == (
        unknown.inflation, unknown.reach, 0)
    assert len(small.calibration.errors) == 0
    assert small.card["calibrated_on"] == 0
    assert "NOT calibrated" in small.card["notes"][0]


def test_progress_is_counted(data):
    graphs, sigma, groups = data
    seen = []
    train(graphs[:8], sigma[:8], groups=groups[:8], config=QUICK, seed=0, progress=lambda *now: seen.append(now))
    assert seen[-1] == (80, 80)
    assert [done for done, _ in seen] == list(range(1, 81))


def test_evaluate_has_the_promised_keys(data, model):
    graphs, sigma, _ = data
    found = evaluate(model, graphs, sigma, train_graphs=graphs, train_sigma=sigma)
    assert {"mape_percent", "r2", "rmse_log10", "nll", "crps", "coverage", "baselines", "n"} <= set(found)
    assert set(found["coverage"]) == {"50", "80", "90", "95"}
    assert set(found["baselines"]) == {"mean", "network", "network + bias", "network + ridge",
                                       "network + Gaussian process", "network + gradient boosting",
                                       "subdivided network"}
    assert all(set(scores) == {"mape_percent", "nll", "crps"} for scores in found["baselines"].values())
    assert found["n"] == COUNT
    json.dumps(found)


def test_bad_input_names_its_field(data):
    graphs, sigma, groups = data
    for bad, field in (({"sigma": sigma[:3]}, "sigma"), ({"sigma": np.full(COUNT, np.nan)}, "sigma"),
                       ({"sigma": np.zeros(COUNT)}, "graphs"), ({"device": "tpu"}, "device")):
        with pytest.raises(InputError) as caught:
            train(graphs, **{"sigma": sigma, "groups": groups, "config": QUICK, "seed": 0} | bad)
        assert caught.value.field == field
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="cuda"):
            train(graphs, sigma, groups=groups, config=QUICK, seed=0, device="cuda")
    for options, word in (({"hiden": 3}, "hiden"), ({"samples": 5, "members": 3}, "two each")):
        with pytest.raises(ValidationError, match=word):
            TrainingConfig(**options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_predicts_what_the_cpu_predicts(data, model):
    graphs, _, _ = data
    for mine, theirs in zip(model.predict_arrays(graphs), model.predict_arrays(graphs, "cuda"), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


def test_graphs_and_scores_do_not_import_torch():
    import subprocess

    code = "import sys, ssbray.graph, ssbray.anomaly; assert not {'torch', 'pyro'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
