"""Scores that do not depend on units, and p-values that mean what they say."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssbray.anomaly import (
    inconsistency,
    joint,
    literal,
    novelty,
    own_novelty,
    p_values,
    rejected,
    report,
    standardised,
    surprise,
)
from ssbray.errors import InputError
from ssbray.rng import stream

values = arrays(np.float64, 6, elements=st.floats(-5, 5))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(mean=values, std=values, a=st.floats(-1e3, 1e3), b=st.floats(-1e3, 1e3), reference=st.floats(-5, 5))
def test_standardised_has_no_unit(mean, std, a, b, reference):
    assume(abs(a) > 1e-2)
    std = np.abs(std)
    before = standardised(mean, std, reference, 2.0)
    after = standardised(a * mean + b, abs(a) * std, a * reference + b, abs(a) * 2.0)
    assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(mean=values, std=values, a=st.floats(-1e3, 1e3), b=st.floats(-1e3, 1e3), truth=values)
def test_inconsistency_has_no_unit(mean, std, a, b, truth):
    assume(abs(a) > 1e-2)
    epistemic, noise = np.abs(std) + 0.1, 0.5
    before = inconsistency(truth, mean, epistemic, noise)
    after = inconsistency(a * truth + b, a * mean + b, abs(a) * epistemic, abs(a) * noise)
    assert after == pytest.approx(before, rel=1e-5, abs=1e-5)


def test_the_literal_score_ranks_by_unit():
    """The reason for `standardised`: the stranger of two maps depends on the unit."""
    mean, std = np.array([1.0, 1.3]), np.array([0.5, 0.1])
    small, large = (literal(scale * mean, scale * std, scale * 1.0) for scale in (1e-3, 1e3))
    assert np.argmax(small) == 1
    assert np.argmax(large) == 0


def test_spread_must_be_positive():
    for spread in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="spread"):
            standardised([1.0], [1.0], 0.0, spread)


def test_novelty_against_brute_force():
    rng = stream(0, "novelty")
    points, known = rng.normal(size=(300, 4)), rng.normal(size=(40, 4))
    distance = np.sort(np.linalg.norm(points[:, None] - known, axis=2), axis=1)
    assert novelty(points, known, 5) == pytest.approx(distance[:, :5].mean(axis=1))
    own = np.sort(np.linalg.norm(known[:, None] - known, axis=2), axis=1)
    assert own_novelty(known, 5) == pytest.approx(own[:, 1:6].mean(axis=1))
    assert novelty(points, known[:2], 5) == pytest.approx(np.linalg.norm(points[:, None] - known[:2], axis=2).mean(1))
    with pytest.raises(InputError, match="two known points"):
        own_novelty(known[:1])


def test_p_values_are_uniform_under_exchangeability():
    rng = stream(1, "p")
    p = np.array([p_values(rng.normal(size=1), rng.normal(size=19))[0] for _ in range(4000)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p <= level + 1e-12) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 4000))
    assert p.min() == pytest.approx(1 / 20)


def test_ties_count_against_the_alarm():
    assert p_values([2.0], [1.0, 2.0, 2.0, 3.0])[0] == pytest.approx(4 / 5)


def test_batches_keep_the_false_discovery_rate():
    rng = stream(2, "bh")
    false, found = [], 0
    for _ in range(400):
        p = np.append(rng.random(40), rng.random(10) * 1e-4)
        flags = rejected(p, 0.1)
        false.append(flags[:40].sum() / max(flags.sum(), 1))
        found += flags[40:].sum()
    assert np.mean(false) < 0.1
    assert found > 0.95 * 4000
    assert rejected([]).shape == (0,)


def test_a_solve_that_disagrees_is_flagged_with_its_reason():
    known = inconsistency(stream(3, "z").normal(size=200), 0.0, 0.6, 0.8)
    wrong = float(inconsistency(6.0, 0.0, 0.6, 0.8))
    verdict = report({"inconsistency": (wrong, known), "novelty": (1.0, np.arange(200.0))})
    assert verdict.flag
    assert verdict.score == pytest.approx(6.0)
    assert verdict.p_value == pytest.approx(2 / 201)
    assert len(verdict.reasons) == 1
    assert "0 of 200" in verdict.reasons[0]
    calm = report({"inconsistency": (0.5, known)})
    assert not calm.flag
    assert calm.reasons == ()
    with pytest.raises(InputError, match="scores"):
        report({})


def test_sentences_follow_the_score_that_raised_the_flag():
    known = np.arange(200.0)
    because = {"novelty": ["pore covers 12 % of the map"], "inconsistency": ["three times lower"]}
    verdict = report({"novelty": (500.0, known), "inconsistency": (20.0, known)}, because=because)
    assert verdict.reasons[1:] == ("pore covers 12 % of the map",)
    assert report({"novelty": (20.0, known)}, because=because).reasons == ()


def test_surprise_is_that_of_p_values_within_and_goes_on_beyond():
    known = np.abs(stream(4, "tail").standard_t(3, size=300))
    inside = np.quantile(known, [0.1, 0.5, 0.85])
    assert surprise(inside, known) == pytest.approx(-np.log(p_values(inside, known)))
    far = surprise([known.max(), 2 * known.max(), 4 * known.max(), np.inf], known)
    assert (np.diff(far) > 0).all()
    assert far[-1] == np.inf
    assert far[0] == pytest.approx(np.log(301), abs=2.5)
    assert surprise(0.01 * inside, 0.01 * known) == pytest.approx(surprise(inside, known))
    with pytest.raises(InputError, match="at least 20"):
        surprise([1.0], known[:19])


def test_joint_takes_the_most_surprising():
    assert joint(np.array([9.0, 0.0]), np.array([0.0, 8.0])) == pytest.approx(np.array([9.0, 8.0]) - np.log(2))
