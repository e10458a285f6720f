"""The parts of a study that need no cluster: its document, its diary, its samples, and its figures of merit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from ssbray import study
from ssbray.campaign.task import Outcome
from ssbray.errors import InputError
from ssbray.study import gains, layer, samples, transport
from ssbray.study.diary import Diary

JOB = Path(__file__).parents[2] / "jobs" / "study.yaml"
CONTENT = yaml.safe_load(JOB.read_text())


@pytest.fixture(scope="module")
def job():
    return study.load(JOB)


def test_the_job_is_the_study_that_was_claimed(job):
    every = samples.sights(job)
    assert len(every) == 200
    assert every[0].task.pixel_size_nm == 0.5
    assert len({each.sample for each in every}) == 50


@pytest.mark.parametrize(("change", "says"), [
    ({"sampels": {}}, "did you mean 'samples'"),
    ({"images": {"samples": 3}}, "images.samples"),
    ({"images": {"temperature_C": [80, 25]}}, "low, high"),
    ({"blind": {"no_such_law": 1.0}}, "blind.laws"),
    ({"priors": {"factors": {"reaction_rate_dopant": [0.5, 2.0]}}}, "no process law of one number"),
    ({"samples": {"process": {}}}, "samples.search"),
    ({"campaign": {**CONTENT["campaign"], "annealing": {"chains": 0}}}, "campaign.annealing.chains"),
    ({"name": "../up"}, "name"),
    ({"campaign": {**CONTENT["campaign"], "name": "x"}}, "campaign.name"),
    ({"samples": {**CONTENT["samples"], "seed": 3}}, "samples.seed"),
    ({"surrogate": {"config": {"membrs": 3}}}, "surrogate.config.membrs"),
    ({"voltage": {"applied_mV": []}}, "voltage.applied_mV"),
    ({"voltage": {"applied_mV": [0]}}, "voltage.applied_mV"),
    ({"layer": {"phase": "Nope"}}, "layer.phase"),
    ({"priors": {"factors": {"green_density": [0.5, 2.0]}}}, "priors.green_density"),
])
def test_a_wrong_study_is_told_in_one_line(change, says):
    with pytest.raises(InputError) as told:
        study.parse({**CONTENT, **change})
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_a_study_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        study.load(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(InputError, match="is not YAML"):
        study.load(tmp_path / "bad.yaml")


def test_locations_of_a_sample_share_its_process_and_nothing_else(job):
    first, second, other = (samples.sights(job)[k] for k in (0, 1, 4))
    assert first.sample == second.sample != other.sample
    assert first.task.parameters == second.task.parameters != other.task.parameters
    assert first.task.seed != second.task.seed
    assert samples.charge_transfer(first.task) != samples.charge_transfer(second.task)


def test_conditions_lie_in_their_ranges_and_come_from_the_seed(job):
    every = samples.sights(job)
    assert every == samples.sights(job)
    cold = [each.task.temperature_C for each in every]
    resistance = [samples.charge_transfer(each.task) for each in every]
    assert 25 <= min(cold) < 30 < 75 < max(cold) <= 80
    assert 5 <= min(resistance) < 10 < 250 < max(resistance) <= 500
    assert np.median(resistance) == pytest.approx(50, rel=0.35)  # even in the logarithm


def test_fresh_specimens_are_others_than_those_that_are_learnt_from(job):
    seen = {each.task.seed for each in samples.sights(job)}
    tasks = samples.fresh(job.imaged, job.images, 20, job.seed, "fresh")
    assert not seen & {task.seed for task in tasks}
    assert len({task.key for task in tasks}) == 20
    assert samples.fresh(job.imaged, job.images, 5, job.seed, "fresh") == tasks[:5]


def test_the_blind_campaign_differs_in_its_laws_alone(job):
    assert job.unaware.laws == {**job.aware.laws, **CONTENT["blind"]}
    assert job.unaware.model_copy(update={"laws": job.aware.laws, "name": job.aware.name}) == job.aware
    assert job.unaware.name != job.aware.name


def test_a_campaign_that_was_edited_gets_a_directory_of_its_own(job):
    edited = study.parse({**CONTENT, "campaign": {**CONTENT["campaign"], "confirm": {"designs": 2, "specimens": 9}}})
    assert edited.aware.name != job.aware.name
    assert study.load(JOB).aware.name == job.aware.name


def test_who_overlooks_the_layer_sees_none(job):
    from ssbray.campaign.imaging import structure

    tasks = samples.fresh(job.unaware, None, 30, 1, "judged")
    told = [structure(task).reaction_thickness_nm for task in tasks]
    assert max(told) < 1e-2
    known = [structure(replace(task, laws=job.aware.laws)).reaction_thickness_nm for task in tasks]
    assert np.median(known) > 5


def test_a_stage_is_done_once_and_again_when_something_before_it_changes(tmp_path):
    made = []

    def run(first, second):
        diary = Diary(tmp_path)
        diary.stage("a", first, lambda: made.append("a") or {"value": first})
        return diary.stage("b", second, lambda: made.append("b") or {"value": second}, after=("a",))

    assert run(1, 1) == run(1, 1) == {"value": 1}
    assert made == ["a", "b"]
    run(1, 2)
    assert made == ["a", "b", "b"]
    run(2, 2)
    assert made == ["a", "b", "b", "a", "b"]


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        Diary(tmp_path).stage("a", 1, fail)
    assert Diary(tmp_path).stage("a", 1, lambda: {"value": 3}) == {"value": 3}


def test_a_damaged_stage_is_named(tmp_path):
    Diary(tmp_path).stage("a", 1, lambda: {"value": 3})
    path = tmp_path / "stages" / "a.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(InputError, match=r"a\.json"):
        Diary(tmp_path).stage("a", 1, dict)


def test_images_and_truths_are_compared_where_both_conduct():
    def row(sigma, failure=None):
        return {"sigma_eff_S_per_cm": sigma, "percolates": bool(sigma), "failure": failure}

    true = {"a": row(1.0), "b": row(2.0), "c": row(4.0), "d": row(0.0), "e": row(1.0)}
    seen = {"a": row(1.1), "b": row(1.9), "c": row(4.0), "d": row(1.0), "e": row(None, "did not converge")}
    found = transport.apart(seen, true, {stem: stem for stem in true})
    assert found["median_percent"] == pytest.approx(5.0)
    assert (found["n"], found["samples"], found["percolation_wrong"], found["interval90"]) == (3, 3, 1, None)
    assert transport.apart({"d": row(1.0)}, {"d": row(0.0)}, {"d": "d"})["median_percent"] is None


def test_images_of_one_sample_hang_together_in_an_interval():
    values = [0.0] * 50 + [1.0] * 50 + [0.0] * 50 + [1.0] * 50
    alone = transport.by_samples(values, [str(k) for k in range(200)], np.mean, 0)
    four = transport.by_samples(values, [str(k // 50) for k in range(200)], np.mean, 0)
    assert alone[1] - alone[0] < 0.15
    assert four[1] - four[0] > 0.4
    assert transport.by_samples(values, [str(k // 100) for k in range(200)], np.mean, 0) is None


def test_charge_transfer_and_what_is_in_series_with_it_are_told_apart():
    from ssbray.materials.assign import Properties

    found = transport.series(Properties(conductivity={}, interfaces={(0, 1): 7.0, (0, 0): 1.0}, parts={
        (0, 1): {"A:B:charge transfer": 5.0, "A:B:La2Zr2O7": 2.0}, (0, 0): {"A:A:grain boundary": 1.0}}))
    assert found == ({(0, 1): 2.0, (0, 0): 1.0}, 5.0)


def test_auroc_counts_pairs_and_ties_half():
    every = np.array([True, True])
    found = layer.auroc(np.array([1.0, 2.0]), np.array([0.0, 1.0]), every, 0)
    assert found["value"] == pytest.approx(3.5 / 4)
    assert found["interval90"][0] <= found["value"] <= found["interval90"][1]
    one = layer.auroc(np.array([math.inf, math.nan]), np.array([1.0, 2.0]), every, 0)
    assert one["value"] == 1.0
    assert layer.auroc(np.array([1.0, 2.0]), np.array([0.0, 1.0]), ~every, 0) is None


class Fixed:
    """Solves nothing: the conductivity of a design falls with its coating, and with a law."""

    def solve(self, store, tasks, what, evaluate=None):
        found = []
        for task in tasks:
            rough = task.laws.get("roughness_rms_1um_nm", 35.0) / 35.0
            sigma = 1e-6 * (2.0 if task.parameters["coating"] == "bare" else rough) * (1 + (task.seed % 7) / 100)
            found.append(Outcome(key=task.key, values={"sigma_eff_S_per_cm": sigma, "percolates": True, "reason": None,
                                                       "budget": {"NMC811": 1.0}, "fractions": {}}))
        return found


def test_gains_are_ratios_on_equal_specimens(job, tmp_path):
    designs = {"best": {"coating": "bare"}, "other": {"coating": "LCBO", "coating_thickness_nm": 10}}
    full = {role: job.aware.design({"milling_time_h": 20, **some}).model_dump() for role, some in designs.items()}
    found = gains.compare(job.aware, full, "best", 5, tmp_path, Fixed())
    assert found["gain_over"]["other"]["percent"] == pytest.approx(100.0)
    assert found["gain_over"]["other"]["interval90"] == pytest.approx([100.0, 100.0])
    assert found["designs"]["best"]["specimens"] == 5


def test_a_prior_that_turns_the_choice_round_is_told(job, tmp_path):
    designs = {"best": {"coating": "bare"}, "other": {"coating": "LCBO", "coating_thickness_nm": 10}}
    full = {role: job.aware.design({"milling_time_h": 20, **some}).model_dump() for role, some in designs.items()}
    other = study.parse({**CONTENT, "priors": {"factors": {"roughness_rms_1um_nm": [0.5, 4.0]}, "specimens": 3}})
    found = gains.sensitivity(other, full, "best", tmp_path, Fixed())
    low, high = found["rows"]
    assert (low["value"], high["value"]) == (17.5, 140.0)
    assert low["still_best"]
    assert not high["still_best"]
    assert low["gain_over_percent"]["other"] == pytest.approx(300.0)
    assert high["gain_over_percent"]["other"] == pytest.approx(-50.0)
