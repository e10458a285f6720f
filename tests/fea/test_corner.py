"""The graded corner elements: energies stay on their sides, and close to each other, at any contrast."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import splu

from ssbray.fea import corner
from ssbray.fea.forms import conduction_matrix, corners

INF = np.inf
CENTRE = [3, 6, 9, 12]
PLACES = np.array([[q // 2 + a, q % 2 + b] for q in range(4) for a, b in corners(2)])  # of the slots, centre (1, 1)


def merged(joint) -> np.ndarray:
    """Slot that holds each slot's unknown, given the joints around one vertex."""
    home = np.arange(16)
    for e, (a, b) in enumerate(corner.CELLS):
        if joint[e] == INF:
            home[corner.SLOTS[b, 2 * (e // 2)]] = corner.SLOTS[a, 2 * (e // 2)]
    return home


def conductance(matrix, axis: int) -> float:
    """Energy between plates at the first and the last row (axis 0) or column (axis 1) of a patch."""
    fixed = PLACES[:, axis] != 1
    free = ~fixed & (np.diag(matrix) > 0)
    u = np.where(PLACES[:, axis] == 2, 1.0, 0.0)
    u[free] = -np.linalg.solve(matrix[np.ix_(free, free)], matrix[free] @ np.where(fixed, u, 0.0))
    return u @ matrix @ u


def reciprocal(values) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 1.0 / np.asarray(values, dtype=float)


def bracket(sigma, joint) -> tuple[float, float]:
    """Conductance of one patch between plates at top and bottom, from below and from above."""
    below = conductance(corner.dual(reciprocal([sigma]), reciprocal([joint]))[0], 1)
    return 1 / below, conductance(corner.primal(np.array([sigma]), np.array([joint]))[0], 0)


def refined(weights, edge, *, slope: bool, n: int) -> np.ndarray:
    """Patch of n x n Q1 elements in each cell, condensed on the slots, entries on the lowest of those merged."""
    node = np.arange(4 * (n + 1) ** 2).reshape(4, n + 1, n + 1)
    sides = [(node[a][cut], node[b][across]) for (a, b), cut, across in zip(
        corner.CELLS, [np.s_[:, -1]] * 2 + [np.s_[-1, :]] * 2, [np.s_[:, 0]] * 2 + [np.s_[0, :]] * 2, strict=True)]
    home = np.arange(node.size)
    for _ in range(3):
        for e, (low, high) in enumerate(sides):
            if slope or edge[e] == INF:
                home[low] = home[high] = np.minimum(home[low], home[high])
    blocks = [(home[np.stack([node[q, a:n + a, b:n + b].reshape(-1) for a, b in corners(2)], axis=1)],
               weights[q] * conduction_matrix(2)) for q in range(4)]
    for e, (low, high) in enumerate(sides):
        if slope:
            blocks.append((home[np.stack([low[:-1], low[1:]], axis=1)], edge[e] * n * np.array([[1, -1], [-1, 1]])))
        elif edge[e] < INF:
            blocks.append((home[np.stack([low[:-1], low[1:], high[:-1], high[1:]], axis=1)],
                           edge[e] / n / 6 * np.kron([[1, -1], [-1, 1]], [[2, 1], [1, 2]])))
    matrix = sum(sparse.coo_matrix(
        (np.tile(part.reshape(-1), len(ids)),
         (np.repeat(ids, ids.shape[1], axis=1).reshape(-1), np.tile(ids, ids.shape[1]).reshape(-1))),
        shape=(node.size, node.size)) for ids, part in blocks).tocsc()
    trace = np.zeros((node.size, 16))
    slot = merged(np.full(4, INF) if slope else edge)
    t = np.arange(n + 1) / n
    for q in range(4):
        for side, ends in ((node[q, q // 2 * n], q // 2 * 2 + np.array([0, 1])),
                           (node[q, :, q % 2 * n], q % 2 + np.array([0, 2]))):
            trace[home[side]] = 0.0
            trace[home[side], slot[4 * q + ends[0]]] += 1 - t
            trace[home[side], slot[4 * q + ends[1]]] += t
    outer = np.zeros(node.size, dtype=bool)
    outer[home[np.concatenate([node[q, q // 2 * n] for q in range(4)] + [node[q, :, q % 2 * n] for q in range(4)])]] = 1
    free = np.flatnonzero(~outer & (home == np.arange(node.size)) & (matrix.diagonal() > 0))
    u = trace.copy()
    u[free] = -splu(matrix[free][:, free]).solve((matrix @ trace)[free])
    return u.T @ (matrix @ u)


SIGMAS = np.array([[1, 1, 1, 1], [1, 1e-3, 1e-3, 1], [1, 0, 1, 1], [1, 0, 0, 1], [1, 1e-7, 1e-14, 1], [1e-14, 1, 1, 1],
                   [0.3, 1e-2, 1, 1e-4], [0, 0, 1, 1e-9], [0, 0, 0, 0]])
JOINTS = np.array([[INF] * 4, [1, INF, INF, INF], [0, INF, INF, INF], [INF, INF, 0.1, 3], [1e-3, 2, 0, INF], [1e5] * 4,
                   [1e-9, 1e-3, 1, INF], [0] * 4])
CASES = [np.repeat(SIGMAS, len(JOINTS), axis=0), np.tile(JOINTS, (len(SIGMAS), 1))]


@pytest.mark.parametrize("form", ["primal", "dual"])
def test_energy_never_negative_and_constants_free(form):
    sigma, joint = CASES
    matrices = (corner.primal(sigma, joint) if form == "primal" else corner.dual(reciprocal(sigma), reciprocal(joint)))
    rng = np.random.default_rng(1)
    for matrix in matrices:
        assert np.isfinite(matrix).all()
        assert np.array_equal(matrix, matrix.T)
        assert not matrix[CENTRE].any()
        size = np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
        assert np.abs(matrix.sum(axis=1) / size**2).max() < 1e-14
        assert np.linalg.eigvalsh(matrix / size / size[:, None]).min() > -1e-11
        by_cell = np.repeat(rng.integers(0, 2, (50, 4)), 4, axis=1)  # the poor conductors alone pay for these
        differ = by_cell[:, :, None] != by_cell[:, None, :]
        assert (-0.5 * (matrix * differ).sum(axis=(1, 2)) >= 0).all()


def test_cells_that_share_nothing_are_apart():
    diagonal, blocked = corner.primal(np.array([[1, 0, 0, 1], [1, 1, 1, 1]]),
                                      np.array([[INF] * 4, [0, 0, INF, INF]], dtype=float))
    one, two = np.split(np.eye(16)[:, :8].sum(axis=1), 2)[0], np.repeat([1, 0, 1, 0], 4)
    apart = np.concatenate([one[:4], np.zeros(12)])
    assert abs(apart @ diagonal @ apart) < 1e-14
    assert abs(two @ blocked @ two) < 1e-14
    assert not diagonal[4:12].any()


def test_equal_cells_carry_linear_fields_exactly():
    matrix = corner.primal(np.ones((1, 4)), np.full((1, 4), INF))[0]
    twin = corner.dual(np.ones((1, 4)), np.zeros((1, 4)))[0]
    assert np.allclose(matrix, twin, atol=1e-12)
    once = merged([INF] * 4) == np.arange(16)
    for field in (PLACES[:, 0], PLACES[:, 1], PLACES.sum(axis=1)):
        u = np.where(once, field, 0.0)
        assert u @ matrix @ u == pytest.approx(4 * (2 if field.max() > 2 else 1), rel=1e-12)


@pytest.mark.parametrize("sigma", [[1, 1, 1, 1], [1, 0.1, 0.1, 1], [1, 1e-6, 0.1, 1], [1, 1, 1, 0]])
@pytest.mark.parametrize("joint", [[INF] * 4, [INF, INF, 0.5, 2], [0.5] * 4, [0, INF, INF, INF]])
def test_never_above_plain_squares(sigma, joint):
    """The rings hold every bilinear function, so that each energy is at most that of four Q1 elements."""
    joint = np.where((np.array(sigma)[corner.CELLS] > 0).all(axis=1), joint, 0.0)
    graded, plain = corner.primal(np.array([sigma]), np.array([joint]))[0], refined(sigma, joint, slope=False, n=1)
    u = np.random.default_rng(0).standard_normal((200, 16))
    below, above = (np.einsum("ni,ij,nj->n", u, k, u) for k in (graded, plain))
    assert (below <= above * (1 + 1e-3)).all()


def test_deeper_is_never_stiffer(monkeypatch):
    sigma, joint = np.array([[1, 1e-6, 1e-6, 1]]), np.full((1, 4), INF)
    values = []
    for doublings in (2, 6, 12, 28):
        monkeypatch.setattr(corner, "DOUBLINGS", doublings)
        values.append(conductance(corner.primal(sigma, joint)[0], 0))
    assert np.all(np.diff(values) < 0)
    assert values[0] > 2 * values[-1]


def image_conductance(weights, k: int, graded: bool, form: str) -> float:
    """Energy of an image between plates (primal: rows, dual: columns), with patches at the inner vertices or not."""
    rows, columns = weights.shape
    index = np.arange((k * rows + 1) * (k * columns + 1)).reshape(k * rows + 1, -1)
    nodes = np.stack([index[a:k * rows + a, b:k * columns + b] for a, b in corners(2)], axis=-1)
    fine = np.kron(weights, np.ones((k, k)))
    blocks = []
    if graded:
        for y, x in np.ndindex(rows - 1, columns - 1):
            patch = np.s_[k * (y + 1) - 1:k * (y + 1) + 1, k * (x + 1) - 1:k * (x + 1) + 1]
            cells = weights[y:y + 2, x:x + 2].reshape(1, 4)
            matrix = corner.primal(cells, np.full((1, 4), INF)) if form == "primal" else corner.dual(
                cells, np.zeros((1, 4)))
            blocks.append((nodes[patch].reshape(-1), matrix[0]))
            fine[patch] = 0.0
    blocks += [(nodes[i, j], fine[i, j] * conduction_matrix(2)) for i, j in np.ndindex(fine.shape) if fine[i, j]]
    matrix = np.zeros((index.size, index.size))
    for ids, part in blocks:
        np.add.at(matrix, (ids[:, None], ids), part)
    axis = 0 if form == "primal" else 1
    place = np.indices(index.shape)[axis].reshape(-1)
    fixed = (place == 0) | (place == place.max())
    u = np.where(fixed, place / place.max(), 0.0)
    free = ~fixed & (np.diag(matrix) > 0)
    u[free] = -np.linalg.solve(matrix[np.ix_(free, free)], matrix[free] @ u)
    return u @ matrix @ u


@pytest.mark.parametrize(("contrast", "plain_gap"), [(10, 0.1), (1e3, 1), (1e6, 100)])
@pytest.mark.parametrize("k", [2, 4, 8])
def test_checkerboard(contrast, plain_gap, k):
    """Keller: sqrt(s1 s2). Cut along the mirrors through pixel centres, a cell is four half pixels."""
    sigma = np.array([[1, 1 / contrast], [1 / contrast, 1]])
    exact = contrast**-0.5
    upper = image_conductance(sigma, k // 2, True, "primal") / exact
    lower = 1 / image_conductance(1 / sigma, k // 2, True, "dual") / exact
    assert 1 - 1e-2 < lower < 1 < upper < 1 + 1e-2
    assert image_conductance(sigma, k // 2, False, "primal") / exact - 1 > max(plain_gap * 0.5, 8 * (upper - 1))


@pytest.mark.parametrize(("sigma", "joint", "gap"), [
    ([1, 1, 1, 0], [INF] * 4, 5e-3),  # re-entrant corner of a pore
    ([1, 0.1, 0.1, 1], [INF] * 4, 1e-2),
    ([1, 0.1, 0.1, 1], [0.3] * 4, 1e-2),
    ([1, 0.1, 0.1, 0.1], [0.3, INF, 0.3, INF], 1e-2),
    ([1, 0.1, 0.1, 1], [1, INF, INF, INF], 1e-2),
    ([1, 1e-3, 1e-3, 1], [0.01, INF, 0, INF], 1e-2),
    ([1, 1, 1, 1], [INF, INF, 1, 1], 1e-3),
    ([1, 1e-3, 1e-3, 1], [1e14] * 4, 1e-2),
    ([1, 1e-6, 1e-6, 1], [1e-4] * 4, 1e-2),
])
def test_bounds_meet(sigma, joint, gap):
    lower, upper = bracket(sigma, joint)
    assert lower <= upper * (1 + 1e-12)
    assert upper / lower - 1 < gap


@pytest.mark.parametrize("joint", [[0.3] * 4, [INF, INF, 1, 2], [0.3, INF, 5, INF], [0, 1, INF, INF], [INF] * 4])
@pytest.mark.parametrize("sigma", [[1, 0.3, 0.3, 1], [1, 0.2, 0.5, 0.4]])
def test_a_fine_mesh_says_the_same(sigma, joint):
    for slope, axis in ((False, 0), (True, 1)):
        if slope and 0 in joint:
            continue
        weights, edge = (reciprocal(sigma), reciprocal(joint)) if slope else (sigma, joint)
        form = corner.dual if slope else corner.primal
        ours = conductance(form(np.array([weights]), np.array([edge]))[0], axis)
        coarse, fine, finest = (conductance(refined(weights, edge, slope=slope, n=n), axis) for n in (8, 16, 32))
        limit = finest - (fine - finest) ** 2 / max(coarse - 2 * fine + finest, 1e-12)  # Aitken
        assert ours < finest * (1 + 3e-4)
        assert ours == pytest.approx(limit, rel=3e-3)


def test_limits_of_a_joint():
    sigma = np.array([[1, 0.2, 0.5, 0.4]])
    rng = np.random.default_rng(2)
    perfect = corner.primal(sigma, np.full((1, 4), INF))[0]
    nearly = corner.primal(sigma, np.full((1, 4), 1e7))[0]
    u = rng.standard_normal(16)[merged([INF] * 4)]
    once = np.where(merged([INF] * 4) == np.arange(16), u, 0.0)
    assert u @ nearly @ u == pytest.approx(once @ perfect @ once, rel=1e-4)
    free = rng.standard_normal(16)
    open_, shut = (corner.primal(sigma, np.full((1, 4), g))[0] for g in (1e-9, 0))
    assert free @ open_ @ free == pytest.approx(free @ shut @ free, rel=1e-7)
    thin, none = (corner.dual(1 / sigma, np.full((1, 4), r))[0] for r in (1e-9, 0))
    assert once @ thin @ once == pytest.approx(once @ none @ once, rel=1e-4)
    thick, wall = (corner.dual(1 / sigma, np.full((1, 4), r))[0] for r in (1e9, INF))
    mid = (PLACES == 1).any(axis=1)
    flat = np.where(mid, 0.7, once)
    low = np.where(merged([INF] * 4) == np.arange(16), flat, 0.0)
    single = np.where(mid, 0.0, low)
    single[1] = 0.7  # the lowest of all the slots that are one
    assert low @ thick @ low == pytest.approx(single @ wall @ single, rel=1e-6)


def test_separated_contacts():
    """With the poorer material in the middle, the diagonal contact of the better one is gone."""
    sigma = np.array([[1, 1e-6, 1e-6, 1]])
    joint = np.full((1, 4), INF)
    touching, apart = (conductance(corner.primal(sigma, joint, inner)[0], 0) for inner in (None, np.full((1, 4), 1e-6)))
    assert apart < 0.05 * touching
    below = 1 / conductance(corner.dual(1 / sigma, 0 * sigma, np.full((1, 4), 1e6))[0], 1)
    assert 0.97 < below / apart <= 1
    pores = corner.primal(np.array([[1, 0, 1, 1]]), joint, np.zeros((1, 4)))[0]
    assert 0 < conductance(pores, 0) < conductance(corner.primal(np.array([[1, 0, 1, 1]]), joint)[0], 0)


def test_no_rows():
    assert corner.primal(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0, 16, 16)


def test_rows_are_independent():
    sigma, joint = CASES
    order = np.random.default_rng(0).permutation(len(sigma))
    assert np.array_equal(corner.primal(sigma, joint)[order], corner.primal(sigma[order], joint[order]))
