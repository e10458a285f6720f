"""Numbers that can be read off a map."""

import numpy as np
import pytest

from ssbray.anomaly import describe, loss_by_phase
from ssbray.domain import PhaseMap
from ssbray.graph import build
from tests.anomaly.maps import layered


def test_a_stack_of_layers():
    labels = np.repeat(np.uint8([0, 1, 2]), [10, 4, 6])[:, None] * np.ones((1, 30), np.uint8)
    found = describe(build(PhaseMap(labels=labels, phases=("LLZO", "La2Zr2O7", "NMC811"), pixel_size_nm=5.0),
                           {0: 1.0, 1: 0.01, 2: 0.1}, {(1, 2): 1e-6}))
    resistance = {"LLZO": 50e-9 / 1.0, "La2Zr2O7": 20e-9 / 0.01, "NMC811": 30e-9 / 0.1, "interfaces": 1e-6}
    for what, part in resistance.items():
        assert found[f"loss:{what}"] == pytest.approx(part / sum(resistance.values()))
    assert found["area:La2Zr2O7"] == pytest.approx(0.2)
    assert found["thickness:La2Zr2O7"] == pytest.approx(20.0)
    assert found["width:La2Zr2O7"] == pytest.approx(20.0)
    assert found["length:La2Zr2O7"] == pytest.approx(30 / 20)
    assert found["slenderness:La2Zr2O7"] == pytest.approx(30 / 4)
    assert found["regions:LLZO"] == 1
    assert found["contact:LLZO|La2Zr2O7"] == pytest.approx(1.5)
    assert "contact:LLZO|NMC811" not in found


def test_the_name_of_a_contact_does_not_depend_on_the_order_of_labels():
    labels = np.repeat(np.uint8([0, 1]), 3)[:, None] * np.ones((1, 4), np.uint8)
    for phases in (("b", "a"), ("a", "b")):
        found = describe(build(PhaseMap(labels=labels, phases=phases, pixel_size_nm=1.0), {0: 1.0, 1: 2.0}))
        assert "contact:a|b" in found


def test_pixels_half_as_large_describe_the_same_map():
    coarse, fine = (describe(layered(3, zirconate=4, pores=5, repeat=repeat)) for repeat in (1, 2))
    assert coarse.keys() == fine.keys()
    for name, value in coarse.items():
        assert fine[name] == pytest.approx(value, rel=0.12, abs=0.02), name


def test_losses_sum_to_one_and_are_those_of_the_network():
    graph = layered(1, zirconate=4)
    found = describe(graph)
    shares = loss_by_phase(graph, graph.node_features[:, graph.node_names.index("fine_loss")],
                           graph.edge_features[:, graph.edge_names.index("fine_loss")])
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "La2Zr2O7"
    assert all(found[f"loss:{what}"] == pytest.approx(share) for what, share in shares.items())
