"""What a search varies and how it scores; no machines."""

import numpy as np
import pytest

from ssbray.errors import InputError
from ssbray.rng import stream
from ssbray.surrogate import TrainingConfig, search
from ssbray.surrogate.search import SPACE, Examples, digest, first_point, score, searched
from tests.anomaly.maps import layered

QUICK = TrainingConfig(hidden=8, steps=1, members=2, samples=4, map_steps=15, vi_steps=5)
COUNT = 60


@pytest.fixture(scope="module")
def data():
    graphs = [layered(k, pores=k % 5) for k in range(COUNT)]
    sigma = [graph.sigma_network for graph in graphs] * np.exp(stream(0, "noise of a test").normal(0, 0.05, COUNT))
    return graphs, sigma, [f"design {k // 2}" for k in range(COUNT)]


def test_validation_takes_whole_groups_and_only_what_conducts(data):
    graphs, sigma, groups = data
    some = np.where(np.arange(COUNT) == 7, 0.0, sigma)
    found = Examples.of(graphs, some, groups, None, seed=1)
    assert len(found.graphs) == COUNT - 1
    assert 0.2 < found.validation.mean() < 0.3
    names = np.array(found.groups)
    assert not set(names[found.validation]) & set(names[~found.validation])
    assert Examples.of(graphs, some, groups, None, seed=1).sha256 == found.sha256
    assert Examples.of(graphs, some, groups, None, seed=2).sha256 != found.sha256
    assert Examples.of(graphs, sigma * 1.001, groups, None, seed=1).sha256 != found.sha256
    with pytest.raises(InputError, match="too few"):
        Examples.of(graphs[:20], sigma[:20], groups[:20], None, seed=1)


def test_a_score_repeats_and_learns_nothing_from_validation(data, monkeypatch):
    graphs, sigma, groups = data
    examples = Examples.of(graphs, sigma, groups, None, seed=0)
    given = {}

    def spied(graphs, sigma, **more):
        given.update(more, sigma=sigma)
        return train(graphs, sigma, **more)

    train = search.train
    monkeypatch.setattr(search, "train", spied)
    first = score(examples, QUICK, {"hidden": 12, "map_rate": 5e-3}, seed=0)
    assert given["config"].hidden == 12
    assert given["config"].map_rate == 5e-3
    assert given["config"].vi_steps == QUICK.vi_steps
    held = {name for name, out in zip(examples.groups, examples.validation, strict=True) if out}
    assert not held & set(given["groups"])
    assert not set(examples.sigma[examples.validation]) & set(given["sigma"])
    again = score(examples, QUICK, {"hidden": 12, "map_rate": 5e-3}, seed=0)
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert score(examples, QUICK, {"hidden": 8}, seed=0)["nll"] != first["nll"]


def test_the_first_point_is_the_present_one_and_lies_in_the_space():
    config = TrainingConfig(hidden=4, prior_gain=9.0)
    space = searched(config, ("steps",))
    assert "steps" not in space
    point = first_point(config, space)
    assert point["hidden"] == SPACE["hidden"].low
    assert point["prior_gain"] == SPACE["prior_gain"].high
    assert point["vi_rate"] == config.vi_rate
    for name, value in point.items():
        assert space[name].low <= value <= space[name].high
        assert type(value) is (int if space[name].kind == "int" else float)
    TrainingConfig.model_validate(config.model_dump() | point)


def test_what_is_fixed_or_idle_is_not_searched():
    assert "centred_gain" not in searched(TrainingConfig(prior_centre="zero"), ())
    assert "map_epochs" not in searched(TrainingConfig(map_steps=5), ())
    with pytest.raises(InputError, match="nothing to search"):
        searched(TrainingConfig(), tuple(SPACE))


def test_the_name_of_a_setting_depends_on_its_values_alone():
    assert digest({"a": 1, "b": 0.1}) == digest({"b": 0.1, "a": 1})
    assert digest({"a": 1, "b": 0.1}) != digest({"a": 1, "b": 0.2})
