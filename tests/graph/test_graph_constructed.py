"""Regions and boundaries of maps whose graph is known: Euler's formula, true lengths, normals, symmetries, tilings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from ssbray import raster
from ssbray.domain import PhaseMap
from ssbray.graph import build
from ssbray.graph.boundary import find_boundaries
from ssbray.graph.regions import find_regions
from ssbray.rng import stream

PHASES = ("a", "b", "c", "pore")
SIGMA = {0: 1.0, 1: 0.05, 2: 3.0, 3: 0.0}
ASR = {(0, 1): 1e-8, (0, 2): 4e-9, (1, 1): 3e-8}
PATCHY = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))


def phase_map(labels, grains=None, pixel_size_nm=5.0):
    grains = None if grains is None else np.asarray(grains, dtype=np.int32)
    return PhaseMap(labels=np.asarray(labels, dtype=np.uint8), grains=grains, phases=PHASES,
                    pixel_size_nm=pixel_size_nm)


def voronoi(seed, shape, count):
    sites = stream(seed, "sites").random((count, len(shape))) * shape
    place = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), axis=-1)
    return np.argmin(((place[..., None, :] - sites) ** 2).sum(axis=-1), axis=-1) + 1


def rows(*columns):
    """Rows in an order that no numbering can change."""
    table = np.concatenate([np.asarray(c, dtype=float).reshape(len(columns[0]), -1) for c in columns], axis=1)
    return table[np.lexsort(table.round(6).T)]


def described(labels, grains=None):
    """Every region and every boundary by what no numbering can change."""
    regions = find_regions(labels, grains)
    edge = find_boundaries(regions)
    ends = np.sort(regions.pixels[edge.pair], axis=0).T
    away = np.sort(edge.distance, axis=0).T
    return (rows(regions.label, regions.pixels, regions.extent, edge.chord),
            rows(edge.area, edge.facing, away, ends) if len(edge.area) else np.zeros((0, 0)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(labels=PATCHY)
def test_euler_holds_for_every_map(labels):
    """V - E + F = 1 + C of the lines that the pixel faces draw, the frame of the image included.

    F counts the regions and the outside, C the pieces of line work. Regions are face-connected, so
    where two meet in a corner alone the four faces there stay one vertex.
    """
    regions = find_regions(labels)
    frame = np.pad(regions.image, 1, constant_values=-1)
    faces = raster.facets(frame)
    row, column = faces.first // frame.shape[1], faces.first % frame.shape[1]
    vertical = faces.axis == 1
    start = (row + ~vertical) * frame.shape[1] + column + vertical
    stop = start + np.where(vertical, frame.shape[1], 1)
    vertices, ends = np.unique(np.stack([start, stop]), return_inverse=True)
    links = np.zeros((len(vertices),) * 2, dtype=bool)
    links[tuple(ends.reshape(2, -1))] = True
    from scipy.sparse.csgraph import connected_components

    pieces, _ = connected_components(links, directed=False)
    assert len(vertices) - len(faces) + (len(regions.label) + 1) == 1 + pieces


@settings(max_examples=100, deadline=None, derandomize=True)
@given(labels=PATCHY)
def test_the_adjacency_is_planar_and_complete(labels):
    """No more than 3 n - 6 edges, and each pair of touching regions once, the lower first."""
    regions = find_regions(labels)
    pair = find_boundaries(regions).pair
    n, m = len(regions.label), pair.shape[1]
    assert m <= max(3 * n - 6, n - 1)
    assert (pair[0] < pair[1]).all()
    assert len(np.unique(pair, axis=1).T) == m
    image = regions.image
    touching = {tuple(sorted(p)) for low, high in ((image[1:], image[:-1]), (image[:, 1:], image[:, :-1]))
                for p in zip(low.ravel().tolist(), high.ravel().tolist(), strict=True) if p[0] != p[1]}
    assert touching == set(map(tuple, pair.T.tolist()))


def test_polygons_with_triple_points_obey_euler_by_regions_and_boundaries():
    """Where three meet at most and nothing is enclosed: junctions - curves + regions = 1 with the frame counted.

    Each pair of grains of a convex tessellation shares one curve, so the graph gives the curves.
    """
    grains = voronoi(5, (90, 110), 40)
    regions = find_regions(np.zeros_like(grains, dtype=np.uint8), grains)
    frame = np.pad(regions.image, 1, constant_values=len(regions.label))  # the outside as one more grain
    corners = np.stack([frame[:-1, :-1], frame[1:, :-1], frame[:-1, 1:], frame[1:, 1:]])
    kinds = 1 + (np.diff(np.sort(corners, axis=0), axis=0) > 0).sum(axis=0)
    whole = find_regions(frame.astype(np.uint8), frame)
    curves = find_boundaries(whole).pair.shape[1]
    junctions = int((kinds == 3).sum())
    assert (kinds < 4).all()
    assert len(regions.label) == len(np.unique(grains)), "a grain in two pieces: choose another seed"
    assert junctions - curves + len(whole.label) == 2


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 1.0, 2.0, 7.0])
def test_a_straight_line_has_its_length_and_its_normal(slope):
    side = 240
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    normal = np.array([1.0, -slope]) / np.hypot(1, slope)
    labels = (normal[0] * y + normal[1] * x > 0).astype(np.uint8)
    edge = find_boundaries(find_regions(labels))
    assert edge.area[0] == pytest.approx(side / np.abs(normal).max(), rel=0.01)
    assert edge.normal[0] == pytest.approx(-normal if labels[0, 0] else normal, abs=0.005)
    assert edge.facing[0] == pytest.approx(np.abs(edge.normal[0]))


@pytest.mark.parametrize("radius", [6.0, 12.0, 25.0, 60.0])
def test_a_circle_has_its_length(radius):
    side = 2 * int(radius) + 9
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    edge = find_boundaries(find_regions((np.hypot(y, x) < radius).astype(np.uint8)))
    assert edge.area[0] == pytest.approx(2 * np.pi * radius, rel=0.04)
    assert edge.normal[0] == pytest.approx([0, 0], abs=1e-12)
    assert edge.facing[0] == pytest.approx([2 / np.pi] * 2, rel=0.02 + 0.4 / radius)


def test_a_sphere_and_an_inclined_plane_have_their_areas():
    z, y, x = np.mgrid[:41, :41, :41] - 20.0
    ball = find_boundaries(find_regions((z**2 + y**2 + x**2 < 16**2).astype(np.uint8)))
    assert ball.area[0] == pytest.approx(4 * np.pi * 16**2, rel=0.05)
    assert ball.normal[0] == pytest.approx([0, 0, 0], abs=1e-12)
    z, y, x = np.mgrid[:40, :30, :24] + 0.5
    plane = find_boundaries(find_regions((z - 20 > (y - 15) / 2).astype(np.uint8)))
    assert plane.area[0] == pytest.approx(30 * 24 * np.sqrt(1.25), rel=0.02)
    assert plane.normal[0] == pytest.approx(np.array([1, -0.5, 0]) / np.sqrt(1.25), abs=0.03)


def test_the_normal_points_from_the_lower_region_to_the_higher():
    edge = find_boundaries(find_regions(np.uint8([[0, 1], [0, 1]])))
    assert edge.normal.tolist() == [[0, 1]]
    edge = find_boundaries(find_regions(np.uint8([[0, 0], [1, 1]])))
    assert edge.normal.tolist() == [[1, 0]]
    edge = find_boundaries(find_regions(np.uint8([[0, 1, 1], [0, 0, 0]])))  # two faces up, one to the right
    assert edge.normal[0, 0] == pytest.approx(-2 * edge.normal[0, 1])
    assert edge.normal[0, 1] > 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=PATCHY, order=st.permutations(range(4)))
def test_numbers_of_labels_and_grains_are_only_names(labels, order):
    table = np.array(order, dtype=np.uint8)
    grains = labels.astype(np.int32) % 2 + 1
    one = build(phase_map(labels, grains), SIGMA, ASR)
    other = PhaseMap(labels=table[labels], grains=(grains * -7 + 40).astype(np.int32), pixel_size_nm=5.0,
                     phases=tuple(PHASES[order.index(k)] for k in range(4)))
    two = build(other, {order[k]: v for k, v in SIGMA.items()}, {(order[a], order[b]): v for (a, b), v in ASR.items()})
    assert np.array_equal(one.edge_index, two.edge_index)
    assert [PHASES[k] for k in one.phase] == [other.phases[k] for k in two.phase]
    assert np.array_equal(one.node_features, two.node_features)
    assert np.array_equal(one.edge_features, two.edge_features)
    assert one.sigma_network == two.sigma_network


@pytest.mark.parametrize("shape", [(60, 50), (13, 12, 11)])
def test_mirrored_turned_and_swapped_maps_have_the_same_boundaries(shape):
    grains = voronoi(8, shape, 25)
    labels = stream(8, "phases").integers(0, 3, 26).astype(np.uint8)[grains]
    nodes, edges = described(labels, grains)
    for axis in range(len(shape)):
        flipped = described(np.flip(labels, axis), np.flip(grains, axis))
        assert flipped[0] == pytest.approx(nodes, abs=1e-9)
        assert flipped[1] == pytest.approx(edges, abs=1e-9)
    turned = find_boundaries(find_regions(labels.swapaxes(0, 1), grains.swapaxes(0, 1)))
    assert np.sort(turned.area) == pytest.approx(np.sort(edges[:, 0]), abs=1e-9)
    swapped = [*range(len(shape))]
    swapped[:2] = 1, 0
    back = rows(turned.area, turned.facing[:, swapped])
    assert back == pytest.approx(rows(edges[:, 0], edges[:, 1:1 + len(shape)]), abs=1e-9)


def test_measures_of_a_mirrored_curve_agree_to_the_last_bit():
    """Sums along a curve are exact, whichever way it is walked."""
    labels = (ndimage.gaussian_filter(stream(2, "curves").normal(size=(70, 80)), 2) > 0).astype(np.uint8)
    flipped = np.ascontiguousarray(labels[:, ::-1])
    one, two = (np.sort(raster.measure(raster.facets(m), m)) for m in (labels, flipped))
    assert np.array_equal(one, two)


def test_a_tiling_repeats_its_regions():
    """A map framed by a matrix, side by side: every inclusion as often as there are tiles, with the same numbers."""
    tile = np.zeros((40, 36), dtype=np.uint8)
    tile[6:20, 5:15] = 1
    y, x = np.mgrid[:40, :36]
    tile[(y - 27) ** 2 + (x - 24) ** 2 < 49] = 2
    tile[2, 30] = 3
    once, often = (find_regions(m) for m in (tile, np.tile(tile, (3, 2))))
    a, b = find_boundaries(once), find_boundaries(often)
    assert len(often.label) == 1 + 6 * (len(once.label) - 1)
    for phase in (1, 2, 3):
        mine, theirs = (np.flatnonzero((r.label == phase)[e.pair[1]] | (r.label == phase)[e.pair[0]])
                        for r, e in ((once, a), (often, b)))
        assert len(theirs) == 6 * len(mine)
        assert b.area[theirs] == pytest.approx(np.full(len(theirs), a.area[mine[0]]), rel=1e-12)
        assert np.all(often.pixels[often.label == phase] == once.pixels[once.label == phase][0])


def test_a_disjoint_union_conducts_like_its_parts_side_by_side():
    """Two maps divided by a wall that blocks: nodes and edges add up, and so do the conductances."""
    left, right = voronoi(1, (30, 20), 9), voronoi(2, (30, 26), 12) + 100
    phases = stream(1, "phases").integers(0, 3, 200).astype(np.uint8)
    wall = np.full((30, 1), 3, dtype=np.uint8)
    whole = build(phase_map(np.hstack([phases[left], wall, phases[right]]),
                            np.hstack([left, np.zeros((30, 1)), right])), SIGMA, ASR)
    one, two = (build(phase_map(phases[g], g), SIGMA, ASR) for g in (left, right))
    assert whole.size[0] == one.size[0] + two.size[0] + 1
    inner = ~(whole.phase[whole.edge_index] == 3).any(axis=0)
    assert inner.sum() == one.size[1] + two.size[1]
    assert whole.sigma_network * 47 == pytest.approx(one.sigma_network * 20 + two.sigma_network * 26, rel=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (5, 4), (1, 1, 1), (3, 4, 2)])
def test_one_region_conducts_like_its_phase(shape):
    graph = build(phase_map(np.zeros(shape)), {0: 2.5}, axis="y")
    assert graph.size == (1, 0)
    assert graph.terminals.tolist() == [3]
    assert graph.sigma_network == pytest.approx(2.5, rel=1e-12)
    assert graph.node_features[0, graph.node_names.index("loss")] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(9, 7), (4, 3, 5)])
def test_regions_of_one_pixel(shape):
    """A board of single pixels: one region each, one unit boundary per pair of neighbours."""
    labels = (np.indices(shape).sum(axis=0) % 2).astype(np.uint8)
    regions = find_regions(labels)
    edge = find_boundaries(regions)
    n = labels.size
    assert np.array_equal(regions.image.reshape(-1), np.arange(n))
    assert np.array_equal(regions.first, np.arange(n))
    assert edge.pair.shape[1] == sum(n // length * (length - 1) for length in shape)
    assert edge.area == pytest.approx(np.ones(edge.pair.shape[1]))
    assert np.all(edge.normal.sum(axis=1) == 1)
    assert edge.distance == pytest.approx(np.full(edge.distance.shape, 0.5))
    assert np.all(edge.chord == 1)


def test_a_volume_of_identical_sections_has_the_graph_of_the_section():
    grains = voronoi(4, (20, 24), 8)
    depth = 5
    flat = find_regions(np.zeros_like(grains, dtype=np.uint8), grains)
    deep = find_regions(np.zeros((20, 24, depth), dtype=np.uint8), np.repeat(grains[..., None], depth, axis=2))
    a, b = find_boundaries(flat), find_boundaries(deep)
    assert np.array_equal(a.pair, b.pair)
    assert deep.pixels == pytest.approx(depth * flat.pixels)
    assert b.area == pytest.approx(depth * a.area, rel=0.12)  # by diffusion over the surface, not along a curve
    assert b.normal[:, 2] == pytest.approx(np.zeros(len(b.area)))
    assert b.area @ b.distance.sum(axis=0) == pytest.approx(depth * a.area @ a.distance.sum(axis=0), rel=0.01)


def test_numbers_of_pairs_fit_the_image():
    """A map of more regions than the square root of 2^31 has a wider image."""
    few, many = (find_regions((np.indices((side, side)).sum(axis=0) % 2).astype(np.uint8)) for side in (215, 216))
    assert few.image.dtype == np.int32
    assert many.image.dtype == np.int64
    assert int((many.image[-1, -1:] * len(many.label))[0]) == (216**2 - 1) * 216**2
