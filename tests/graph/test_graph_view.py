"""What networkx is told, and what the file keeps of it."""

from dataclasses import fields, replace

import numpy as np
import pytest

from ssbray.domain import GraphMeasures, PhaseMap
from ssbray.graph import build, load, save
from ssbray.graph.store import FIELDS


@pytest.fixture
def layers():
    """Ten rows of a, four of b, eight columns; 5 nm pixels; 2 ohm cm2 between them."""
    labels = np.repeat(np.uint8([0, 1]), [10, 4])[:, None].repeat(8, axis=1)
    return build(PhaseMap(labels=labels, phases=("a", "b"), pixel_size_nm=5.0), {0: 0.1, 1: 0.02}, {(0, 1): 2e-4})


def test_measures_have_their_units(layers):
    measures = layers.measures
    assert measures.sigma_S_per_cm == pytest.approx([1e-3, 2e-4])
    assert measures.size_nm == pytest.approx([80 * 25, 32 * 25])
    assert measures.centroid_nm == pytest.approx(np.array([[25, 20], [60, 20]]))
    assert measures.length_nm == pytest.approx([40])
    assert measures.distance_nm == pytest.approx([35])
    assert measures.normal == pytest.approx(np.array([[1, 0]]))
    assert measures.interface_ohm_cm2 == pytest.approx([2.0])
    assert measures.contact.tolist() == [[0, 1], [1, 2]]
    assert measures.contact_length_nm == pytest.approx([40, 40])
    assert measures.contact_distance_nm == pytest.approx([25, 10])


def test_the_view_has_electrodes_and_names(layers):
    view = layers.to_networkx()
    assert set(view) == {0, 1, "first", "last"}
    assert [view.nodes[k]["kind"] for k in (0, 1, "first", "last")] == ["region"] * 2 + ["electrode"] * 2
    assert view.nodes[0]["phase"] == "a"
    assert view.nodes[1]["area_nm2"] == 800
    assert set(map(frozenset, view.edges)) == {frozenset(e) for e in ((0, 1), (0, "first"), (1, "last"))}
    edge = view.edges[0, 1]
    assert edge["kind"] == "boundary"
    assert [edge[name] for name in ("length_nm", "distance_nm", "interface_ohm_cm2")] == pytest.approx([40, 35, 2])
    assert edge["normal"] == pytest.approx((1, 0))
    assert edge["loss"] == layers.edge_features[0, layers.edge_names.index("loss")]
    assert view.edges[1, "last"] == {"kind": "contact", "length_nm": 40.0, "distance_nm": 10.0}
    assert view.graph == {"sigma_network_S_per_m": layers.sigma_network, "thickness_m": layers.thickness_m}


def test_the_resistances_of_the_view_give_the_network(layers):
    """Layers, contacts and interface by hand from the attributes alone [ohm cm2]."""
    view = layers.to_networkx()
    total = 0.0
    for _, _, edge in view.edges(data=True):
        total += edge.get("interface_ohm_cm2", 0.0)
    for node, electrode in ((0, "first"), (1, "last")):
        thickness_cm = 2 * view.edges[node, electrode]["distance_nm"] * 1e-7
        total += thickness_cm / view.nodes[node]["sigma_S_per_cm"]
    assert layers.sigma_network * 1e-2 == pytest.approx(layers.thickness_m * 100 / total, rel=1e-10)


def test_a_volume_says_areas():
    labels = np.zeros((4, 3, 2), dtype=np.uint8)
    labels[2:] = 1
    graph = build(PhaseMap(labels=labels, phases=("a", "b"), pixel_size_nm=10.0), {0: 1.0, 1: 1.0}, axis="z")
    view = graph.to_networkx()
    assert view.edges[0, 1]["area_nm2"] == pytest.approx(600)
    assert view.nodes[0]["volume_nm3"] == pytest.approx(12000)
    assert view.edges[0, 1]["normal"] == pytest.approx((1, 0, 0))
    assert view.edges["first", 0]["area_nm2"] == pytest.approx(600)


def test_a_region_between_both_electrodes_has_two_contacts():
    view = build(PhaseMap(labels=np.zeros((3, 2), np.uint8), phases=("a",), pixel_size_nm=1.0), {0: 1.0}).to_networkx()
    assert sorted(map(str, view[0])) == ["first", "last"]
    assert view.number_of_edges() == 2


def test_features_alone_make_a_view(layers):
    """As from a file of features: no measures, but electrodes all the same."""
    view = replace(layers, measures=None).to_networkx()
    assert view.has_edge(0, "first")
    assert "length_nm" not in view.edges[0, 1]
    assert "ln_length" in view.edges[0, 1]


def test_measures_survive_the_file(layers, tmp_path):
    save(layers, tmp_path / "g.npz")
    back = load(tmp_path / "g.npz")
    assert isinstance(back.measures, GraphMeasures)
    for field in fields(GraphMeasures):
        mine, theirs = getattr(layers.measures, field.name), getattr(back.measures, field.name)
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)
    save(replace(layers, measures=None), tmp_path / "bare.npz")
    assert load(tmp_path / "bare.npz").measures is None


def test_files_of_the_first_format_are_read(layers, tmp_path):
    arrays = {name: np.asarray(getattr(layers, name)) for name in FIELDS}
    np.savez_compressed(tmp_path / "old.npz", format=np.asarray("ssbray.graph/1"), **arrays)
    old = load(tmp_path / "old.npz")
    assert old.measures is None
    assert np.array_equal(old.edge_features, layers.edge_features)
    assert old.edge_names == layers.edge_names
    np.savez_compressed(tmp_path / "later.npz", format=np.asarray("ssbray.graph/3"), **arrays)
    with pytest.raises(ValueError, match=r"later\.npz"):
        load(tmp_path / "later.npz")
