"""What a graph tells a model: ratios only, so that a model carries over to other sizes and conductivities.

Nothing here knows left from right or first electrode from last: a map and its mirror images give
the same numbers.
"""

from __future__ import annotations

import numpy as np

from ssbray.domain import FloatArray
from ssbray.graph.boundary import Boundaries
from ssbray.graph.circuit import Circuit
from ssbray.graph.regions import Regions

NODE_NAMES = (
    "ln_sigma",  # ln(conductivity / reference); 0 where blocking
    "blocks",  # 1 where the conductivity is zero
    "area_fraction",
    "ln_diameter",  # ln(diameter of the disc of equal area, or sphere of equal volume / thickness)
    "off_middle",  # distance of the centroid from the mid-plane: 0 there, 1 at an electrode
    "extent_axis",  # spread along the current / thickness
    "extent_across",  # spread across the current / thickness
    "ln_chord_axis",  # ln(mean chord along the current / thickness)
    "ln_chord_across",  # ln(mean chord across the current / thickness)
    "at_electrode",  # 1 if it touches an electrode
    "spans",  # 1 if it touches both
    "current",  # share of the network's current that passes through
    "loss",  # share of the network's dissipation; sums to 1 over the nodes
    "ln_fine",  # ln(conductivity of the subdivided network / that of the network): the same for all nodes
    "fine_loss",  # share of the subdivided network's dissipation that is inside; with the edges, sums to 1
    "thinness",  # pixel edge / local thickness, where it dissipates
    "stairs",  # pixel faces / true length of the boundaries, where it dissipates
)
EDGE_NAMES = (
    "ln_length",  # ln(area / thickness^(ndim - 1))
    "facing",  # mean |n . axis|
    "blocked",  # 1 where no current can cross
    "ln_series",  # ln(resistance of unit area / that of the reference over the thickness); 0 where blocked
    "interface_share",  # share of the interface in that resistance
    "has_interface",  # 1 if there is an interface resistance
    "ln_interface",  # ln(interface resistance / that of the reference over the thickness); 0 without one
    "contrast",  # |ln of the ratio of the two conductivities|; 0 where blocked
    "ln_distance",  # ln(distance between the centroids along the normal / thickness)
    "current",  # share of the network's current
    "loss",  # share of the network's dissipation
    "fine_current",  # share of the subdivided network's current
    "fine_loss",  # share of its dissipation that is in the interface
)


def _ln(x: FloatArray) -> FloatArray:
    """Logarithm where positive and finite, 0 elsewhere."""
    good = np.isfinite(x) & (x > 0)
    return np.log(np.where(good, x, 1.0))


def node_features(regions: Regions, boundaries: Boundaries, circuit: Circuit, *, axis: int) -> FloatArray:
    """Evaluate `NODE_NAMES`; (n, d), dimensionless. `axis` is the array axis of the current."""
    shape = regions.image.shape
    thickness, n = shape[axis], len(regions.label)
    across = [d for d in range(len(shape)) if d != axis]
    first, last = (np.bincount(regions.image.take(row, axis=axis).reshape(-1), minlength=n) > 0 for row in (0, -1))
    ball = np.pi / 4 if len(shape) == 2 else np.pi / 6
    return np.stack([
        _ln(circuit.sigma / _reference(circuit)),
        circuit.sigma == 0,
        regions.pixels / regions.image.size,
        np.log((regions.pixels / ball) ** (1 / len(shape)) / thickness),
        np.abs(2 * regions.centroid[:, axis] / thickness - 1),
        regions.extent[:, axis] / thickness,
        np.sqrt(np.mean(regions.extent[:, across] ** 2, axis=1)) / thickness,
        np.log(boundaries.chord[:, axis] / thickness),
        np.mean(np.log(boundaries.chord[:, across] / thickness), axis=1),
        first | last,
        first & last,
        circuit.node_current,
        circuit.node_loss,
        np.full(n, np.log(circuit.fine.sigma_eff / circuit.sigma_eff) if circuit.sigma_eff > 0 else 0.0),
        circuit.fine.node_loss,
        circuit.fine.thinness,
        circuit.fine.stairs,
    ], axis=1).astype(np.float64)


def edge_features(regions: Regions, boundaries: Boundaries, circuit: Circuit, *, axis: int) -> FloatArray:
    """Evaluate `EDGE_NAMES`; (m, k), dimensionless. `axis` is the array axis of the current."""
    shape = regions.image.shape
    thickness = shape[axis]
    i, j = boundaries.pair
    total = circuit.series.sum(axis=0)
    blocked = ~np.isfinite(total)
    layer = thickness / _reference(circuit)
    interface = circuit.series[1]
    with np.errstate(invalid="ignore"):
        share = np.where(blocked, 0.0, interface / total)
    return np.stack([
        _ln(boundaries.area / thickness ** (len(shape) - 1)),
        boundaries.facing[:, axis],
        blocked,
        _ln(total / layer),
        share,
        interface > 0,
        _ln(interface / layer),
        np.where(blocked, 0.0, np.abs(_ln(circuit.sigma[i]) - _ln(circuit.sigma[j]))),
        np.log(boundaries.distance.sum(axis=0) / thickness),
        circuit.current,
        circuit.loss,
        circuit.fine.edge_current,
        circuit.fine.edge_loss,
    ], axis=1).astype(np.float64)


def _reference(circuit: Circuit) -> float:
    """Conductivity to which others are compared: the network's, or the largest where that is zero [S/m]."""
    return circuit.sigma_eff or float(circuit.sigma.max()) or 1.0
