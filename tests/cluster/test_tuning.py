"""A search on Ray Tune: rounds that do not depend on who ends first, and trials that are never run twice."""

from __future__ import annotations

import math

import numpy as np
import psutil
import pytest
from ray.tune.search import Searcher

from ssbray.cluster.rounds import Rounds
from ssbray.cluster.tuning import Effort, best_of, search
from ssbray.errors import InputError
from ssbray.rng import stream
from ssbray.surrogate import TrainingConfig
from ssbray.surrogate.search import Examples, first_point, searched
from tests.anomaly.maps import layered

QUICK = TrainingConfig(hidden=8, steps=1, members=2, samples=4, map_steps=10, vi_steps=5)
SPACE = searched(QUICK, ())


class Script(Searcher):
    """Writes down what it is asked and told."""

    def __init__(self):
        super().__init__(metric="nll", mode="min")
        self.log = []

    def suggest(self, trial_id):
        self.log.append(("asked", trial_id))
        return {"x": len(self.log)}

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.log.append((trial_id, result and result["nll"], error))

    def save(self, checkpoint_path):
        raise AssertionError("pickles")

    def restore(self, checkpoint_path):
        raise AssertionError("pickles")


def test_a_round_is_told_whole_and_in_order(tmp_path):
    inner = Script()
    rounds = Rounds(inner, "nll", width=2, total=5)
    assert rounds.suggest("a")["trial"] == 0
    rounds.on_trial_complete("a", {"nll": 1.0})  # before b is asked for
    assert rounds.suggest("b")["trial"] == 1
    assert rounds.suggest("c") is None
    assert inner.log == [("asked", "a"), ("asked", "b")]
    rounds.on_trial_complete("b", {"nll": math.nan})
    rounds.on_trial_complete("b", {"nll": 7.0})  # twice, or one that it does not know, is nothing
    assert inner.log[2:] == [("a", 1.0, False), ("b", None, True)]
    for name in "cd":
        assert rounds.suggest(name) is not None
    rounds.on_trial_complete("d", None, error=True)
    assert inner.log[-1] == ("asked", "d")
    rounds.on_trial_complete("c", {"nll": 3.0})
    assert inner.log[-2:] == [("c", 3.0, False), ("d", None, True)]
    assert rounds.suggest("e")["trial"] == 4
    rounds.on_trial_complete("e", {"nll": 2.0})  # the last round is not full
    assert inner.log[-1] == ("e", 2.0, False)
    assert rounds.suggest("f") == Searcher.FINISHED
    rounds.save(str(tmp_path / "state"))
    assert (tmp_path / "state").read_bytes() == b""


def test_the_best_is_the_first_of_equals():
    rows = [{"trial": 0, "nll": None}, {"trial": 2, "nll": -1.0}, {"trial": 1, "nll": -1.0}, {"trial": 3, "nll": 0.0}]
    assert best_of(rows)["trial"] == 1


@pytest.fixture(scope="module")
def examples():
    graphs = [layered(k, pores=k % 5) for k in range(48)]
    sigma = [graph.sigma_network for graph in graphs] * np.exp(stream(0, "noise of a test").normal(0, 0.05, 48))
    return Examples.of(graphs, sigma, [str(k) for k in range(48)], None, seed=0)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_search_goes_on_from_its_table(examples):
    """Four trials; then six, where only the two that are new could train, and have no time to."""
    told = []
    first = search(examples, QUICK, SPACE, Effort(trials=4, workers=2), seed=0, tell=told.append)
    assert [row["trial"] for row in first] == [0, 1, 2, 3]
    assert first[0]["settings"] == first_point(QUICK, SPACE)
    assert len({row["nll"] for row in first}) == 4
    assert all(row["failure"] is None and np.isfinite(row["nll"]) for row in first)
    assert not any(row["recalled"] for row in told)
    told.clear()
    second = search(examples, QUICK, SPACE, Effort(trials=6, workers=2, trial_s=0.0), seed=0, known=first,
                    tell=told.append)
    assert second[:4] == first  # the same proposals, although the trials end at other times
    assert all(row["nll"] is None and "no score within 0 s" in row["failure"] for row in second[4:])
    assert sorted(row["recalled"] for row in told) == [False] * 2 + [True] * 4
    assert best_of(second) == best_of(first)


@pytest.mark.usefixtures("ray_cluster")
def test_without_a_gpu_that_is_said_before_anything_runs(examples):
    with pytest.raises(InputError, match="no GPU"):
        search(examples, QUICK, SPACE, Effort(trials=1), seed=0, device="cuda")


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_search_without_a_score_says_why(examples):
    with pytest.raises(InputError, match="no score within 0 s"):
        search(examples, QUICK, SPACE, Effort(trials=2, trial_s=0.0), seed=0)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_actors_are_used_again_and_end_with_the_search(examples):
    def trials():
        return {process.pid for process in psutil.process_iter(["cmdline"])
                if any("Trainable" in part or "ray::Trial" in part for part in process.info["cmdline"] or [])}

    before, during = trials(), set()
    search(examples, QUICK, SPACE, Effort(trials=6, workers=2), seed=1, tell=lambda row: during.update(trials()))
    assert 1 <= len(during - before) <= 3
