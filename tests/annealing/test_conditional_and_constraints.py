from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from ssbray import rng
from ssbray.annealing import (
    AdaptiveSimulatedAnnealing,
    Archive,
    Categorical,
    Float,
    Int,
    Record,
    Schedule,
    Space,
    decide,
    exchange,
    propose,
    start,
)
from ssbray.annealing.moves import move
from ssbray.errors import InputError

COATED = {"coating": ("LiNbO3", "LCBO")}
SPACE = {"x": Float(0, 1), "thickness_nm": Float(1, 30, log=True, when=COATED),
         "coating": Categorical(["bare", "LiNbO3", "LCBO"]),
         "passes": Int(1, 4, when={**COATED, "method": ("ALD",)}),
         "method": Categorical(["ALD", "sol-gel"], when=COATED)}


def test_a_parameter_exists_only_beside_its_choices_and_theirs():
    space = Space(SPACE)
    seen = [space.decode(u) for u in rng.stream(0, "cube").random((400, 5))]
    for point in seen:
        coated = point["coating"] != "bare"
        assert ("thickness_nm" in point) == ("method" in point) == coated
        assert ("passes" in point) == (coated and point["method"] == "ALD")
        again = space.decode(space.encode(point, {"thickness_nm": 2.0, "method": "ALD", "passes": 1}))
        assert {**again, "x": 0, "thickness_nm": 0} == {**point, "x": 0, "thickness_nm": 0}
        assert again.get("thickness_nm", 0.0) == pytest.approx(point.get("thickness_nm", 0.0), rel=1e-12)
    assert len({frozenset(point) for point in seen}) == 3


def test_a_place_is_kept_by_memory_or_unknown():
    space = Space(SPACE)
    bare = {"x": 0.5, "coating": "bare"}
    assert np.isnan(space.encode(bare)[[1, 3, 4]]).all()
    assert space.encode(bare, {"thickness_nm": 30.0})[1] == 1.0
    assert space.encode({**bare, "thickness_nm": 7.0})[0] == 0.5  # what does not exist there is not looked at
    with pytest.raises(InputError, match="lacks thickness_nm"):
        space.encode({"x": 0.5, "coating": "LCBO", "method": "sol-gel"})


@pytest.mark.parametrize(("dimension", "says"), [
    (Float(0, 1, when={"x": ("bare",)}), "is no categorical"), (Float(0, 1, when={"coat": ("bare",)}), "did you mean"),
    (Float(0, 1, when={"coating": ("bear",)}), "must list choices"),
    (Float(0, 1, when={"coating": "bare"}), "must list choices"),
    (Categorical(["a"], when={"new": ("a",)}), "circle")])
def test_conditions_that_cannot_be_met_are_refused(dimension, says):
    with pytest.raises(InputError, match=says):
        Space({**SPACE, "new": dimension})


def test_a_chain_remembers_the_thickness_while_it_is_bare():
    schedule = Schedule(steps=10, hot=1e9, cold=1e9)
    chain = start(0, {"x": 0.5, "coating": "LCBO", "method": "sol-gel", "thickness_nm": 9.0}, 1.0, schedule)
    bare, accepted = decide(chain, {"x": 0.5, "coating": "bare"}, 1.0, 0.0, scale=1.0, schedule=schedule, seed=0)
    assert accepted
    assert bare.point == {"x": 0.5, "coating": "bare"}
    space = Space(SPACE)
    assert space.decode(np.where(np.arange(5) == 2, 0.9, np.nan_to_num(space.encode(bare.point, bare.memory))))[
        "thickness_nm"] == pytest.approx(9.0)


def test_the_search_finds_the_thickness_of_the_right_coating():
    def cost(point):
        extra = (math.log(point["thickness_nm"] / 9) ** 2 - 1 if point["coating"] == "LCBO"
                 else 0.2 if "thickness_nm" in point else 0.0)
        return (point["x"] - 0.3) ** 2 + extra

    search = AdaptiveSimulatedAnnealing(SPACE, seed=2, chains=3, budget=150)
    while (candidate := search.ask()) is not None:
        search.tell(candidate, cost(candidate.parameters))
    assert search.best[0]["coating"] == "LCBO"
    assert search.best[0]["thickness_nm"] == pytest.approx(9.0, rel=0.05)


