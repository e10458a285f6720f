from __future__ import annotations

import json
import math

import pytest

from ssbray import rng
from ssbray.campaign import Ledger, Outcome, SerialAnnealers, SerialWorkers, progress, run, solves_planned
from ssbray.campaign.loop import trajectory_sha256
from ssbray.errors import InputError
from tests.campaign import fakes

CONTRACT = {"name", "status", "evaluations", "fe_solves", "cache_hits", "screened", "best", "reference",
            "improvement_percent", "improvement_interval90_percent", "trajectory_sha256", "mlflow_run_id", "seconds"}


def campaign(directory, workers=None, listener=None, **changes):
    return run(fakes.spec(**changes), directory, workers=workers or SerialWorkers(fakes.evaluate),
               learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(), listener=listener or fakes.Silence())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Summary of the toy, solved by one worker in one go."""
    return campaign(tmp_path_factory.mktemp("alone"))


def test_the_summary_keeps_its_promises(alone):
    summary = alone
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


def test_the_trajectory_does_not_depend_on_the_workers(alone, tmp_path):
    for seed in range(3):
        many = campaign(tmp_path / str(seed), workers=fakes.ShuffledWorkers(5, seed))
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
def test_an_interrupted_campaign_goes_on_where_it_was(alone, tmp_path, limit):
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
    assert resumed["trajectory_sha256"] == alone["trajectory_sha256"]
    assert resumed["best"] == alone["best"]
    assert resumed["fe_solves_this_run"] == alone["fe_solves"] - stored


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


def dies_on(purpose, index, times):
    """A machine that fails a specimen so many times."""
    lost = rng.subseed(11, purpose, index)
    left = [times]

    def evaluate(task):
        if task.kind == "solve" and task.seed == lost and left[0] > 0:
            left[0] -= 1
            return Outcome(key=task.key, failure="given up: the machine died")
        return fakes.evaluate(task)
    return evaluate


def test_a_machine_that_dies_in_the_confirmation_is_no_verdict_on_the_design(tmp_path):
    whole = campaign(tmp_path / "whole")
    once = campaign(tmp_path / "once", workers=SerialWorkers(dies_on("fresh specimen", 0, 1)))
    assert once["improvement_percent"] == whole["improvement_percent"]
    always = campaign(tmp_path / "always", workers=SerialWorkers(dies_on("fresh specimen", 0, 99)))
    assert always["best"]["specimens"] == whole["best"]["specimens"] - 1
    assert always["best"]["failures"] == ["given up: the machine died"]
    assert always["improvement_percent"] == pytest.approx(whole["improvement_percent"], rel=0.2)


def test_steps_of_a_failed_try_do_not_outlive_it(tmp_path):
    clean = campaign(tmp_path / "clean")
    campaign(tmp_path / "retried", workers=SerialWorkers(dies_on("specimen", 1, 20)))
    again = campaign(tmp_path / "retried")
    assert again["trajectory_sha256"] == clean["trajectory_sha256"]
    with Ledger(tmp_path / "retried", write=False) as ledger, Ledger(tmp_path / "clean", write=False) as other:
        assert ledger.events("step") == other.events("step")


def test_a_lost_graph_costs_its_point_the_screening_not_its_place(tmp_path):
    def forgets(task):
        outcome = fakes.evaluate(task)
        lost = task.kind == "graph" and task.parameters["coating"] == "bare"
        return Outcome(key=task.key, failure="given up") if lost else outcome

    listener = fakes.Silence()
    campaign(tmp_path, workers=SerialWorkers(forgets), listener=listener)
    records = [record for name, arguments in listener.events if name == "met" for record in arguments[1]]
    for record in records:
        if record.predicted is not None and record.value is not None:
            assert record.parameters["coating"] != "bare"
            assert abs(record.predicted[0] - record.value) < 3


def test_too_little_to_learn_from_is_walked_unscreened(tmp_path):
    def mostly_fails(task):
        if task.kind == "solve" and task.parameters["cosintering_time_h"] > 0.25:
            return Outcome(key=task.key, failure="melted")
        return fakes.evaluate(task)

    summary = campaign(tmp_path, workers=SerialWorkers(mostly_fails),
                       annealing={"initial": 12, "chains": 2, "rounds": 1, "steps": 2})
    assert summary["status"] == "completed"
    assert summary["surrogate"]["card"] == {}
    assert summary["screened"] == 0
    assert summary["improvement_percent"] is None  # the reference melts
    assert summary["reference"]["failures"] == ["melted"] * 4


@pytest.mark.parametrize("name", ["a#b", "a?mode=rw", "a%20b", "a b"])
def test_a_ledger_is_read_where_it_is(tmp_path, name):
    campaign(tmp_path / name)
    before = sorted(path.name for path in tmp_path.iterdir())
    with Ledger(tmp_path / name, write=False) as ledger:
        assert ledger.count() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    (tmp_path / name / "ledger.sqlite").write_bytes(b"no database at all, but long enough to be looked at twice" * 20)
    with pytest.raises(InputError, match="cannot be used as a ledger"):
        Ledger(tmp_path / name)


def test_a_campaign_runs_until_its_summary_is_written(tmp_path):
    """Who asks while the report is being written hears that it runs, and nobody else may write."""
    seen = []

    def conclude(summary):
        with Ledger(tmp_path, write=False) as ledger:
            seen.append(progress.state_of(tmp_path, ledger.sessions()))
        with pytest.raises(InputError, match="another process is writing here"):
            Ledger(tmp_path)
        (tmp_path / "summary.json").write_text("{}")

    concluded(tmp_path, conclude)
    with Ledger(tmp_path, write=False) as ledger:
        seen.append(progress.state_of(tmp_path, ledger.sessions()))
    assert seen == ["running", "completed"]


def test_a_report_that_fails_is_no_end(tmp_path):
    def full(summary):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        concluded(tmp_path, full)
    with Ledger(tmp_path, write=False) as ledger:
        assert progress.state_of(tmp_path, ledger.sessions()) == "failed"
    again = concluded(tmp_path, lambda summary: None)
    assert again["fe_solves_this_run"] == 0


def concluded(directory, conclude):
    return run(fakes.spec(), directory, workers=SerialWorkers(fakes.evaluate), learner=fakes.QuadraticLearner(),
               annealers=SerialAnnealers(), listener=fakes.Silence(), conclude=conclude)


def test_a_model_knows_what_it_has_learnt_from(tmp_path):
    """The solves of the last training, so that others can score it on what it has not seen."""
    campaign(tmp_path)
    training = json.loads((tmp_path / "model" / "training.json").read_text())
    with Ledger(tmp_path, write=False) as ledger:
        stored = {outcome.key for _, outcome in ledger.outcomes() if outcome.ok}
    assert training["store"] == str(tmp_path)
    assert 0 < len(training["keys"]) < len(stored)
    assert set(training["keys"]) < stored
