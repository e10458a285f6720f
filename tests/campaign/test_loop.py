from __future__ import annotations

import json
import math

import pytest

from ssbray.campaign import Ledger, SerialAnnealers, SerialWorkers, run, solves_planned
from ssbray.campaign.loop import trajectory_sha256
from ssbray.errors import InputError
from tests.campaign import fakes

CONTRACT = {"name", "status", "evaluations", "fe_solves", "cache_hits", "screened", "best", "reference",
            "improvement_percent", "improvement_interval90_percent", "trajectory_sha256", "mlflow_run_id", "seconds"}


def campaign(directory, workers=None, listener=None, **changes):
    return run(fakes.spec(**changes), directory, workers=workers or SerialWorkers(fakes.evaluate),
               learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(), listener=listener or fakes.Silence())


def test_the_summary_keeps_its_promises(tmp_path):
    summary = campaign(tmp_path)
    assert set(summary) >= CONTRACT
    assert set(summary["best"]) >= {"parameters", "objective", "sigma_eff_S_per_cm", "asr_ohm_cm2", "interval90"}
    assert set(summary["seconds"]) >= {"total", "solving", "training", "orchestration"}
    assert summary["status"] == "completed"
    assert summary["evaluations"] == 12 + 3 * 2 * 4
    assert summary["fe_solves"] <= solves_planned(fakes.spec())
    json.dumps(summary)


def test_the_gain_is_what_the_landscape_gives(tmp_path):
    """The best design is near LCBO, 700 C, 1 h, 10 nm; the reference lacks exp(0.8) - 1 = 122 %."""
    summary = campaign(tmp_path, annealing={"initial": 24, "chains": 3, "rounds": 3, "steps": 8})
    best = summary["best"]["parameters"]
    assert best["coating"] == "LCBO"
    assert abs(best["cosintering_temperature_C"] - 700) < 60
    low, high = summary["improvement_interval90_percent"]
    assert low <= summary["improvement_percent"] <= high
    assert 90 < summary["improvement_percent"] < 123  # common specimens: the noise cancels
    assert summary["best_without_coating"]["parameters"]["coating"] == "bare"


def test_every_number_leads_to_stored_solves(tmp_path):
    summary = campaign(tmp_path)
    with Ledger(tmp_path, write=False) as ledger:
        stored = [ledger.get(key) for key in summary["best"]["solves"]]
        assert ledger.count() == summary["fe_solves"]
    mean = sum(math.log(outcome.values["sigma_eff_S_per_cm"]) for outcome in stored) / len(stored)
    assert summary["best"]["sigma_eff_S_per_cm"] == pytest.approx(math.exp(mean), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_trajectory_does_not_depend_on_the_workers(tmp_path, seed):
    alone = campaign(tmp_path / "one")
    many = campaign(tmp_path / "many", workers=fakes.ShuffledWorkers(5, seed))
    assert many["trajectory_sha256"] == alone["trajectory_sha256"]
    assert many["best"] == alone["best"]
    assert campaign(tmp_path / "other", seed=12)["trajectory_sha256"] != alone["trajectory_sha256"]


def test_a_second_run_solves_nothing_and_says_the_same(tmp_path):
    first = campaign(tmp_path)
    second = campaign(tmp_path)
    assert second["fe_solves_this_run"] == 0
    for name in ("trajectory_sha256", "best", "reference", "improvement_percent", "fe_solves"):
        assert second[name] == first[name]


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("limit", [1, 13, 30, 60])
def test_an_interrupted_campaign_goes_on_where_it_was(tmp_path, limit):
    whole = campaign(tmp_path / "whole")
    workers = fakes.ShuffledWorkers(3, 0)

    def dying(task):
        if workers.solved >= limit:
            raise Killed
        return fakes.evaluate(task)

    workers._evaluate = dying
    with pytest.raises(Killed):
        campaign(tmp_path / "cut", workers=workers)
    with Ledger(tmp_path / "cut", write=False) as ledger:
        stored = ledger.count()
    resumed = campaign(tmp_path / "cut")
    assert resumed["trajectory_sha256"] == whole["trajectory_sha256"]
    assert resumed["best"] == whole["best"]
    assert resumed["fe_solves_this_run"] == whole["fe_solves"] - stored


def test_failures_never_win_and_are_recorded(tmp_path):
    listener = fakes.Silence()
    summary = campaign(tmp_path, listener=listener)
    records = [record for name, arguments in listener.events if name == "met" for record in arguments[1]]
    assert all(not record.accepted for record in records if record.value is None)
    assert summary["best"]["parameters"]["cosintering_temperature_C"] <= 880


def test_another_spec_under_the_same_name_is_refused(tmp_path):
    campaign(tmp_path)
    with pytest.raises(InputError, match="another spec"):
        campaign(tmp_path, seed=99)


def test_a_hopeless_search_says_so(tmp_path):
    hot = {"cosintering_temperature_C": {"low": 890, "high": 900}, "coating": {"choices": ["bare", "LCBO"]}}
    with pytest.raises(InputError, match="melted"):
        campaign(tmp_path, search=hot)


def test_screening_is_suspended_when_it_misleads(tmp_path):
    class Liar(fakes.QuadraticLearner):
        def predict(self, graphs):
            mean, std = super().predict(graphs)
            return -mean, std

    run(fakes.spec(annealing={"initial": 12, "chains": 3, "rounds": 3, "steps": 6, "unscreened": 0.3}), tmp_path,
        workers=SerialWorkers(fakes.evaluate), learner=Liar(), annealers=SerialAnnealers(), listener=fakes.Silence())
    with Ledger(tmp_path, write=False) as ledger:
        assert ledger.events("screening suspended")


def test_an_empty_trajectory_has_a_digest():
    assert len(trajectory_sha256([])) == 64
