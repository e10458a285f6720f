"""The resistor network against resistors in series and in parallel, and against a dense Laplacian."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ssbray.graph.network import solve_network
from ssbray.rng import stream


def dense(n, pair, conductance, first, last):
    """Effective conductance and potential from the pseudo-inverse of the Laplacian of the part with both terminals."""
    live = conductance > 0
    _, part = connected_components(coo_array((np.ones(live.sum()), pair[:, live]), shape=(n, n)), directed=False)
    inside = np.flatnonzero(part == part[first])
    laplacian = np.zeros((n, n))
    for (i, j), g in zip(pair.T, conductance, strict=True):
        laplacian[[i, j], [i, j]] += g
        laplacian[i, j] -= g
        laplacian[j, i] -= g
    inverse = np.linalg.pinv(laplacian[np.ix_(inside, inside)], hermitian=True)
    source = (inside == first).astype(float) - (inside == last)
    drop = inverse @ source
    a, b = (int(np.flatnonzero(inside == t)[0]) for t in (first, last))
    potential = np.full(n, np.nan)
    potential[inside] = (drop - drop[b]) / (drop[a] - drop[b])
    return 1 / (drop[a] - drop[b]), potential


@pytest.mark.parametrize("count", [1, 2, 7, 400])
def test_resistors_in_series(count):
    g = 10 ** stream(count, "series").uniform(-2, 2, count)
    found = solve_network(count + 1, np.stack([np.arange(count), np.arange(1, count + 1)]), g, 0, count)
    assert found.conductance == pytest.approx(1 / np.sum(1 / g), rel=1e-11)
    assert found.loss == pytest.approx((1 / g) / np.sum(1 / g), abs=1e-9)
    assert found.potential == pytest.approx(1 - np.append(0, np.cumsum(1 / g)) / np.sum(1 / g), abs=1e-10)


@pytest.mark.parametrize("count", [1, 2, 300])
def test_resistors_in_parallel(count):
    """The same two nodes joined many times, directly and by way of a node each."""
    g = stream(count, "parallel").uniform(0.1, 9, count)
    direct = solve_network(2, np.repeat([[0], [1]], count, axis=1), g, 0, 1)
    assert direct.conductance == pytest.approx(g.sum(), rel=1e-12)
    assert direct.loss == pytest.approx(g / g.sum())
    way = 2 + np.arange(count)
    pair = np.stack([np.append(np.zeros(count, dtype=int), way), np.append(way, np.ones(count, dtype=int))])
    assert solve_network(count + 2, pair, np.append(g, g), 0, 1).conductance == pytest.approx(g.sum() / 2, rel=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_match_a_dense_solve(seed):
    """Over four decades, with edges that do not conduct, several in parallel, and parts that hang loose."""
    rng = stream(seed, "random network")
    n = int(rng.integers(6, 60))
    m = int(rng.integers(n, 4 * n))
    pair = rng.integers(0, n, (2, m))
    pair = np.sort(pair[:, pair[0] != pair[1]], axis=0)
    g = 10 ** rng.uniform(-2, 2, pair.shape[1]) * (rng.random(pair.shape[1]) > 0.15)
    spine = np.stack([np.arange(n // 2), np.arange(1, n // 2 + 1)])  # so that there is a path
    pair, g = np.hstack([pair, spine]), np.append(g, rng.uniform(0.5, 2, n // 2))
    found = solve_network(n, pair, g, 0, n // 2)
    conductance, potential = dense(n, pair, g, 0, n // 2)
    assert found.conductance == pytest.approx(conductance, rel=1e-9)
    reached = np.isfinite(potential)
    assert np.array_equal(np.isfinite(found.potential), reached)
    assert found.potential[reached] == pytest.approx(potential[reached], abs=1e-9)
    assert found.loss.sum() == pytest.approx(1, rel=1e-12)
    assert np.all(found.loss[g == 0] == 0)


def test_an_order_of_nodes_changes_nothing():
    rng = stream(3, "order")
    pair = np.array([(i, j) for i in range(12) for j in range(i + 1, 12) if rng.random() < 0.4 or j == i + 1]).T
    g, order = rng.uniform(0.1, 3, pair.shape[1]), rng.permutation(12)
    one, two = solve_network(12, pair, g, 0, 11), solve_network(12, order[pair], g, order[0], order[11])
    assert two.conductance == pytest.approx(one.conductance, rel=1e-12)
    assert two.potential[order] == pytest.approx(one.potential, abs=1e-12)
    assert two.loss == pytest.approx(one.loss, abs=1e-12)


def test_kirchhoff_holds_on_a_large_grid():
    """Currents balance at every inner node, over eight decades; a uniform grid conducts like its rows."""
    side = 60
    number = np.arange(side * side).reshape(side, side)
    pair = np.concatenate([np.stack([number[1:], number[:-1]]).reshape(2, -1),
                           np.stack([number[:, 1:], number[:, :-1]]).reshape(2, -1)], axis=1)
    plates = np.concatenate([np.stack([number[0], np.full(side, side**2)]),
                             np.stack([number[-1], np.full(side, side**2 + 1)])], axis=1)
    pair = np.concatenate([pair, plates], axis=1)
    uniform = solve_network(side**2 + 2, pair, np.ones(pair.shape[1]), side**2, side**2 + 1)
    assert uniform.conductance == pytest.approx(side / (side + 1), rel=1e-11)
    g = 10 ** stream(1, "grid").uniform(-4, 4, pair.shape[1])
    found = solve_network(side**2 + 2, pair, g, side**2, side**2 + 1)
    current = g * (found.potential[pair[0]] - found.potential[pair[1]])
    balance = np.bincount(pair[0], current, side**2 + 2) - np.bincount(pair[1], current, side**2 + 2)
    through = np.bincount(pair.reshape(-1), np.abs(np.tile(current, 2)), side**2 + 2)
    assert np.abs(balance[:-2] / found.conductance).max() < 1e-9
    assert through[:-2].max() / found.conductance < 2.0001  # in and out: no node has more than the whole
    assert balance[-2] == pytest.approx(found.conductance, rel=1e-9)
    assert balance[-1] == pytest.approx(-found.conductance, rel=1e-9)


def test_without_a_path_there_is_no_current():
    found = solve_network(4, np.array([[0, 2], [1, 3]]), np.array([1.0, 1.0]), 0, 3)
    assert found.conductance == 0.0
    assert found.loss.tolist() == [0, 0]
    assert np.isnan(found.potential).all()
