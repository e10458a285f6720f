"""What the network must not see: numbering, company, and which electrode is which."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.graph import build
from ssbray.rng import stream
from ssbray.surrogate.batch import Scaling, union
from ssbray.surrogate.net import RecurrentGraphNet

from .voronoi_maps import random_case


@pytest.fixture(scope="module")
def cases():
    return [random_case(seed, (40, 50)) for seed in range(5)]


@pytest.fixture(scope="module")
def answer(cases):
    graphs = [case.graph() for case in cases]
    scaling = Scaling.fit(graphs)
    torch.manual_seed(1)
    net = RecurrentGraphNet(scaling.sizes, hidden=16, steps=3)

    def evaluate(*chosen):
        with torch.inference_mode():
            return net(union(chosen, scaling)).mean.numpy()

    return evaluate


def test_batch_equals_loop(cases, answer):
    graphs = [case.graph() for case in cases]
    loop = np.concatenate([answer(graph) for graph in graphs])
    assert loop.std() > 0.01
    assert answer(*graphs) == pytest.approx(loop, abs=1e-6)
    assert answer(*graphs[::-1]) == pytest.approx(loop[::-1], abs=1e-6)


def test_some_of_a_batch_are_the_batch_of_some(cases):
    graphs = [case.graph() for case in cases]
    scaling = Scaling.fit(graphs)
    taken, made = union(graphs, scaling).take(torch.tensor([3, 0, 3])), union([graphs[k] for k in (3, 0, 3)], scaling)
    for field in fields(taken):
        assert torch.equal(getattr(taken, field.name), getattr(made, field.name)), field.name


def test_shares_sum_to_one_and_begin_as_those_of_the_network(cases):
    graphs = [case.graph() for case in cases]
    batch = union(graphs, Scaling.fit(graphs))
    torch.manual_seed(0)
    net = RecurrentGraphNet(Scaling.fit(graphs).sizes, hidden=8, steps=1)
    with torch.inference_mode():
        out = net(batch)
    total = torch.zeros(len(graphs)).index_add(0, batch.graph, out.ln_node.exp())
    assert torch.allclose(total.index_add(0, batch.edge_graph, out.ln_edge.exp()), torch.ones(len(graphs)), atol=1e-5)
    large = batch.node_loss.squeeze(1) > 0.05
    assert torch.allclose(out.ln_node.exp()[large], batch.node_loss.squeeze(1)[large], rtol=0.05)
    assert torch.equal(out.ln_noise, torch.zeros(len(graphs)))


def test_numbering_of_nodes_and_edges_does_not_matter(cases, answer):
    graph = cases[0].graph()
    n, m = graph.size
    rng = stream(0, "permutation")
    node, edge = rng.permutation(n), rng.permutation(m)
    rank = np.argsort(node)
    flipped = rank[graph.edge_index[:, edge]][::-1]
    other = replace(graph, node_features=graph.node_features[node], edge_features=graph.edge_features[edge],
                    edge_index=flipped, terminals=graph.terminals[node], phase=graph.phase[node])
    assert answer(other) == pytest.approx(answer(graph), abs=1e-6)


def test_mirror_images_and_the_reversed_current_give_the_same_answer(cases, answer):
    for case in cases:
        straight = answer(case.graph())
        for turn in (np.fliplr, np.flipud):
            turned = replace(case.map, labels=turn(case.map.labels).copy(), grains=turn(case.map.grains).copy())
            mirrored = build(turned, case.sigma, case.interfaces)
            assert answer(mirrored) == pytest.approx(straight, abs=3e-4)  # single precision, gates near zero


def test_a_single_region_and_no_edges(answer):
    lone = build(PhaseMap(labels=np.zeros((4, 4), dtype=np.uint8), phases=("a",), pixel_size_nm=1.0), {0: 1.0})
    assert lone.size == (1, 0)
    assert np.isfinite(answer(lone)).all()


def test_foreign_features_are_refused(cases):
    graph = cases[0].graph()
    scaling = Scaling.fit([graph])
    renamed = replace(graph, node_names=("colour", *graph.node_names[1:]))
    with pytest.raises(InputError, match="colour"):
        scaling.check([renamed])
