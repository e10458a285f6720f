"""The resistor network where the answer is known by thought, and the symmetries of the graph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.graph import build
from ssbray.graph.boundary import find_boundaries
from ssbray.graph.network import solve_network
from ssbray.graph.regions import find_regions
from ssbray.rng import stream

PHASES = ("a", "b", "c", "pore")
PIXEL = 5e-9


def phase_map(labels, grains=None):
    labels = np.asarray(labels, dtype=np.uint8)
    grains = None if grains is None else np.asarray(grains, dtype=np.int32)
    return PhaseMap(labels=labels, grains=grains, phases=PHASES, pixel_size_nm=PIXEL * 1e9)


def layers(counts, labels, across):
    return np.repeat(np.repeat(labels, counts)[:, None], across, axis=1)


def test_layers_in_series_with_interfaces_are_exact():
    counts, sigma = (7, 3, 11), {0: 2.0, 1: 3e-4, 2: 40.0}
    asr = {(0, 1): 1e-7, (2, 1): 3e-5}
    graph = build(phase_map(layers(counts, [0, 1, 2], 13)), sigma, asr)
    thickness = sum(counts) * PIXEL
    resistance = sum(n * PIXEL / sigma[k] for k, n in enumerate(counts)) + sum(asr.values())
    assert graph.sigma_network == pytest.approx(thickness / resistance, rel=1e-10)
    assert graph.thickness_m == pytest.approx(thickness)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_layers_in_space_are_exact_along_and_across(axis):
    stack = np.broadcast_to(np.repeat([0, 1, 0], [2, 4, 3])[:, None, None], (9, 5, 6))
    sigma = {0: 1.0, 1: 30.0}
    along = build(phase_map(np.moveaxis(stack, 0, "zyx".index(axis))), sigma, axis=axis)
    assert along.sigma_network == pytest.approx(9 / (5 + 4 / 30), rel=1e-10)
    other = "y" if axis == "x" else "x"
    across = build(phase_map(np.moveaxis(stack, 0, "zyx".index(axis))), sigma, axis=other)
    assert across.sigma_network == pytest.approx((5 + 4 * 30) / 9, rel=1e-10)


def test_grain_boundaries_in_series_count_between_grains_of_one_phase_only():
    grains = layers((4, 4, 4), [1, 2, 3], 6)
    labels = layers((8, 4), [0, 1], 6)
    graph = build(phase_map(labels, grains), {0: 1.0, 1: 1.0}, {(0, 0): 6e-8, (1, 1): 1.0})
    assert graph.sigma_network == pytest.approx(12 * PIXEL / (12 * PIXEL + 6e-8), rel=1e-10)


def test_bricks_are_exact():
    """Square or not, aligned bricks with resistive faces are rows in series: 1/sigma = 1/s + R/d."""
    y, x = np.mgrid[:24, :30]
    graph = build(phase_map(np.zeros((24, 30)), 1 + (y // 12) * 10 + x // 3), {0: 2.0}, {(0, 0): 1e-7})
    assert graph.sigma_network == pytest.approx(1 / (1 / 2 + 1e-7 / (24 * PIXEL)), rel=1e-10)


def test_what_does_not_percolate_is_exactly_zero():
    pore = phase_map(layers((3, 1, 3), [0, 3, 0], 5))
    assert build(pore, {0: 1.0, 3: 0.0}).sigma_network == 0.0
    sealed = phase_map(layers((3, 3), [0, 1], 5))
    assert build(sealed, {0: 1.0, 1: 1.0}, {(0, 1): np.inf}).sigma_network == 0.0
    diagonal = phase_map([[0, 3], [3, 0]])  # regions that meet in a corner do not touch
    assert build(diagonal, {0: 1.0, 3: 0.0}).sigma_network == 0.0


def test_blocking_regions_carry_nothing_and_are_flagged():
    labels = np.zeros((20, 20))
    labels[5:9, 6:11] = 3
    graph = build(phase_map(labels), {0: 1.0, 3: 0.0})
    node, edge = graph.node_names.index, graph.edge_names.index
    (pore,) = np.flatnonzero(graph.phase == 3)
    assert graph.node_features[pore, [node("blocks"), node("ln_sigma"), node("current"), node("loss")]].tolist() == [
        1, 0, 0, 0]
    assert graph.edge_features[0, [edge("blocked"), edge("current"), edge("loss")]].tolist() == [1, 0, 0]
    assert 0 < graph.sigma_network < 1


def test_regions_match_a_flood_fill():
    """Unlike scipy's labelling, two touching components of unlike value stay apart."""
    from scipy.ndimage import label

    for shape in ((13, 17), (5, 6, 7)):
        rng = stream(3, "regions", len(shape))
        labels, grains = rng.integers(0, 3, shape), rng.integers(0, 2, shape)
        found = find_regions(labels, grains)
        expected = 0
        for value in np.unique(labels + 10 * grains):
            part, count = label(labels + 10 * grains == value)
            expected += count
            for k in range(1, count + 1):
                (number,) = np.unique(found.image[part == k])
                where = np.argwhere(part == k)
                assert found.pixels[number] == len(where)
                assert found.centroid[number] == pytest.approx(where.mean(axis=0) + 0.5)
                assert found.extent[number] == pytest.approx(np.sqrt(12 * (where.var(axis=0) + 1 / 12)))
        assert len(found.label) == expected


