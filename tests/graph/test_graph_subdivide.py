"""The network of pieces: exact where it must be, nearer to the truth elsewhere."""

import numpy as np
import pytest

from ssbray.domain import PhaseMap
from ssbray.graph import build
from tests.surrogate.voronoi_maps import finite_volume, random_case


def fine(graph):
    return graph.sigma_network * np.exp(graph.node_features[0, graph.node_names.index("ln_fine")])


def column(graph, name, of="node"):
    return getattr(graph, f"{of}_features")[:, getattr(graph, f"{of}_names").index(name)]


def layers(labels):
    return PhaseMap(labels=np.ascontiguousarray(labels, dtype=np.uint8), phases=("a", "b"), pixel_size_nm=10.0)


@pytest.mark.parametrize("height", [40, 37])
def test_layers_are_exact_in_series_and_in_parallel(height):
    labels = np.zeros((height, 60), dtype=np.uint8)
    labels[11:] = 1
    graph = build(layers(labels), {0: 1.0, 1: 3.0}, {(0, 1): 2e-8})
    resistance = 11 / 1.0 + (height - 11) / 3.0 + 2  # in pixels
    assert fine(graph) == pytest.approx(height / resistance)
    assert column(graph, "fine_loss") == pytest.approx([11 / resistance, (height - 11) / 3 / resistance])
    assert column(graph, "fine_loss", "edge") == pytest.approx([2 / resistance])
    assert column(graph, "fine_current", "edge") == pytest.approx([1])
    beside = build(layers(labels.T), {0: 1.0, 1: 3.0})
    assert fine(beside) == pytest.approx((11 + 3 * (height - 11)) / height)


def test_shares_sum_to_one_and_nothing_conducts_through_pores():
    for seed in range(5):
        graph = random_case(seed, (60, 80)).graph()
        assert column(graph, "fine_loss").sum() + column(graph, "fine_loss", "edge").sum() == pytest.approx(1)
        assert (column(graph, "fine_loss")[column(graph, "blocks") == 1] == 0).all()
    blocked = build(layers([[0, 0], [1, 1], [0, 0]]), {0: 1.0, 1: 0.0})
    assert blocked.sigma_network == 0
    assert np.isfinite(blocked.node_features).all()


def test_thinness_and_stairs_of_a_layer():
    """A flat layer of five pixels has five; one at 45 degrees has two faces per sqrt(2) of length at its boundary."""
    labels = np.zeros((48, 48), dtype=np.uint8)
    labels[20:25] = 1
    flat = build(layers(labels), {0: 1.0, 1: 1e-3})
    layer = int(np.flatnonzero(flat.phase == 1)[0])
    assert column(flat, "thinness")[layer] == pytest.approx(1 / 5)
    assert column(flat, "stairs")[layer] == pytest.approx(1)
    y, x = np.mgrid[:48, :48]
    tilted = build(layers((np.abs(x - y) <= 3).astype(np.uint8)), {0: 1e3, 1: 1.0})
    layer = int(np.flatnonzero(tilted.phase == 1)[0])
    assert 1.1 < column(tilted, "stairs")[layer] < np.sqrt(2)  # pieces inside count as 1
    assert column(tilted, "thinness")[layer] == pytest.approx(np.sqrt(2) / 7, rel=0.05)


def test_it_is_much_nearer_to_the_truth_than_the_regions():
    cases = [random_case(seed, (80, 120)) for seed in range(12)]
    graphs = [case.graph() for case in cases]
    truth = np.log([finite_volume(case) for case in cases])
    coarse = np.log([graph.sigma_network for graph in graphs]) - truth
    near = np.log([fine(graph) for graph in graphs]) - truth
    assert np.sqrt(np.mean(near**2)) < 0.5 * np.sqrt(np.mean(coarse**2))
