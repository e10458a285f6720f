"""What a spec can ask for: risk, constraints, strangeness, parameters that exist now and then, and no search at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssbray.campaign import Ledger, SerialAnnealers, objective, run
from ssbray.campaign.judge import Judge
from ssbray.campaign.meeting import Counter
from ssbray.campaign.task import Outcome, evaluate
from ssbray.errors import InputError
from tests.campaign import fakes


def wanted(**changes):
    return fakes.spec(objective={"minimise": "asr_ohm_cm2", **changes})


def campaign(directory, spec, evaluate=fakes.evaluate):
    workers = fakes.ShuffledWorkers(3, 0, evaluate)
    summary = run(spec, directory, workers=workers, learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(),
                  listener=fakes.Silence())
    with Ledger(directory, write=False) as ledger:
        return summary, ledger.events("initial"), ledger.events("step"), workers


def outcome(sigma, key="k"):
    return Outcome(key=key, values={"sigma_eff_S_per_cm": sigma, "percolates": sigma > 0, "reason": "cut"})


def test_risk_is_a_mean_or_a_quantile_of_costs():
    sigma = [1e-6, 2e-6, 8e-6]
    costs = [math.log(1e-5 / each) for each in sigma]
    outcomes = [outcome(each) for each in sigma]
    assert Judge(wanted()).evaluation(outcomes).value == pytest.approx(np.mean(costs))
    assert Judge(wanted(risk="mean")).evaluation(outcomes).value == pytest.approx(np.mean(costs))
    assert Judge(wanted(risk=0.5)).evaluation(outcomes).value == pytest.approx(math.log(1e-5 / 2e-6))
    assert Judge(wanted(risk=0.75)).evaluation(outcomes).value == pytest.approx(  # halfway from the middle to the worst
        (math.log(1e-5 / 2e-6) + math.log(1e-5 / 1e-6)) / 2)
    assert Judge(wanted(risk=0.75)).evaluation([*outcomes, outcome(0.0)]).value is None
    upwards = fakes.spec(objective={"maximise": "sigma_eff_S_per_cm", "risk": 0.75})
    assert Judge(upwards).evaluation(outcomes).value == pytest.approx(-(math.log(2e-6) + math.log(1e-6)) / 2)


def test_a_violation_is_the_sum_of_relative_excesses():
    """500 C for 0.1 h in oxygen grows next to nothing; a coating of 30 nm that stays is three times a limit of 10."""
    kept = {"coating": "LiNbO3", "coating_thickness_nm": 30.0, "cosintering_temperature_C": 500.0,
            "cosintering_time_h": 0.1}
    one = objective.violation(wanted(constraints={"coating_layer_nm": 10.0}), kept)
    assert one == pytest.approx(2.0, abs=0.05)
    assert objective.violation(wanted(constraints={"coating_layer_nm": 31.0}), kept) == 0
    assert objective.violation(wanted(), kept) == 0
    porosity = objective.violation(wanted(constraints={"porosity": 1e-4}), kept)
    both = objective.violation(wanted(constraints={"coating_layer_nm": 10.0, "porosity": 1e-4}), kept)
    assert both == pytest.approx(one + porosity)
    assert porosity > 0


def test_what_breaks_a_constraint_is_never_solved_and_never_best(tmp_path):
    """Free, the search ends near LCBO with 10 nm; with 4 nm at most it stays below, and no solve is wasted above."""
    limit = {"coating_layer_nm": 4.0}
    spec = wanted(constraints=limit)
    solved = []

    def watching(task):
        if task.kind == "solve":
            solved.append(task.parameters)
        return fakes.evaluate(task)

    summary, initial, steps, _ = campaign(tmp_path, spec, watching)
    broken = [event for event in [*initial, *steps] if event["violation"] > 0]
    assert broken
    assert all(event["value"] is None and not event["keys"] for event in broken)
    reference = spec.reference_design.model_dump()
    assert all(objective.violation(spec, parameters) == 0 for parameters in solved if parameters != reference)
    assert summary["best"]["violation"] == 0
    assert summary["best"]["parameters"]["coating_thickness_nm"] <= 4.1
    free, *_ = campaign(tmp_path / "free", fakes.spec())
    assert free["best"]["parameters"]["coating_thickness_nm"] > 4.1


def test_a_search_begun_outside_finds_its_way_in(tmp_path):
    """No design of the plan keeps the limit; the chains follow the violation down to where it is zero."""
    spec = fakes.spec(objective={"minimise": "asr_ohm_cm2", "constraints": {"porosity": 0.04}}, seed=8,
                      search={"sintering_temperature_C": {"low": 800, "high": 1250},
                              "sintering_time_h": {"low": 0.1, "high": 50, "log": True}},
                      annealing={"initial": 4, "chains": 3, "rounds": 3, "steps": 10, "proposals": 2})
    found, initial, steps, _ = campaign(tmp_path, spec)
    assert all(event["violation"] > 0 for event in initial)
    assert any(event["violation"] == 0 and event["accepted"] for event in steps)
    assert found["best"]["violation"] == 0


def test_constraints_that_nothing_keeps_are_said(tmp_path):
    with pytest.raises(InputError, match="loosen them"):
        campaign(tmp_path, wanted(constraints={"porosity": 1e-4}))


def test_screening_prefers_what_keeps_the_constraints(tmp_path):
    """Of three proposals, one breaks a limit: no graph is made of it, and its place in the answer is its own."""
    spec = wanted(constraints={"coating_layer_nm": 4.0})
    counter = Counter.__new__(Counter)
    counter.spec, counter.learner = spec, type("Flat", (), {
        "predict": staticmethod(lambda graphs: (np.arange(float(len(graphs))), np.ones(len(graphs))))})
    graphs = [Outcome(key=str(k), graph=fakes.toy_graph({**spec.reference_design.model_dump()})) for k in range(2)]
    scores = counter._scores([0.0, 1.5, 0.0], graphs)
    assert [violation for *_, violation in scores] == [0.0, 1.5, 0.0]
    assert scores[1][0] == math.inf
    assert scores[0][0] - scores[2][0] == pytest.approx(1.0)  # a higher ln sigma is a lower cost


@pytest.fixture(scope="module")
def solved():
    """Twelve small specimens of one design for real, and one of another."""
    spec = fakes.spec(specimen={"size_nm": [200, 200], "pixel_size_nm": 10, "replicates": 2})
    usual = {"coating": "bare", "cosintering_temperature_C": 500.0, "cosintering_time_h": 0.1}
    odd = {"coating": "LCBO", "coating_thickness_nm": 60.0, "cosintering_temperature_C": 500.0,
           "cosintering_time_h": 0.1}
    return ([evaluate(task) for task in objective.tasks(spec, usual, count=12)],
            [evaluate(task) for task in objective.tasks(spec, odd, count=2)])


def test_strangeness_has_a_price(solved):
    usual, odd = solved
    spec = wanted(anomaly_weight=0.5)
    judge, plain = Judge(spec), Judge(wanted())
    with pytest.raises(InputError, match="needs 10 conducting specimens"):
        judge.learn(usual[:4])
    judge.learn(usual)
    price = judge.evaluation(odd).value - plain.evaluation(odd).value
    assert price == pytest.approx(0.5 * math.log(13))  # stranger than all twelve: p = 1/13
    known = [judge.evaluation([each]).value - plain.evaluation([each]).value for each in usual]
    assert all(0 <= each < price for each in known)
    plain.learn(usual)
    assert plain.evaluation(odd).value == Judge(wanted()).evaluation(odd).value


def test_a_conditional_parameter_is_searched_where_it_exists(tmp_path):
    search = {**fakes.SPEC["search"], "coating_thickness_nm": {
        "low": 1, "high": 30, "when": {"coating": ["LiNbO3", "LCBO"]}}}
    summary, initial, steps, _ = campaign(tmp_path, fakes.spec(search=search))
    for event in [*initial, *steps]:
        assert ("coating_thickness_nm" in event["parameters"]) == (event["parameters"]["coating"] != "bare")
    assert summary["best"]["parameters"]["coating"] == "LCBO"


def test_the_literal_schedule_takes_whatever_comes_and_screens_nothing(tmp_path):
    summary, _, steps, _ = campaign(tmp_path, fakes.spec(annealing={**fakes.SPEC["annealing"], "schedule": "literal"}))
    assert all(event["accepted"] == (event["value"] is not None) for event in steps)
    assert all(event["predicted"] is None for event in steps)
    assert summary["screened"] == 0


def test_noise_and_bound_stand_beside_the_gain(tmp_path):
    """The toy's noise is a normal deviate of 5 %, the same for all designs of a seed."""
    summary, *_ = campaign(tmp_path, fakes.spec(confirm={"designs": 1, "specimens": 20}))
    assert summary["noise"]["spread_percent"] == pytest.approx(5.1, rel=0.25)
    low, high = summary["noise"]["band90_percent"]
    half = math.log1p(high / 100)
    assert math.log1p(low / 100) == pytest.approx(-half)
    assert half == pytest.approx(1.645 * math.log1p(summary["noise"]["spread_percent"] / 100), rel=0.03)
    assert summary["bound"]["asr_ohm_cm2"] == pytest.approx(1e-5 / summary["bound"]["sigma_eff_S_per_cm"])
