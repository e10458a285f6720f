from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssbray import rng
from ssbray.annealing import Categorical, Float, Int, Schedule, Space, decide, exchange, propose, scale, start
from ssbray.annealing.moves import move
from ssbray.errors import InputError

SPACE = Space({"x": Float(-2, 5), "t": Float(0.1, 10, log=True), "n": Int(1, 4), "c": Categorical(["a", "b", "c"])})
POINT = {"x": 0.0, "t": 1.0, "n": 2, "c": "b"}


@settings(max_examples=100, derandomize=True)
@given(u=st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_decode_stays_inside_and_encode_returns(u):
    point = SPACE.decode(np.array(u))
    assert -2 <= point["x"] <= 5
    assert 0.1 <= point["t"] <= 10
    assert 1 <= point["n"] <= 4
    again = SPACE.decode(SPACE.encode(point))
    assert again["c"] == point["c"]
    assert again["n"] == point["n"]
    assert again["x"] == pytest.approx(point["x"], abs=1e-12)
    assert again["t"] == pytest.approx(point["t"], rel=1e-12)


def test_whole_numbers_take_equal_shares():
    counts = np.bincount([Int(1, 4).decode(u) for u in np.linspace(0, 1, 4001)])[1:]
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("make", [lambda: Float(1, 1), lambda: Float(0, 1, log=True), lambda: Float(0, math.inf),
                                  lambda: Int(3, 2), lambda: Categorical([]), lambda: Categorical(["a", "a"]),
                                  lambda: Space({}), lambda: SPACE.encode({"x": 0.0}),
                                  lambda: SPACE.encode({**POINT, "c": "d"}), lambda: SPACE.encode({**POINT, "n": 2.5}),
                                  lambda: SPACE.encode({**POINT, "x": 9.0})])
def test_bad_spaces_and_points_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_moves_reach_far_when_hot_and_stay_near_when_cold():
    u = np.full(4, 0.5)
    far, near = (np.array([move(SPACE, u, width=w, temperature=t, rng=rng.stream(0, "t", k)) for k in range(600)])
                 for w, t in ((0.25, 0.5), (0.01, 1e-3)))
    assert ((far >= 0) & (far <= 1)).all()
    assert np.abs(far[:, 0] - 0.5).max() > 0.4
    assert np.median(np.abs(near[:, 0] - 0.5)) < 0.01
    changed_n = near[:, 2] != 0.5
    assert np.median(np.abs(near[changed_n, 2] - 0.5)) == 0.25  # a whole number moves by one at least


def test_more_proposals_keep_the_first():
    chain = start(0, POINT, 1.0, Schedule(steps=10))
    one, many = (propose(SPACE, chain, Schedule(steps=10), seed=1, count=n) for n in (1, 5))
    assert many[0] == one[0]
    assert len({str(p) for p in many}) > 1


def test_acceptance_follows_metropolis():
    """Share of accepted moves that are worse by d at temperature T: exp(-d / T)."""
    schedule = Schedule(steps=100, hot=0.5, cold=0.5)
    taken = [decide(start(k, POINT, 0.0, schedule), POINT, 0.5, 0.0, scale=2.0, schedule=schedule, seed=0)[1]
             for k in range(4000)]
    assert np.mean(taken) == pytest.approx(math.exp(-0.5), abs=0.025)


def test_noise_makes_acceptance_stricter():
    """At equal cost the penalty is exp(-b^2 s^2 / 2)."""
    schedule = Schedule(steps=100, hot=0.5, cold=0.5)
    taken = [decide(start(k, POINT, 0.0, schedule), POINT, 0.0, 0.5, scale=1.0, schedule=schedule, seed=0)[1]
             for k in range(4000)]
    assert np.mean(taken) == pytest.approx(math.exp(-0.5), abs=0.025)


def test_exchange_moves_the_worst_chain_only():
    schedule = Schedule(steps=10)
    chains = [start(k, POINT, value, schedule) for k, value in enumerate([1.0, 3.0, 2.0])]
    better = {**POINT, "n": 3}
    after = exchange(chains, (better, 0.5, 0.0), schedule)
    assert [chain.value for chain in after] == [1.0, 0.5, 2.0]
    assert after[1].point == better
    assert exchange(chains[:1], (better, 0.5, 0.0), schedule) == chains[:1]


def test_the_unit_of_temperature_ignores_the_bad_half_and_the_failed():
    assert scale([1.0, 3.0, 100.0, 1e6, None, math.inf]) == 1.0
    assert scale([1.0, 1.0, 1.0]) == 1.0
    assert scale([]) == 1.0
