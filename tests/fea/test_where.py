from __future__ import annotations

import numpy as np
import pytest

from ssbray import fea, graph
from ssbray.domain import PhaseMap
from ssbray.fea import where
from ssbray.fea.thin import Interfaces
from ssbray.graph.losses import by_region


def make(labels, grains=None, pixel=1.0):
    labels = np.asarray(labels, np.uint8)
    return PhaseMap(labels=labels, phases=tuple(map(str, range(int(labels.max()) + 1))), pixel_size_nm=pixel,
                    grains=None if grains is None else np.asarray(grains, np.int32))


def polycrystal(seed=0, shape=(40, 48), grains=12):
    """Voronoi cells of two phases."""
    rng = np.random.default_rng(seed)
    centres = rng.random((grains, len(shape))) * shape
    pixels = np.stack(np.meshgrid(*[np.arange(n) + 0.5 for n in shape], indexing="ij"), axis=-1)
    owner = np.argmin(((pixels[..., None, :] - centres) ** 2).sum(axis=-1), axis=-1)
    return make(owner % 2, owner + 1)


INTERFACES = Interfaces(pairs={(0, 0): 3e-10, (0, 1): 1e-9}, sheets={(1, 1): 2e-9})


@pytest.mark.parametrize("boundary", ["dirichlet", "periodic"])
def test_shares_by_pixel_grain_and_region_sum_to_one(boundary):
    phase_map = polycrystal()
    solution = fea.solve(phase_map, {0: 1.0, 1: 0.2}, INTERFACES, boundary=boundary)
    share = where.loss_share(solution)
    assert share.sum() == pytest.approx(1, abs=1e-9)
    assert where.bottleneck(solution).mean() == pytest.approx(1, abs=1e-9)
    assert sum(where.by_grain(phase_map, solution).values()) == pytest.approx(1, abs=1e-9)
    nodes, edges = by_region(phase_map, solution)
    made = graph.build(phase_map, {0: 1.0, 1: 0.2})
    assert made.size == (len(nodes), len(edges))
    assert nodes.sum() + edges.sum() == pytest.approx(1, abs=1e-9)
    at_faces = solution.faces.across.sum() + solution.faces.along.sum()
    if boundary == "dirichlet":
        assert edges.sum() == pytest.approx(at_faces, rel=1e-9)
    else:  # faces round the cell are no edges of the graph
        assert 0 < edges.sum() < at_faces


def test_a_stack_of_grains_has_the_shares_of_resistors_in_series():
    """Two grains of 4 rows, 1 S/m and 10 nm each row; their boundary has the resistance of 8 rows."""
    phase_map = make(np.zeros((8, 5)), np.repeat([4, 9], 4)[:, None] * np.ones((1, 5), int), pixel=10.0)
    solution = fea.solve(phase_map, {0: 1.0}, {(0, 0): 8e-8}, rtol=1e-14)
    assert where.by_grain(phase_map, solution) == pytest.approx({4: 0.5, 9: 0.5}, rel=1e-6)
    nodes, edges = by_region(phase_map, solution)
    assert nodes == pytest.approx([0.25, 0.25], rel=1e-6)
    assert edges == pytest.approx([0.5], rel=1e-6)
    density = where.bottleneck(solution)
    assert density[0] == pytest.approx(0.5, rel=1e-6)
    assert density[3] == pytest.approx(0.5 + 0.25 * 8, rel=1e-6)  # half of the boundary, spread over a row of eight


def test_losses_are_on_the_right_edges_of_the_graph():
    """Only the boundary between the second and the third of four layers resists."""
    grains = np.repeat([1, 2, 3, 4], 3)[:, None] * np.ones((1, 4), int)
    phase_map = make(np.zeros((12, 4)), grains)
    solution = fea.solve(phase_map, {0: 1.0}, Interfaces(grains={(2, 3): 12e-9}), rtol=1e-14)
    nodes, edges = by_region(phase_map, solution)
    made = graph.build(phase_map, {0: 1.0})
    lossy = made.edge_index[:, edges > 1e-9]
    assert lossy.tolist() == [[1], [2]]
    assert edges.sum() == pytest.approx(0.5, rel=1e-6)
    assert nodes == pytest.approx([0.125] * 4, rel=1e-6)