def test_feasible_beats_infeasible_and_less_infeasible_beats_more():
    space = Space({"x": Float(0, 1)})
    told = {"fine": (5.0, 0.0), "finer": (4.0, -1.0), "broken": (-9.0, 0.1), "worse": (-99.0, 0.2),
            "failed": (None, 0.0), "broken, no cost": (None, 0.05)}
    records = {name: Record.of(space, {"x": 0.5}, cost, 0.0, violation) for name, (cost, violation) in told.items()}
    for order in itertools.islice(itertools.permutations(records.values()), 0, 720, 37):
        archive = Archive.of(space, order)
        assert [each for each in archive.records] == [records[name] for name in (
            "finer", "fine", "broken, no cost", "broken", "worse")]
        assert (np.diff(archive.cost) > 0).all()
    assert Archive.of(space, [records["broken"], records["worse"]]).best() == records["broken"]


@pytest.mark.parametrize(("stands", "proposed", "accepted"), [
    ((1.0, 0.0), (-9.0, 1e-9), False), ((-9.0, 1e-9), (1.0, 0.0), True), ((0.0, 2.0), (9.0, 1.0), True),
    ((0.0, 1.0), (-9.0, 50.0), False), ((math.inf, 0.0), (None, 1.0), True), ((0.0, 1.0), (None, 0.0), False)])
def test_acceptance_is_by_feasibility_first(stands, proposed, accepted):
    schedule = Schedule(steps=10, hot=0.1, cold=0.1)
    chain = start(0, {"x": 0.5}, stands[0], schedule, violation=stands[1])
    moved, took = decide(chain, {"x": 0.4}, proposed[0], 0.0, scale=1.0, schedule=schedule, seed=0,
                         violation=proposed[1])
    assert took is accepted
    assert (moved.violation == proposed[1]) == (accepted or stands[1] == proposed[1])


def test_the_least_cost_on_an_edge_of_what_is_allowed():
    """Least of (x - 0.9)^2 + (y - 0.9)^2 where x + y <= 1: at (0.5, 0.5), value 0.32."""
    search = AdaptiveSimulatedAnnealing({"x": Float(0, 1), "y": Float(0, 1)}, seed=1, chains=4, budget=200)
    while (candidate := search.ask()) is not None:
        x, y = candidate.parameters["x"], candidate.parameters["y"]
        over = x + y - 1
        search.tell(candidate, None if over > 0.3 else (x - 0.9) ** 2 + (y - 0.9) ** 2, violation=over)
    point, cost = search.best
    assert point["x"] + point["y"] <= 1
    assert cost == pytest.approx(0.32, abs=0.01)


def bowl(parameters):
    return (parameters["x"] - 0.3) ** 2 + (parameters["y"] - 0.7) ** 2


def walk(search, order, adds):
    """Tell what is in flight in a random order, and add points when so many were told."""
    flying, told = [], 0
    while True:
        for point in adds.get(told, []):
            search.add(point, bowl(point))
        while (candidate := search.ask()) is not None:
            flying.append(candidate)
        if not flying:
            return search
        candidate = flying.pop(order.integers(len(flying)))
        search.tell(candidate, bowl(candidate.parameters))
        told += 1


PLANE = {"x": Float(0, 1), "y": Float(0, 1)}
ADDED = {0: [{"x": 0.31, "y": 0.69}, {"x": 0.9, "y": 0.1}]}


