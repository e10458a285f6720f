"""From a phase map to a feature graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import AXES, FeatureGraph, FloatArray, GraphMeasures, PhaseMap
from ssbray.errors import InputError
from ssbray.graph.boundary import Boundaries, find_boundaries
from ssbray.graph.circuit import solve_circuit
from ssbray.graph.features import EDGE_NAMES, NODE_NAMES, edge_features, node_features
from ssbray.graph.regions import Regions, find_regions
from ssbray.units import S_per_cm, metres, ohm_cm2


def build(phase_map: PhaseMap, sigma: Mapping[int, float], interfaces: Mapping[tuple[int, int], float] | None = None,
          axis: str = "y") -> FeatureGraph:
    """Cut a map into regions of equal phase and grain, and join those that touch.

    Nodes are face-connected regions, edges their shared boundaries, with true (not staircase)
    lengths. The resistor network on the graph is solved on the way, for `sigma_network` and for
    the features that say where its current goes.

    Parameters
    ----------
    phase_map : (H, W) or (D, H, W) labels, with grains or without.
    sigma : label -> conductivity [S/m]; zero blocks. Every label in the map needs one.
    interfaces : (label, label) -> resistance of their contact [ohm m2], in either order; twice the
        same label means between different grains of it. Infinity blocks.
    axis : direction of the current, "x", "y" or "z", from the first row to the last.

    >>> layers = PhaseMap(labels=np.uint8([[0, 0], [0, 0], [1, 1], [1, 1]]), phases=("a", "b"), pixel_size_nm=10.0)
    >>> graph = build(layers, {0: 1.0, 1: 3.0}, {(0, 1): 2e-8})
    >>> graph.size, round(graph.sigma_network, 12)
    ((2, 1), 0.857142857143)
    """
    labels = phase_map.labels
    if axis not in AXES or AXES[axis] + labels.ndim < 0:
        raise InputError("axis", axis, f"a {labels.ndim}-D map has {', '.join(list(AXES)[-labels.ndim:])}: choose one")
    along = AXES[axis] + labels.ndim
    regions = find_regions(labels, phase_map.grains)
    boundaries = find_boundaries(regions)
    pixel = metres(phase_map.pixel_size_nm)
    asr = _asr(regions.label[boundaries.pair], interfaces or {}, len(phase_map.phases))
    if phase_map.grains is not None:  # grain 0 is "none": no boundary is known there
        grain = phase_map.grains.reshape(-1)[regions.first]
        same = regions.label[boundaries.pair[0]] == regions.label[boundaries.pair[1]]
        asr[same & (grain[boundaries.pair] == 0).any(axis=0)] = 0.0
    conductivity = _conductivity(regions.label, sigma, phase_map.phases)
    circuit = solve_circuit(regions, boundaries, conductivity, asr / pixel, axis=along)
    nodes = node_features(regions, boundaries, circuit, axis=along)
    terminals = np.zeros(len(regions.label), dtype=np.int64)
    terminals[np.unique(regions.image.take(0, axis=along))] += 1
    terminals[np.unique(regions.image.take(-1, axis=along))] += 2
    return FeatureGraph(
        node_features=nodes, node_names=NODE_NAMES,
        edge_index=boundaries.pair, edge_features=edge_features(regions, boundaries, circuit, axis=along),
        edge_names=EDGE_NAMES, terminals=terminals, phase=regions.label, phases=phase_map.phases,
        sigma_network=circuit.sigma_eff, thickness_m=labels.shape[along] * pixel,
        measures=_measures(regions, boundaries, conductivity, asr, phase_map.pixel_size_nm, along))


def _measures(regions: Regions, boundaries: Boundaries, sigma: FloatArray, asr: FloatArray, pixel_nm: float,
              along: int) -> GraphMeasures:
    """Give regions, boundaries and contacts their units."""
    ndim, n = regions.image.ndim, len(sigma)
    depth = regions.centroid[:, along]
    ends = [np.bincount(regions.image.take(row, axis=along).reshape(-1), minlength=n) for row in (0, -1)]
    touching = [np.flatnonzero(faces) for faces in ends]
    return GraphMeasures(
        sigma_S_per_cm=sigma * S_per_cm(1.0), size_nm=regions.pixels * pixel_nm**ndim,
        centroid_nm=regions.centroid * pixel_nm, length_nm=boundaries.area * pixel_nm ** (ndim - 1),
        distance_nm=boundaries.distance.sum(axis=0) * pixel_nm, normal=boundaries.normal,
        interface_ohm_cm2=asr * ohm_cm2(1.0),
        contact=np.stack([np.concatenate(touching), np.repeat([1, 2], [len(t) for t in touching])]),
        contact_length_nm=np.concatenate([ends[k][touching[k]] for k in (0, 1)]) * pixel_nm ** (ndim - 1),
        contact_distance_nm=np.concatenate([depth[touching[0]], regions.image.shape[along] - depth[touching[1]]])
        * pixel_nm)


def _conductivity(label: NDArray[np.int64], sigma: Mapping[int, float], phases: tuple[str, ...]) -> FloatArray:
    """Look up the conductivity of each region [S/m]."""
    table = np.full(len(phases), np.nan)
    for key, value in sigma.items():
        if not 0 <= key < len(phases):
            raise InputError("sigma", key, f"the map has labels 0..{len(phases) - 1} ({', '.join(phases)})")
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"sigma[{key}]", value, "a conductivity is zero or more [S/m]")
        table[key] = value
    for key in np.unique(label):
        if np.isnan(table[key]):
            raise InputError("sigma", sorted(sigma), f"label {key} ({phases[key]}) has no conductivity: give one [S/m]")
    return table[label]


def _asr(label: NDArray[np.int64], interfaces: Mapping[tuple[int, int], float], count: int) -> FloatArray:
    """Look up the interface resistance of each boundary [ohm m2]; zero where none was given."""
    table = np.zeros((count, count))
    for (a, b), value in interfaces.items():
        if not (0 <= a < count and 0 <= b < count):
            raise InputError("interfaces", (a, b), f"the map has labels 0..{count - 1}")
        if not value >= 0:
            raise InputError(f"interfaces[{a},{b}]", value, "an area-specific resistance is zero or more [ohm m2]")
        if a != b and (b, a) in interfaces:
            raise InputError(f"interfaces[{a},{b}]", value, f"({b}, {a}) is given too: give the pair once")
        table[a, b] = table[b, a] = value
    return table[label[0], label[1]]
