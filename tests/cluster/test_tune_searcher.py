"""What Ray's own tests ask of a searcher, and what Tune does to one."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from ray import tune
from ray.tune.search import ConcurrencyLimiter, Searcher

from ssbray.cluster.tune_searcher import TuneSearcher
from ssbray.cluster.tune_space import TuneSpace
from ssbray.errors import InputError

SPACE = {"report": tune.uniform(0.0, 5.0), "list": [1, 2, 3], "constant": 4.0,
         "nest": {"n": tune.randint(2, 5), "c": tune.choice(["a", 1.5, None]), "rate": tune.loguniform(1e-4, 1e-1)}}


def make(space=SPACE, **options):
    return TuneSearcher(space, metric="loss", mode="min", **{"budget": 40, "chains": 2, **options})


def test_suggestions_are_nested_and_hold_searched_keys_only():
    config = make().suggest("a")
    assert set(config) == {"report", "nest"}
    assert set(config["nest"]) == {"n", "c", "rate"}


def test_a_trial_that_asks_twice_is_given_the_same():
    searcher = make()
    assert searcher.suggest("a") == searcher.suggest("a") != searcher.suggest("b")


DOMAINS = {
    "uniform": (tune.uniform(-2, 3), lambda v: isinstance(v, float) and -2 <= v <= 3),
    "loguniform": (tune.loguniform(1e-3, 10), lambda v: 1e-3 <= v <= 10),
    "quniform": (tune.quniform(-1, 2, 0.25), lambda v: -1 <= v <= 2 and v * 4 == round(v * 4)),
    "quniform by ones": (tune.quniform(0, 3, 1), lambda v: isinstance(v, float) and v in (0.0, 1.0, 2.0, 3.0)),
    "qloguniform": (tune.qloguniform(0.1, 1.6, 0.1), lambda v: 0.1 <= v <= 1.6 and abs(v * 10 - round(v * 10)) < 1e-9),
    "randint": (tune.randint(3, 6), lambda v: isinstance(v, int) and v in (3, 4, 5)),
    "one value": (tune.randint(3, 4), lambda v: v == 3),
    "lograndint": (tune.lograndint(1, 9), lambda v: v in range(1, 9)),
    "qrandint": (tune.qrandint(4, 12, 4), lambda v: v in (4, 8, 12)),
    "choice": (tune.choice(["a", 2, None, [1, 2]]), lambda v: v in ("a", 2, None, [1, 2])),
}


COUNTS = {"quniform": 13, "quniform by ones": 4, "qloguniform": 16, "randint": 3, "one value": 1, "lograndint": 8,
          "qrandint": 3, "choice": 4}


@pytest.mark.parametrize("name", DOMAINS)
def test_every_domain_gives_all_of_its_values_and_no_others(name):
    domain, fits = DOMAINS[name]
    space = TuneSpace.of({"x": domain})
    values = [space.config({"x": space.dimensions["x"].decode(u)})["x"] for u in np.linspace(0, 1, 2001)]
    assert all(fits(value) for value in values), {repr(value) for value in values if not fits(value)}
    assert name not in COUNTS or len({repr(value) for value in values}) == COUNTS[name]
    assert all(space.config(space.point({"x": value}))["x"] == pytest.approx(value, rel=1e-12)
               if isinstance(value, float) else space.config(space.point({"x": value}))["x"] == value
               for value in values[::50])


@pytest.mark.parametrize(("domain", "says"), [
    (tune.randn(0, 1), "cannot be searched"), (tune.sample_from(lambda spec: 1), "cannot be searched"),
    (tune.grid_search([1, 2]), "use tune.choice"), (tune.choice([object()]), "choices must be")])
def test_what_cannot_be_searched_is_refused_by_name(domain, says):
    with pytest.raises(InputError, match=says) as caught:
        make({"a": {"x": domain}})
    assert caught.value.field == "a/x"


def test_takes_the_space_of_the_experiment_once():
    searcher = TuneSearcher()
    with pytest.raises(RuntimeError, match="space"):
        searcher.suggest("a")
    assert searcher.set_search_properties("loss", "max", SPACE, num_samples=3)
    assert not searcher.set_search_properties("loss", "max", SPACE)
    for trial in "abc":
        assert isinstance(searcher.suggest(trial), dict)
    assert searcher.suggest("d") == Searcher.FINISHED
    assert not TuneSearcher().set_search_properties("loss", "max", {"only": "constants"})
    with pytest.raises(RuntimeError, match="metric"):
        TuneSearcher(SPACE).suggest("a")


def test_waits_when_all_chains_have_a_trial():
    searcher = make()
    assert all(searcher.suggest(trial) for trial in "ab")
    assert searcher.suggest("c") is None
    assert not searcher.set_max_concurrency(3)


@pytest.mark.parametrize("bad", [{"loss": math.nan}, {"loss": math.inf}, {"loss": -math.inf}, {"loss": None}, {}, None])
def test_invalid_values_are_failures(bad):
    searcher = make()
    for k in range(12):
        searcher.suggest(str(k))
        searcher.on_trial_complete(str(k), bad if k % 2 else {"loss": 1.0 + k}, error=bad is None and k % 2 == 1)
    pickle.dumps(searcher)
    assert [math.isfinite(cost) for _, _, _, cost, _ in searcher._search.trajectory].count(True) == 6


def test_strange_calls_change_nothing(tmp_path):
    searcher = make()
    searcher.on_trial_complete("never seen", {"loss": 0.0})
    searcher.on_trial_complete("never seen", None, error=True)
    searcher.suggest("a")
    searcher.on_trial_result("a", {"loss": 3.0})
    searcher.on_trial_complete("a", {"loss": 2.0})
    before = searcher._search.state_dict()
    searcher.on_trial_complete("a", {"loss": 1.0})
    searcher.on_trial_result("a", {"loss": 1.0})
    assert searcher._search.state_dict() == before


def test_a_trial_restarted_under_another_id_is_not_lost():
    searcher = make()
    config = searcher.suggest("a")
    searcher.on_trial_complete("a", None, error=True)
    searcher.on_trial_complete("a again", {"loss": -7.0, "config": {**config, "constant": 4.0}})
    assert searcher._search.best[1] == -7.0


def test_points_evaluated_elsewhere(tmp_path):
    searcher = make()
    point = {"report": 1.0, "nest": {"n": 3, "c": None, "rate": 1e-2}, "constant": 4.0}
    again = copy.deepcopy(searcher)
    searcher.add_evaluated_point(point, 1.0)
    searcher.add_evaluated_point(point, 0.0, pruned=True)
    searcher.add_evaluated_point(point, None, error=True)
    assert searcher._search.best[1] == 1.0
    assert again._search.state_dict()["added"] == []
    with pytest.raises(InputError, match=r"\[0\.0, 5\.0\]"):
        searcher.add_evaluated_point({**point, "report": 9.0}, 1.0)
    with pytest.raises(InputError, match="lacks report"):
        searcher.add_evaluated_point({"nest": point["nest"]}, 1.0)


def test_given_points_come_first_and_cost_no_budget():
    points = [{"report": k / 4, "nest": {"n": 2, "c": "a", "rate": 0.1}} for k in range(3)]
    searcher = make(points_to_evaluate=points, budget=4)
    given = [searcher.suggest(str(k)) for k in range(3)]
    assert given == points
    for k in range(3):
        searcher.on_trial_complete(str(k), {"loss": -float(k)})
    assert searcher._search.best[1] == -2.0
    for k in range(3, 7):
        assert searcher.suggest(str(k)) != Searcher.FINISHED
        searcher.on_trial_complete(str(k), {"loss": 1.0})
    assert searcher.suggest("8") == Searcher.FINISHED


def loss(config):
    return (config["report"] - 2) ** 2 + config["nest"]["n"] + math.log10(config["nest"]["rate"]) ** 2


@pytest.mark.parametrize("wrap", [lambda searcher: searcher, lambda searcher: ConcurrencyLimiter(searcher, 3)])
def test_goes_on_where_it_was_saved(tmp_path, wrap):
    """Three suggested, one complete, saved; a blank one restored without a space ends like the one that went on."""
    path = str(tmp_path / "searcher")
    first = wrap(make(chains=3))
    configs = {trial: first.suggest(trial) for trial in ("1", "2", "not_completed")}
    first.on_trial_complete("1", {"loss": loss(configs["1"])})
    first.save(path)
    second = wrap(TuneSearcher())
    second.restore(path)
    inner = second.searcher if isinstance(second, ConcurrencyLimiter) else second
    assert "not_completed" in inner._live_trial_mapping
    assert inner.metric == "loss"
    for searcher in (first, second):
        searcher.on_trial_complete("2", {"loss": loss(configs["2"])})
    assert first.suggest("3") == second.suggest("3")


def test_the_state_is_plain_text_and_complete(tmp_path):
    def run(searcher, begin, end):
        for k in range(begin, end):
            config = searcher.suggest(str(k))
            searcher.on_trial_complete(str(k), {"loss": loss(config), "se": 0.1, "broken": config["report"] - 4})
        return searcher

    options = {"std": "se", "violation": "broken", "points_to_evaluate": [
        {"report": 1.0, "nest": {"n": 2, "c": "a", "rate": 0.1}}]}
    whole = run(make(**options), 0, 41)
    for cut in (0, 1, 5, 13, 30):
        half = run(make(**options), 0, cut)
        half.save(str(tmp_path / "state"))
        rest = TuneSearcher()
        rest.restore(str(tmp_path / "state"))
        assert run(rest, cut, 41)._search.trajectory == whole._search.trajectory
    (tmp_path / "state").read_text()


def test_maximises():
    searcher = make({"x": tune.uniform(0, 1)}, budget=60)
    searcher._mode = "max"
    for k in range(60):
        config = searcher.suggest(str(k))
        searcher.on_trial_complete(str(k), {"loss": -(config["x"] - 0.3) ** 2})
    assert searcher._search.best[0]["x"] == pytest.approx(0.3, abs=1e-3)


class Square(tune.Trainable):
    """x^2; an actor is used again for the next trial, as starting one takes seconds."""

    def setup(self, config):
        self.x = config["x"]

    def reset_config(self, new_config):
        self.x = new_config["x"]
        return True

    def step(self):
        return {"loss": self.x**2, "done": True}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_converges_in_tune_and_is_restored_by_it(tmp_path):
    """x^2 on [0, 20] to 1e-3 within 100 trials, as Ray asks of Nevergrad and ZOOpt."""
    searcher = TuneSearcher(metric="loss", mode="min", chains=2)
    tuner = tune.Tuner(
        Square, param_space={"x": tune.uniform(0, 20), "fixed": 1},
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=100, max_concurrent_trials=2, reuse_actors=True),
        run_config=tune.RunConfig(name="square", storage_path=str(tmp_path), verbose=0))
    results = tuner.fit()
    assert len(results) == 100
    assert not results.errors
    assert abs(results.get_best_result("loss", "min").config["x"]) < 1e-3
    restored = TuneSearcher()
    restored.restore_from_dir(str(tmp_path / "square"))
    assert restored._search.best[0]["x"] < 1e-3
    assert restored.suggest("another") == Searcher.FINISHED