def test_boundaries_of_a_disc():
    """Length 2 pi r, every distance r, and area * distance = 2 volumes (divergence theorem)."""
    radius = 30.0
    y, x = np.mgrid[:101, :101] - 50.0
    regions = find_regions((y**2 + x**2 < radius**2).astype(np.uint8))
    edge = find_boundaries(regions)
    inside = int(regions.image[50, 50])
    assert edge.area[0] == pytest.approx(2 * np.pi * radius, rel=0.03)
    assert edge.distance[inside, 0] == pytest.approx(radius, rel=0.03)
    assert edge.area[0] * edge.distance[inside, 0] == pytest.approx(2 * regions.pixels[inside], rel=1e-9)
    assert edge.facing[0] == pytest.approx(2 / np.pi, rel=0.03)
    assert edge.chord[inside] == pytest.approx(np.pi * radius / 2, rel=0.03)


def test_wheatstone_bridge():
    """A balanced bridge ignores its bridge; an unbalanced one is computed by hand."""
    pair = np.array([[0, 0, 1, 2, 1], [1, 2, 3, 3, 2]])
    assert solve_network(4, pair, np.array([1.0, 2.0, 2.0, 4.0, 7.0]), 0, 3).conductance == pytest.approx(2.0)
    unbalanced = solve_network(4, pair, np.array([1.0, 2.0, 2.0, 1.0, 1.0]), 0, 3)
    assert unbalanced.potential == pytest.approx([1, 0.4, 0.6, 0])
    assert unbalanced.conductance == pytest.approx(1.4)
    assert unbalanced.loss == pytest.approx(np.array([0.36, 0.32, 0.32, 0.36, 0.04]) / 1.4)


def test_loss_is_the_sensitivity():
    """Cohn: d ln G / d ln g is the share of the dissipation."""
    rng = stream(1, "network")
    pair = np.array([(i, j) for i in range(6) for j in range(i + 1, 6)]).T
    g = rng.uniform(0.1, 3, pair.shape[1])
    base = solve_network(6, pair, g, 0, 5)
    for edge in range(len(g)):
        up, down = g.copy(), g.copy()
        up[edge] *= 1 + 1e-5
        down[edge] *= 1 - 1e-5
        slope = np.log(solve_network(6, pair, up, 0, 5).conductance / solve_network(6, pair, down, 0, 5).conductance)
        assert base.loss[edge] == pytest.approx(slope / 2e-5, abs=1e-8)


