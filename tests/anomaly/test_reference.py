"""What is new, and why."""

import numpy as np
import pytest

from ssbray.anomaly import Reference, carriers, describe, disagreement, p_values
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.graph import build
from ssbray.rng import stream
from tests.anomaly.maps import layered


@pytest.fixture(scope="module")
def known():
    return Reference.of([describe(layered(k)) for k in range(60)])


def test_known_maps_are_not_new(known):
    again = known.novelty([describe(layered(k)) for k in range(3)])
    assert again == pytest.approx(0, abs=1e-9)
    fresh = known.novelty([describe(layered(k)) for k in range(100, 140)])
    p = p_values(fresh, known.own_novelty)
    assert np.mean(p < 0.1) < 0.3


def test_an_overlooked_layer_is_new_and_named(known):
    """No training map has the phase."""
    for rows in (1, 2, 4):
        told = describe(layered(200, zirconate=rows))
        assert p_values(known.novelty([told]), known.own_novelty)[0] == pytest.approx(1 / 61)
        reasons = known.reasons(told)
        assert any("La2Zr2O7" in reason and "none of 60 training maps has any" in reason for reason in reasons)
        share = 100 * told["loss:La2Zr2O7"]
        assert any(f"La2Zr2O7 carries {share:.2g} % of the loss" in reason for reason in reasons)


def test_the_layer_does_not_hide_behind_known_ones(known):
    """Thicker than any of the training set, which has the phase."""
    thin = Reference.of([describe(layered(k, zirconate=1 + k % 2)) for k in range(60)])
    told = describe(layered(201, zirconate=6))
    assert thin.novelty([told])[0] > thin.own_novelty.max()
    text = " ".join(thin.reasons(told))
    assert "La2Zr2O7" in text
    assert "more than in any of 60 training maps (at most" in text


def test_more_pores_than_ever(known):
    told = describe(layered(202, pores=24))
    assert known.novelty([told])[0] > known.own_novelty.max()
    assert "pore is in 24 regions: more than in any of 60 training maps (at most 2)" in known.reasons(told, most=9)


def test_an_ordinary_map_gets_no_percentile():
    values = stream(0, "ordinary").normal(1.0, 0.1, (80, 2))
    ordinary = Reference(names=("length:a", "length:b"), values=values)
    (reason,) = ordinary.reasons({"length:a": 1.0, "length:b": 1.0})
    assert reason.startswith("no quantity alone is unusual, their combination is")


def test_a_combination_is_new_although_each_part_is_known():
    x = stream(1, "line").normal(0.5, 0.1, 200)
    line = Reference(names=("length:a", "length:b"), values=np.stack([x, x + 0.1], axis=1))
    low, high = np.percentile(x, [5, 95])
    on, off = line.novelty([{"length:a": high, "length:b": high + 0.1}, {"length:a": high, "length:b": low + 0.1}])
    assert off > line.own_novelty.max() > on


def test_novelty_does_not_depend_on_the_order_of_maps(known):
    told = [describe(layered(k, zirconate=k % 3)) for k in range(300, 306)]
    assert known.novelty(told[::-1])[::-1] == pytest.approx(known.novelty(told))
    assert known.novelty(told)[1] == pytest.approx(known.novelty(told[1:2])[0])
    assert known.novelty([]).shape == (0,)
    with pytest.raises(InputError, match="two known maps"):
        Reference.of([describe(layered(0))])


def test_carriers_and_disagreement():
    assert carriers({"a": 0.04, "b": 0.96}) == "of the loss, 96 % is in b"
    assert disagreement(np.log(2), 0.0, 0.1).startswith("the solved conductivity is 2 times higher")
    assert disagreement(-np.inf, 0.0, 0.1) == "the solved map does not conduct, the predicted one does"
    assert disagreement(0.0, -np.inf, 0.0) == "the predicted map does not conduct, the solved one does"


def test_a_map_that_does_not_conduct_says_so_first(known):
    labels = np.zeros((10, 12), dtype=np.uint8)
    labels[4], labels[7:] = 2, 1
    cut = build(PhaseMap(labels=labels, phases=("LLZO", "NMC811", "pore"), pixel_size_nm=4.0), {0: 1.0, 1: 0.1, 2: 0.0})
    first, *others = known.reasons(describe(cut))
    assert first == "nothing that conducts joins the electrodes"
    assert others
    assert not any("of the loss" in other for other in others)


def test_p_values_of_novelty_hold_with_many_correlated_quantities():
    """Counted against distances under correlations that they took part in, far more than a tenth would be flagged."""
    random = stream(3, "correlated")
    mixing = random.normal(size=(40, 40))
    values = random.normal(size=(600, 40)) @ mixing
    names = tuple(f"length:{k}" for k in range(40))
    reference = Reference(names=names, values=values[:100])
    fresh = reference.novelty([dict(zip(names, row, strict=True)) for row in values[100:].tolist()])
    assert np.mean(p_values(fresh, reference.own_novelty) <= 0.1) == pytest.approx(0.1, abs=0.07)
    inside = np.sort(np.linalg.norm((white := reference._white(values[:100]))[:, None] - white, axis=2), axis=1)[:, 1]
    assert np.mean(p_values(fresh, inside) <= 0.1) > 0.3
