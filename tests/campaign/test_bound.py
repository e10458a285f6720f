"""The bound: exact for flat layers, never below a solve, and blind to what a perfect sample would lack."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray.campaign import objective
from ssbray.campaign.bound import bound, highest
from ssbray.campaign.task import evaluate
from ssbray.domain import PhaseMap
from tests.campaign import fakes

PHASES = ("LLZO", "NMC811", "pore", "film")


def made(labels):
    return PhaseMap(labels=np.asarray(labels, np.uint8), phases=PHASES, pixel_size_nm=1.0)


def test_flat_layers_give_the_series_value():
    labels = np.repeat([0, 0, 0, 1], 5)[:, None] * np.ones((1, 4), np.uint8)
    assert highest(made(labels), {0: 2.0, 1: 0.5}, ("LLZO", "NMC811")) == pytest.approx(1 / (0.75 / 2.0 + 0.25 / 0.5))


def test_pores_and_films_are_filled_with_their_neighbours():
    clean = np.repeat([0, 1], 6)[:, None] * np.ones((1, 6), np.uint8)
    spoilt = clean.copy()
    spoilt[2:4, 1:3], spoilt[5], spoilt[9, 2] = 2, 3, 2
    sigma = {0: 2.0, 1: 0.5, 2: 0.0, 3: 1e-6}
    assert highest(made(spoilt), sigma, ("LLZO", "NMC811")) == pytest.approx(highest(made(clean), sigma, PHASES[:2]))
    better = highest(made(spoilt), {**sigma, 3: 50.0}, PHASES[:2])  # a film that conducts better stays
    assert better > highest(made(clean), sigma, PHASES[:2])


def test_nothing_to_fill_with_blocks():
    assert highest(made(np.full((3, 3), 2)), {2: 0.0}, ("LLZO", "NMC811")) == 0.0


def test_no_solve_is_above_it():
    """Real specimens, good and bad ones: the bound is that of each specimen, and its mean that of the means."""
    spec = fakes.spec(specimen={"size_nm": [300, 200], "pixel_size_nm": 5, "replicates": 2})
    for point in ({"coating": "LCBO", "coating_thickness_nm": 3.0, "cosintering_temperature_C": 600.0},
                  {"coating": "bare", "cosintering_temperature_C": 850.0, "cosintering_time_h": 10.0}):
        tasks = objective.tasks(spec, point, count=3)
        for task in tasks:
            found = evaluate(task).values["sigma_eff_S_per_cm"]
            assert found <= bound(spec, [task])["sigma_eff_S_per_cm"] * (1 + 1e-7)
        each = [bound(spec, [task])["sigma_eff_S_per_cm"] for task in tasks]
        assert bound(spec, tasks)["sigma_eff_S_per_cm"] == pytest.approx(np.exp(np.mean(np.log(each))))