def summary(graph):
    """Rows in an order that no numbering can change."""
    ends = np.sort(graph.node_features[graph.edge_index], axis=0)
    edges = np.concatenate([graph.edge_features, *ends], axis=1)
    return [m[np.lexsort(m.round(7).T)] for m in (graph.node_features, edges)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(labels=arrays(np.uint8, (7, 6), elements=st.integers(0, 3)), ratio=st.floats(1e-3, 1))
def test_mirrored_reversed_and_transposed_maps_give_the_same_graph(labels, ratio):
    sigma, asr = {0: 1.0, 1: ratio, 2: 3.0, 3: 0.0}, {(0, 1): 1e-8, (0, 2): 4e-9}
    graph = build(phase_map(labels), sigma, asr)
    for other in (build(phase_map(labels[:, ::-1]), sigma, asr), build(phase_map(labels[::-1]), sigma, asr),
                  build(phase_map(labels.T), sigma, asr, axis="x")):
        assert other.sigma_network == pytest.approx(graph.sigma_network, rel=1e-9)
        for mine, theirs in zip(summary(graph), summary(other), strict=True):
            assert mine == pytest.approx(theirs, abs=1e-6)


def test_features_have_no_scale():
    """Pixels of another size and conductivities of another unit change the conductivity, not the features."""
    rng = stream(2, "scale")
    labels = rng.integers(0, 3, (12, 9))
    one = build(phase_map(labels), {0: 1.0, 1: 2.0, 2: 0.1}, {(0, 1): 1e-8})
    wide = PhaseMap(labels=labels.astype(np.uint8), phases=PHASES, pixel_size_nm=PIXEL * 1e9 * 100)
    two = build(wide, {0: 7.0, 1: 14.0, 2: 0.7}, {(0, 1): 1e-8 * 100 / 7})
    assert two.node_features == pytest.approx(one.node_features, abs=1e-12)
    assert two.edge_features == pytest.approx(one.edge_features, abs=1e-12)
    assert two.sigma_network == pytest.approx(7 * one.sigma_network)


def test_shares_add_up():
    rng = stream(4, "shares")
    graph = build(phase_map(rng.integers(0, 3, (15, 12))), {0: 1.0, 1: 2.0, 2: 0.1}, {(0, 1): 1e-8})
    node = graph.node_names.index
    assert graph.node_features[:, node("loss")].sum() == pytest.approx(1)
    assert graph.node_features[:, node("area_fraction")].sum() == pytest.approx(1)
    assert graph.edge_features[:, graph.edge_names.index("loss")].sum() < 1  # the rest is in the contacts
    assert np.isfinite(graph.node_features).all()
    assert np.isfinite(graph.edge_features).all()
    assert (graph.edge_index[0] < graph.edge_index[1]).all()


@pytest.mark.parametrize(("sigma", "interfaces", "axis", "field"), [
    ({0: 1.0}, {}, "y", "sigma"),
    ({0: 1.0, 1: -1.0}, {}, "y", "sigma[1]"),
    ({0: 1.0, 1: np.nan}, {}, "y", "sigma[1]"),
    ({0: 1.0, 9: 1.0}, {}, "y", "sigma"),
    ({0: 1.0, 1: 1.0}, {(0, 1): -1.0}, "y", "interfaces[0,1]"),
    ({0: 1.0, 1: 1.0}, {(0, 7): 1.0}, "y", "interfaces"),
    ({0: 1.0, 1: 1.0}, {(0, 1): 1.0, (1, 0): 2.0}, "y", "interfaces[0,1]"),
    ({0: 1.0, 1: 1.0}, {}, "z", "axis"),
])
def test_bad_input_names_its_field(sigma, interfaces, axis, field):
    with pytest.raises(InputError) as caught:
        build(phase_map([[0, 1], [1, 0]]), sigma, interfaces, axis=axis)
    assert caught.value.field == field