def test_added_points_are_where_chains_start_and_what_they_learn_from():
    blind, led = (walk(AdaptiveSimulatedAnnealing(PLANE, seed=5, chains=2, budget=14), np.random.default_rng(0), adds)
                  for adds in ({}, ADDED))
    assert led.trajectory[:4] == blind.trajectory[:4]  # the initial design
    assert len(led.trajectory) == len(blind.trajectory) == 14  # no budget is spent
    assert led.trajectory[4:] != blind.trajectory[4:]
    assert led.best[1] <= bowl(ADDED[0][0])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_points_added_before_the_walk_keep_the_trajectory_whatever_the_order_of_tells(order):
    def make():
        return AdaptiveSimulatedAnnealing(PLANE, seed=5, chains=3, budget=60)
    one, other = (walk(make(), np.random.default_rng(k), ADDED) for k in (0, order))
    assert one.trajectory == other.trajectory


@pytest.mark.parametrize("when", [5, 13, 14, 31])
def test_a_search_with_added_points_resumes(when):
    def make():
        return AdaptiveSimulatedAnnealing(PLANE, seed=5, chains=3, budget=60)
    whole = walk(make(), np.random.default_rng(0), {when: ADDED[0]})
    again = make()
    again.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    assert again.trajectory == whole.trajectory
    assert again.best == whole.best
    half = make()
    half.load_state_dict({**whole.state_dict(), "told": whole.state_dict()["told"][:40]})
    assert walk(half, np.random.default_rng(4), {}).trajectory == whole.trajectory


def test_nonsense_is_refused():
    search = AdaptiveSimulatedAnnealing(PLANE, seed=5)
    candidate = search.ask()
    for std, violation in ((-1.0, 0.0), (math.nan, 0.0), (0.0, math.nan)):
        with pytest.raises(InputError):
            search.tell(candidate, 1.0, std, violation)
    with pytest.raises(InputError, match="lacks y"):
        search.add({"x": 0.5}, 1.0)
    with pytest.raises(InputError, match="must be a number"):
        search.add({"x": "warm", "y": 0.5}, 1.0)
    search.tell(candidate, 1.0)


def test_moves_in_a_space_of_choices_alone_still_reach_every_one():
    space = Space({"a": Categorical(["p", "q", "r"]), "b": Categorical(["s", "t"])})
    archive = Archive.of(space, [Record.of(space, space.decode(u), float(k)) for k, u in enumerate(
        rng.stream(0, "cube").random((12, 2)))])
    u = space.encode({"a": "p", "b": "s"})
    reached = {tuple(space.decode(move(space, u, width=0.1, temperature=0.1, rng=rng.stream(0, "t", k), archive=archive)
                                  ).values()) for k in range(300)}
    assert len(reached) == 6


def test_the_literal_rule_moves_everything_and_keeps_whatever_works():
    schedule = Schedule(steps=100, rule="literal")
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    chain = start(0, {"x": 0.5, "y": 0.5}, 0.0, schedule)
    point = propose(space, chain, schedule, seed=0)[0]
    assert point["x"] != 0.5 != point["y"]
    assert decide(chain, point, 1e9, 0.0, scale=1.0, schedule=schedule, seed=0)[1]
    assert not decide(chain, point, None, 0.0, scale=1.0, schedule=schedule, seed=0)[1]
    assert exchange([chain, start(1, point, 9.0, schedule)], (point, -1.0, 0.0), schedule)[1].value == 9.0
    steps = np.array([space.encode(propose(space, start(k, {"x": 0.5, "y": 0.5}, 0.0, schedule), Schedule(
        steps=2, hot=0.1, cold=0.1, rule="literal"), seed=0)[0]) - 0.5 for k in range(2000)])
    assert steps.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.05)
    with pytest.raises(InputError, match="literal"):
        AdaptiveSimulatedAnnealing(PLANE, seed=0, schedule="simple")


def test_a_candidate_is_not_where_the_chain_stands():
    space = Space({"coating": Categorical(["bare", "LCBO"]), "t": Float(1, 30, when={"coating": ("LCBO",)}),
                   "n": Int(1, 3, when={"coating": ("LCBO",)})})
    schedule = Schedule(steps=400)
    bare = start(0, {"coating": "bare"}, 1.0, schedule)
    assert all(point != bare.point for point in propose(space, bare, schedule, seed=0, count=400))
