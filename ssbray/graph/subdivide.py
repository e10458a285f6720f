"""The resistor network of a map whose regions are cut into blocks: a second estimate, much nearer to the truth.

One potential per region is coarse where current spreads inside it, as under a rough layer. Cut by a
grid, every piece of a region becomes a node of its own; the cost is that of another pass over the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.graph.boundary import Boundaries
from ssbray.graph.network import solve_network
from ssbray.graph.regions import Regions, find_regions
from ssbray.raster import measure_between

DIVISIONS = 16  #: blocks along the current; as large across it


@dataclass(frozen=True, eq=False, kw_only=True)
class Subdivided:
    """The solved network of pieces, gathered on the regions and their boundaries."""

    sigma_eff: float  #: effective conductivity [S/m]; 0 where it does not percolate
    node_loss: FloatArray  #: (n,) share of the dissipation inside each region
    edge_loss: FloatArray  #: (m,) share in the thin interface of each boundary; with the nodes, sums to 1
    edge_current: FloatArray  #: (m,) share of the whole current that crosses each boundary, in whichever direction
    thinness: FloatArray  #: (n,) pixel edge / local thickness, averaged over the dissipation in the region
    stairs: FloatArray  #: (n,) pixel faces per true length of the boundary, 1 inside, averaged likewise


def subdivide(regions: Regions, boundaries: Boundaries, sigma: FloatArray, asr: FloatArray, *,
              axis: int, divisions: int = DIVISIONS) -> Subdivided:
    """Cut the regions by a grid of square (cubic) blocks, join the pieces by resistors and solve.

    Resistors are those of `circuit.solve_circuit`, without the interface between pieces of one region.
    Flat layers in series and in parallel stay exact. A mirrored map is cut in mirrored pieces.

    Parameters
    ----------
    regions, boundaries : the graph.
    sigma : (n,) conductivity of each region [S/m]; zero blocks.
    asr : (m,) interface resistance of each boundary [pixel / (S/m)].
    axis : array axis of the current, from the first row to the last.
    divisions : blocks along the current.
    """
    n, m = len(sigma), boundaries.pair.shape[1]
    shape = regions.image.shape
    pieces = find_regions(regions.image, _grid(shape, shape[axis] / divisions))
    of, count = pieces.label, len(pieces.label)  # the region of each piece
    pair, half, area, at, outer = _edges(pieces, boundaries)
    inner = at < 0
    resistivity = np.divide(1.0, sigma, out=np.full(n, np.inf), where=sigma > 0)
    series = half * resistivity[of[pair]]
    interface = np.where(inner, 0.0, asr[at]) if m else np.zeros(pair.shape[1])

    ends = [np.bincount(pieces.image.take(row, axis=axis).reshape(-1), minlength=count) for row in (0, -1)]
    touching = [np.flatnonzero(faces) for faces in ends]
    centre = pieces.centroid[:, axis]
    depth = np.concatenate([centre[touching[0]], shape[axis] - centre[touching[1]]])
    node = np.concatenate(touching)
    terminal = np.repeat([count, count + 1], [len(t) for t in touching])
    contact = np.concatenate([ends[k][touching[k]] for k in (0, 1)]) / np.maximum(depth, 0.5) * sigma[of[node]]
    conductance = np.concatenate([area / (series.sum(axis=0) + interface), contact])
    both = np.concatenate([pair, np.stack([node, terminal])], axis=1)
    solution = solve_network(count + 2, both, conductance, count, count + 1)

    loss = solution.loss[:len(area)]
    total = series.sum(axis=0) + interface
    share = np.zeros((3, len(area)))
    np.divide(np.stack([series[0], interface, series[1]]), total, out=share, where=np.isfinite(total))
    lost = np.bincount(np.concatenate([*pair, node]),
                       np.concatenate([share[0] * loss, share[2] * loss, solution.loss[len(area):]]), count)
    drop = np.nan_to_num(np.abs(solution.potential[pair[0]] - solution.potential[pair[1]]))
    current = area / total * drop / (solution.conductance or 1.0)
    node_loss = np.bincount(of, lost, n).astype(float)
    known = np.where(node_loss > 0, node_loss, 1.0)
    faces, true = outer
    return Subdivided(
        sigma_eff=solution.conductance * shape[axis] ** 2 / regions.image.size,
        node_loss=node_loss,
        edge_loss=np.bincount(at[~inner], (share[1] * loss)[~inner], m).astype(float),
        edge_current=np.bincount(at[~inner], current[~inner], m).astype(float),
        thinness=np.bincount(of, lost * true / (2 * pieces.pixels), n) / known,
        stairs=np.bincount(of, lost * np.divide(faces, true, out=np.ones(count), where=true > 0), n) / known)


def _grid(shape: tuple[int, ...], block: float) -> NDArray[np.int32]:
    """Number the block of each pixel; the same from either end of an axis."""
    code = np.zeros(1, dtype=np.int32)
    for length in shape:
        cuts = max(1, round(length / block))
        twice = (2 * np.arange(length) + 1) * cuts
        line = twice // (2 * length) - -twice // (2 * length)  # floor + ceil: a pixel on a cut is a block of its own
        code = code[..., None] * np.int32(2 * cuts + 1) + line.astype(np.int32)
    return code[0]


def _edges(pieces: Regions, boundaries: Boundaries
           ) -> tuple[NDArray[np.int64], FloatArray, FloatArray, NDArray[np.int64], tuple[FloatArray, FloatArray]]:
    """Gather faces between pieces.

    Returns
    -------
    pair : (2, k) pieces.
    half : (2, k) distance from the boundary to either centroid along the normal.
    area : (k,) true.
    at : (k,) row in `boundaries`, -1 between pieces of one region.
    outer : two (pieces,): pixel faces towards other regions, and their true area.
    """
    count, ndim = len(pieces.label), pieces.image.ndim
    image, faces = pieces.image.reshape(-1), pieces.faces
    side = np.stack([image[faces.first], image[faces.second]]).astype(np.int64)
    of = pieces.label[side]
    outer = of[0] != of[1]
    true = np.ones(len(faces))
    n = int(pieces.label.max()) + 1
    low, high = of[:, outer].min(axis=0), of[:, outer].max(axis=0)
    true[outer] = measure_between(faces.select(outer), low * n + high, (of[0] < of[1])[outer])
    swap = side[0] > side[1]
    code = np.where(swap, side[1] * count + side[0], side[0] * count + side[1])
    unique, of_face = np.unique(code, return_inverse=True)
    k = len(unique)
    pair = np.stack([unique // count, unique % count])
    area = np.bincount(of_face, true, k).astype(float)
    place = np.stack(np.unravel_index(faces.first, pieces.image.shape))[faces.axis, np.arange(len(faces))] + 1.0
    away = np.stack([place - pieces.centroid[side[0], faces.axis], pieces.centroid[side[1], faces.axis] - place])
    away[:, swap] = away[::-1, swap]
    flux = np.stack([np.bincount(of_face, one, k) for one in away])

    raw = np.stack([np.bincount(of_face, faces.axis == d, k) for d in range(ndim)], axis=1)
    chord = np.empty_like(pieces.centroid)
    for d in range(ndim):
        ends = [side[:, faces.axis == d], pieces.image.take([0, -1], axis=d)]
        chord[:, d] = 2 * pieces.pixels / np.bincount(np.concatenate([e.reshape(-1) for e in ends]), minlength=count)
    normal = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    cap = 1 / np.linalg.norm(normal / chord[pair], axis=2)
    half = np.maximum(np.minimum(np.abs(flux) / area, cap), 0.5)

    at = np.full(k, -1)
    ends = pieces.label[pair]
    cross = ends[0] != ends[1]
    known = boundaries.pair[0] * n + boundaries.pair[1]
    at[cross] = np.searchsorted(known, ends.min(axis=0)[cross] * n + ends.max(axis=0)[cross])
    touched = np.concatenate([side[0, outer], side[1, outer]])
    return pair, half, area, at, (np.bincount(touched, minlength=count).astype(float),
                                  np.bincount(touched, np.tile(true[outer], 2), count).astype(float))
