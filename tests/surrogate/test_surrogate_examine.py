"""One call that gives all: the same numbers as one by one, and verdicts with reasons; and what it needs on disk."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch

from ssbray.anomaly import p_values
from ssbray.errors import InputError
from ssbray.rng import stream
from ssbray.surrogate import Surrogate, TrainingConfig, train
from ssbray.surrogate.store import HEADER, WEIGHTS
from tests.anomaly.maps import layered

QUICK = TrainingConfig(hidden=8, steps=1, members=4, samples=9, map_steps=60, vi_steps=20)
COUNT = 80


@pytest.fixture(scope="module")
def maps():
    return [layered(k, pores=k % 4) for k in range(COUNT)]


@pytest.fixture(scope="module")
def model(maps):
    sigma = [graph.sigma_network for graph in maps] * np.exp(stream(0, "noise of a test").normal(0, 0.05, COUNT))
    return train(maps, sigma, groups=[str(k) for k in range(COUNT)], config=QUICK, seed=0)


def blocked():
    """Nothing conducts: the electrolyte does not."""
    graph = layered(0)
    return replace(graph, sigma_network=0.0)


def test_it_says_what_the_single_calls_say(model, maps):
    graphs = [*maps[:3], blocked()]
    found = model.examine(graphs)
    assert [one.prediction for one in found] == model.predict(graphs)
    for one, (nodes, edges) in zip(found, model.losses(graphs), strict=True):
        assert np.array_equal(one.nodes, nodes)
        assert np.array_equal(one.edges, edges)
    assert np.array_equal([one.embedding for one in found], model.embedding(graphs), equal_nan=True)
    assert found[0].nodes.sum() + found[0].edges.sum() == pytest.approx(1, abs=1e-5)
    assert found[3].nodes.sum() + found[3].edges.sum() == found[3].prediction.sigma == 0
    assert found[0].inconsistency is None
    for one, graph in zip(found[:3], graphs, strict=False):
        assert one.asr * one.prediction.sigma == pytest.approx(graph.thickness_m)
        assert one.asr90[0] < one.asr < one.asr90[1]
        assert one.asr90[0] * one.prediction.interval90[1] == pytest.approx(graph.thickness_m)
    assert found[3].asr == np.inf


def test_embedding_is_a_bounded_state_for_each_member(model, maps):
    points = model.embedding(maps[:5])
    assert points.shape == (5, QUICK.members * QUICK.hidden)
    assert (np.abs(points) < 1).all()
    assert np.linalg.norm(points[0] - points[1]) > 1e-3
    assert model.embedding(maps[1:2])[0] == pytest.approx(points[1], abs=1e-5)
    assert np.isnan(model.embedding([blocked()])).all()


def test_an_overlooked_layer_is_flagged_with_its_name_and_what_it_carries(model):
    (found,) = model.examine([layered(200, zirconate=3)])
    assert found.anomaly.flag
    assert found.anomaly.p_value == pytest.approx(1 / (COUNT + 1))
    text = " ".join(found.anomaly.reasons)
    assert f"none of {COUNT} training maps has any" in text
    assert "La2Zr2O7 carries" in text
    assert "of the loss, " in text


def test_a_solve_that_disagrees_is_flagged_and_one_that_agrees_is_not(model, maps):
    (plain,) = model.predict(maps[:1])
    agrees, disagrees, dead = model.examine([maps[0]] * 3, [plain.sigma, plain.sigma * np.exp(20 * plain.std_ln), 0.0])
    assert agrees.inconsistency == pytest.approx(0, abs=1e-3)
    assert not agrees.anomaly.flag
    assert agrees.anomaly.reasons == ()
    assert disagrees.inconsistency == pytest.approx(20, abs=1e-3)
    expected = 2 * float(p_values([disagrees.inconsistency], model.calibration.errors)[0])  # of two scores
    assert disagrees.anomaly.p_value == pytest.approx(expected)
    assert disagrees.anomaly.flag
    assert "20 standard deviations of the prediction" in " ".join(disagrees.anomaly.reasons)
    assert dead.inconsistency == np.inf
    assert "the solved map does not conduct, the predicted one does" in dead.anomaly.reasons
    both = model.examine([blocked()], [0.0])[0]
    assert both.inconsistency == 0
    with pytest.raises(InputError, match="truth"):
        model.examine(maps[:2], [1.0])


def test_flags_of_maps_like_the_training_maps_are_rare(model):
    fresh = model.examine([layered(k, pores=k % 4) for k in range(500, 580)])
    assert sum(one.anomaly.flag for one in fresh) <= 12  # a twentieth on average: four


def test_a_verdict_survives_the_disk(model, tmp_path):
    model.save(tmp_path)
    again = Surrogate.load(tmp_path)
    assert again.version == model.version
    assert again.reference.names == model.reference.names
    strange = layered(201, zirconate=2)
    (there,), (here,) = again.examine([strange], [1.0]), model.examine([strange], [1.0])
    assert there.anomaly == here.anomaly
    assert here.anomaly.flag
    assert (tmp_path / WEIGHTS).stat().st_mode & 0o777 == 0o644


def test_a_damaged_reference_and_another_version_are_refused_by_name(model, tmp_path):
    model.save(tmp_path)
    header = json.loads((tmp_path / HEADER).read_text())

    def refused(match, **changes):
        (tmp_path / HEADER).write_text(json.dumps({**header, **changes}))
        with pytest.raises(InputError, match=match) as caught:
            Surrogate.load(tmp_path)
        assert caught.value.field == "surrogate"

    names = header["reference_names"]
    refused("reference", reference_names=names[1:])
    refused("is no quantity of a map", reference_names=["colour:LLZO", *names[1:]])
    refused("train it again", format="ssbray.surrogate/2")
    (tmp_path / HEADER).write_text(json.dumps(header))
    tensors = safetensors.torch.load((tmp_path / WEIGHTS).read_bytes())
    tensors["reference"][0, 0] += 1
    (tmp_path / WEIGHTS).write_bytes(safetensors.torch.save(tensors))
    refused("sha256")
