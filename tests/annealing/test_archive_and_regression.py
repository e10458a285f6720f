from __future__ import annotations

import math

import numpy as np
import pytest

from ssbray import rng
from ssbray.annealing import AdaptiveSimulatedAnnealing, Archive, Categorical, Float, Record, Space
from ssbray.annealing.moves import move, reannealed
from ssbray.annealing.regression import fit

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1), "z": Float(0, 1)})


def archive_of(cost, count=60, space=SPACE):
    u = rng.stream(0, "cube").random((count, len(space)))
    return Archive.of(space, [Record.of(space, space.decode(row), cost(row)) for row in u])


def bowl(u):
    d = u - [0.4, 0.6, 0.5]
    return float(d @ np.array([[4.0, 1.5, 0.0], [1.5, 1.0, 0.0], [0.0, 0.0, 9.0]]) @ d)


def test_the_quadratic_finds_the_foot_of_a_bowl():
    """Exact but for the ridge, which pulls a little towards the flat."""
    quadratic = fit(archive_of(bowl), np.full(3, 0.5))
    assert quadratic.centre + quadratic.width * quadratic.lowest() == pytest.approx([0.4, 0.6, 0.5], abs=0.06)


def test_it_walks_away_from_a_top():
    quadratic = fit(archive_of(lambda u: -bowl(u)), np.full(3, 0.5))
    here = quadratic.centre
    foot = here + quadratic.width * quadratic.lowest()
    assert -bowl(foot) < -bowl(here)


def test_units_of_the_cost_do_not_matter():
    one, other = (fit(archive_of(f), np.full(3, 0.5)).lowest() for f in (bowl, lambda u: 1e6 * bowl(u) - 1e7))
    assert one == pytest.approx(other, rel=1e-6)


def test_too_little_is_known_for_a_fit():
    assert fit(archive_of(bowl, count=4), np.full(3, 0.5)) is None
    assert fit(archive_of(lambda u: 1.0), np.full(3, 0.5)).lowest() == pytest.approx(np.zeros(3), abs=1e-6)
    names = Space({"c": Categorical(["a", "b"])})
    assert fit(archive_of(lambda u: u[0], space=names), np.full(1, 0.5)) is None


def test_re_annealing_lengthens_the_steps_that_the_cost_does_not_feel():
    """Slopes 4, 1 and 1/4: factors 1/3 (the limit is 3), 1, 3."""
    quadratic = fit(archive_of(lambda u: float(u @ [4.0, 1.0, 0.25])), np.full(3, 0.5))
    assert quadratic.sensitivity() / quadratic.sensitivity()[1] == pytest.approx([4.0, 1.0, 0.25], rel=0.1)
    assert reannealed(quadratic, 3) == pytest.approx([1 / 3, 1.0, 3.0], rel=0.1)
    assert reannealed(None, 3) == pytest.approx(np.ones(3))


def test_gaussian_steps_follow_the_sensitivities():
    archive = archive_of(lambda u: float(u @ [4.0, 1.0, 0.25]))
    u = np.full(3, 0.5)
    steps = np.array([move(SPACE, u, width=0.01, temperature=1e-6, rng=rng.stream(0, "m", k), archive=archive) - u
                      for k in range(3000)])
    alone = steps[(steps != 0).sum(axis=1) == 1]
    length = [np.median(np.abs(alone[alone[:, k] != 0, k])) for k in range(3)]
    assert length[0] < 0.6 * length[1] < 0.4 * length[2]


def test_the_unit_of_temperature_shrinks_with_the_elite():
    wide = archive_of(bowl)
    near = Archive.of(SPACE, [*wide.records, *(Record.of(SPACE, {"x": 0.4, "y": 0.6, "z": 0.5}, 1e-6 * k)
                                               for k in range(20))])
    assert near.unit < 1e-3 * wide.unit
    assert Archive.of(SPACE, []).unit == 1.0


def test_of_points_that_noise_shuffled_the_middle_one_is_best():
    points = [0.9, 0.48, 0.5, 0.52, 0.53]
    def archive(std):
        return Archive.of(SPACE, [Record.of(SPACE, {"x": x, "y": 0.5, "z": 0.5}, 0.01 * k, std)
                                  for k, x in enumerate(points)])
    assert archive(0.0).best().point["x"] == 0.9
    assert archive(1e-4).best().point["x"] == 0.9  # told apart
    assert archive(0.1).best().point["x"] == 0.52


def test_noise_costs_less_than_the_winners_curse():
    """Mean true cost of the recommended point and of the luckiest one, of 60 about the foot, over 200 drawings."""
    chosen, luckiest = [], []
    for k in range(200):
        generator = rng.stream(k, "cloud")
        u = np.clip([0.4, 0.6, 0.5] + 0.15 * generator.normal(size=(60, 3)), 0, 1)
        told = [bowl(row) + 0.1 * float(generator.normal()) for row in u]
        archive = Archive.of(SPACE, [Record.of(SPACE, SPACE.decode(row), cost, 0.1)
                                     for row, cost in zip(u, told, strict=True)])
        chosen.append(bowl(np.array(archive.best().u)))
        luckiest.append(bowl(u[int(np.argmin(told))]))
    assert np.mean(chosen) < 0.8 * np.mean(luckiest)


def test_finds_an_edge_where_the_least_cost_lies():
    search = AdaptiveSimulatedAnnealing(SPACE.dimensions, seed=0, chains=4, budget=120)
    while (candidate := search.ask()) is not None:
        search.tell(candidate, math.exp(sum(candidate.parameters.values())))
    assert search.best[1] == pytest.approx(1.0, abs=1e-3)
