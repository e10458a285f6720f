"""A region graph as resistors between two electrodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssbray.domain import FloatArray
from ssbray.graph.boundary import Boundaries
from ssbray.graph.network import solve_network
from ssbray.graph.regions import Regions
from ssbray.graph.subdivide import Subdivided, subdivide


@dataclass(frozen=True, eq=False, kw_only=True)
class Circuit:
    """The solved network. Lengths are in pixels, so that conductivities stay in S/m."""

    sigma: FloatArray  #: (n,) conductivity of each region [S/m]
    series: FloatArray  #: (3, m) resistance of unit area: first side, interface, second side [pixel / (S/m)]
    sigma_eff: float  #: effective conductivity of the network [S/m]; 0 where it does not percolate
    loss: FloatArray  #: (m,) share of the dissipation in each edge
    current: FloatArray  #: (m,) share of the whole current in each edge
    node_loss: FloatArray  #: (n,) share of the dissipation in each region; both sides share an interface; sums to 1
    node_current: FloatArray  #: (n,) share of the whole current that passes through each region
    fine: Subdivided  #: the same with the regions cut into blocks


def solve_circuit(regions: Regions, boundaries: Boundaries, sigma: FloatArray, asr: FloatArray, *,
                  axis: int) -> Circuit:
    """Join the centroids of touching regions, and the electrodes, by resistors and solve.

    An edge has the conductance ``A / (d_i / sigma_i + R + d_j / sigma_j)``, d the distance from the
    boundary to the centroid along the normal; a contact ``A sigma / d``, A not more than the region's
    mean cross-section. Exact for flat layers in series, with interface resistance, and in parallel.

    Parameters
    ----------
    regions, boundaries : the graph.
    sigma : (n,) conductivity of each region [S/m]; zero blocks.
    asr : (m,) interface resistance of each boundary [pixel / (S/m)].
    axis : array axis of the current, from the first row to the last.
    """
    shape, n = regions.image.shape, len(sigma)
    m = boundaries.pair.shape[1]
    with np.errstate(divide="ignore"):
        resistivity = 1 / sigma
    half = boundaries.distance * resistivity[boundaries.pair]
    series = np.stack([half[0], asr, half[1]])

    ends = [np.bincount(regions.image.take(row, axis=axis).reshape(-1), minlength=n) for row in (0, -1)]
    touching = [np.flatnonzero(count) for count in ends]
    centre = regions.centroid[:, axis]
    depth = [np.maximum(centre[touching[0]], 0.5), np.maximum(shape[axis] - centre[touching[1]], 0.5)]
    node = np.concatenate(touching)
    terminal = np.repeat([n, n + 1], [len(t) for t in touching])
    section = regions.pixels / regions.extent[:, axis]
    contact = np.concatenate([np.minimum(ends[k], section)[touching[k]] / depth[k] for k in (0, 1)]) * sigma[node]

    pair = np.concatenate([boundaries.pair, np.stack([node, terminal])], axis=1)
    conductance = np.concatenate([boundaries.area / series.sum(axis=0), contact])
    solution = solve_network(n + 2, pair, conductance, n, n + 1)
    drop = np.nan_to_num(np.abs(solution.potential[pair[0]] - solution.potential[pair[1]]))
    current = conductance * drop / solution.conductance if solution.conductance > 0 else np.zeros_like(drop)

    with np.errstate(invalid="ignore"):
        share = np.nan_to_num((series[[0, 2]] + series[1] / 2) / series.sum(axis=0))
    at = np.concatenate([*boundaries.pair, node])
    node_loss = np.bincount(at, np.concatenate([*(share * solution.loss[:m]), solution.loss[m:]]), n).astype(float)
    node_current = np.bincount(at, np.concatenate([current[:m], current[:m], current[m:]]), n) / 2
    cross_section = regions.image.size / shape[axis]
    return Circuit(sigma=sigma, series=series, sigma_eff=solution.conductance * shape[axis] / cross_section,
                   loss=solution.loss[:m], current=current[:m], node_loss=node_loss, node_current=node_current,
                   fine=subdivide(regions, boundaries, sigma, asr, axis=axis))
