"""What a microscopist would note of a map: by phase how much, how thick, how many; who touches whom; who resists."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssbray.domain import FeatureGraph, FloatArray

SORTS: Mapping[str, str] = {
    "area": "share of the map",
    "loss": "share of the loss, 'interfaces' for what has no thickness",
    "thickness": "mean chord, the smaller of those along and across the current [nm]",
    "regions": "number of regions",
    "largest": "share of the map in the largest region",
    "length": "largest extent of a region over the distance of the electrodes",
    "slenderness": "largest ratio of extent to mean chord of a region",
    "width": "smaller mean chord of the longest region [nm]",
    "contact": "length of the boundaries of two phases over the distance of the electrodes",
}


def describe(graph: FeatureGraph) -> dict[str, float]:
    """Describe a map by numbers with a name, ``"<sort>:<phase>"`` or ``"contact:<phase>|<phase>"``.

    Only phases and contacts that are there are named: what is not named is zero. Sorts and units are those
    of `SORTS`. The loss is that of the subdivided resistor network.

    >>> graph = FeatureGraph(
    ...     node_features=np.array([[0.75, 0.1, 0.0, 0.0, 0.0, 0.5], [0.25, 0.9, 0.0, 0.0, 0.0, 0.2]]),
    ...     node_names=("area_fraction", "fine_loss", "ln_chord_axis", "ln_chord_across", "extent_axis",
    ...                 "extent_across"),
    ...     edge_index=np.array([[0], [1]]), edge_features=np.array([[0.0, 0.0]]),
    ...     edge_names=("ln_length", "fine_loss"), terminals=np.array([1, 2]), phase=np.array([0, 1]),
    ...     phases=("LLZO", "NMC811"), sigma_network=1.0, thickness_m=1e-6)
    >>> {name: round(value, 3) for name, value in describe(graph).items() if "NMC811" in name and ":" in name}
    {'area:NMC811': 0.25, 'loss:NMC811': 0.9, 'thickness:NMC811': 1000.0, 'regions:NMC811': 1.0, \
'largest:NMC811': 0.25, 'length:NMC811': 0.2, 'slenderness:NMC811': 0.2, 'width:NMC811': 1000.0, \
'contact:LLZO|NMC811': 1.0}
    """
    def node(name: str) -> FloatArray:
        return graph.node_features[:, graph.node_names.index(name)]

    def edge(name: str) -> FloatArray:
        return graph.edge_features[:, graph.edge_names.index(name)]

    area, loss = node("area_fraction"), node("fine_loss")
    chords = np.exp(np.stack([node("ln_chord_axis"), node("ln_chord_across")]))
    extent = np.maximum(node("extent_axis"), node("extent_across"))
    slender = extent / chords.min(axis=0)
    found: dict[str, float] = {}
    for label, phase in enumerate(graph.phases):
        own = graph.phase == label
        if not own.any():
            continue
        # a phase's mean chord is twice its pixels over its faces, those of a region likewise
        mean = area[own].sum() / (area[own] / chords[:, own]).sum(axis=1)
        found |= {f"area:{phase}": float(area[own].sum()), f"loss:{phase}": float(loss[own].sum()),
                  f"thickness:{phase}": 1e9 * graph.thickness_m * float(mean.min()),
                  f"regions:{phase}": float(own.sum()), f"largest:{phase}": float(area[own].max()),
                  f"length:{phase}": float(extent[own].max()), f"slenderness:{phase}": float(slender[own].max()),
                  f"width:{phase}": 1e9 * graph.thickness_m * float(chords.min(axis=0)[own][extent[own].argmax()])}
    found["loss:interfaces"] = float(edge("fine_loss").sum())
    names = np.array(graph.phases, dtype=object)
    sides = names[graph.phase[graph.edge_index]]
    for first, second, length in zip(*sides, np.exp(edge("ln_length")), strict=True):
        key = f"contact:{min(first, second)}|{max(first, second)}"
        found[key] = found.get(key, 0.0) + float(length)
    return found


def loss_by_phase(graph: FeatureGraph, nodes: FloatArray, edges: FloatArray) -> dict[str, float]:
    """Share of the loss that each phase carries, and "interfaces", the largest first.

    Parameters
    ----------
    nodes, edges : (n,), (m,) share of each region, and of each boundary's interface.
    """
    whole = np.bincount(graph.phase, nodes, len(graph.phases))
    shares = {phase: float(whole[label]) for label, phase in enumerate(graph.phases)}
    shares["interfaces"] = float(edges.sum())
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