def test_faces_given_within_one_region_go_to_its_node():
    resistance = np.full((7, 4), np.nan)
    resistance[3] = 8e-9
    phase_map = make(np.zeros((8, 4)))
    solution = fea.solve(phase_map, {0: 1.0}, Interfaces(faces={"y": resistance}))
    nodes, edges = by_region(phase_map, solution)
    assert nodes == pytest.approx([1.0], rel=1e-9)
    assert len(edges) == 0


def test_pixels_that_carry_nothing_have_no_share():
    labels = np.zeros((9, 9))
    labels[3:6, 3:6] = 1
    phase_map = make(labels)
    solution = fea.solve(phase_map, {0: 1.0, 1: 0.0})
    assert (where.loss_share(solution)[3:6, 3:6] == 0).all()
    nodes, _ = by_region(phase_map, solution)
    assert nodes.tolist() == pytest.approx([1.0, 0.0])


def test_what_does_not_percolate_has_neither_spots_nor_focus():
    phase_map = make(np.repeat([0, 1], 4)[:, None] * np.ones((1, 5)), np.ones((8, 5)))
    solution = fea.solve(phase_map, {0: 1.0, 1: 0.0})
    assert where.focusing(solution) is None
    assert where.hot_spots(phase_map, solution) == []
    assert where.by_grain(phase_map, solution) == {1: 0.0}
    assert where.bottleneck(solution).sum() == 0
    assert [part.sum() for part in by_region(phase_map, solution)] == [0, 0]


def test_a_uniform_map_is_even():
    phase_map = make(np.zeros((20, 16)))
    solution = fea.solve(phase_map, {0: 3.0})
    assert where.focusing(solution) == pytest.approx({"max": 1.0, "p99": 1.0})
    assert where.hot_spots(phase_map, solution) == []
    assert where.by_grain(phase_map, solution) == {}


@pytest.mark.parametrize("periodic", [False, True])
def test_the_neck_is_the_hot_spot(periodic):
    """A wall with one hole of four pixels: the current gathers there."""
    labels = np.zeros((41, 40))
    labels[20] = 1
    labels[20, 28:32] = 0
    phase_map = make(labels, pixel=5.0)
    solution = fea.solve(phase_map, {0: 1.0, 1: 0.0}, boundary="periodic" if periodic else "dirichlet")
    spots = where.hot_spots(phase_map, solution)
    assert spots[0]["x_nm"] == pytest.approx(150, abs=12.5)
    assert spots[0]["y_nm"] == pytest.approx(102.5)
    shares = [spot["share"] for spot in spots]
    assert shares == sorted(shares, reverse=True)
    share = where.loss_share(solution)
    i, j = int(spots[0]["y_nm"] / 5), int(spots[0]["x_nm"] / 5)
    assert shares[0] == pytest.approx(share[i - 2 : i + 3, j - 2 : j + 3].sum(), rel=1e-9)
    assert where.focusing(solution)["max"] > 5


def test_hot_spots_do_not_overlap_and_know_their_depth():
    rng = np.random.default_rng(1)
    phase_map = make(rng.random((14, 15, 16)) < 0.4, pixel=2.0)
    solution = fea.solve(phase_map, {0: 1.0, 1: 1e-3}, axis="z")
    spots = where.hot_spots(phase_map, solution, count=4)
    assert len(spots) == 4
    places = np.array([[spot[f"{name}_nm"] / 2 for name in "xyz"] for spot in spots])
    apart = np.abs(places[:, None] - places[None]).max(axis=2)[~np.eye(4, dtype=bool)]
    assert apart.min() >= where.SPOT
    assert sum(spot["share"] for spot in spots) <= 1
