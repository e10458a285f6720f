"""The resistor network of a region graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from ssbray.domain import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkSolution:
    """Currents for a unit drop of potential between two terminals."""

    conductance: float  #: between the terminals, in the unit of the conductances given; 0 without a path
    potential: FloatArray  #: (n,) 1 at the first terminal, 0 at the second; NaN where no current can reach
    loss: FloatArray  #: (m,) share of the dissipation in each edge; sums to 1, all zero without a path


def solve_network(n: int, pair: NDArray[np.int64], conductance: FloatArray, first: int, last: int) -> NetworkSolution:
    """Solve Kirchhoff's laws on an undirected graph by a sparse direct factorisation.

    The conductance is taken from the dissipated power, in which errors of the potential enter
    squared. The share of an edge in the dissipation is also its sensitivity,
    d ln G / d ln g (Cohn's theorem: Cohn, Proc. IRE 38, 316 (1950)).

    Parameters
    ----------
    n : number of nodes.
    pair : (2, m) ends of each edge.
    conductance : (m,) of each edge, zero or more; edges with zero do not connect.
    first, last : the two terminals.

    >>> round(solve_network(3, np.array([[0, 1], [1, 2]]), np.array([1.0, 3.0]), 0, 2).conductance, 12)
    0.75
    """
    live = conductance > 0
    (i, j), g = pair[:, live], conductance[live]
    _, part = connected_components(coo_array((np.ones(len(g), dtype=np.int8), (i, j)), shape=(n, n)), directed=False)
    potential = np.full(n, np.nan)
    loss = np.zeros(len(conductance))
    if part[first] != part[last]:
        return NetworkSolution(conductance=0.0, potential=potential, loss=loss)
    inside = part == part[first]
    potential[inside] = 0.0
    potential[first] = 1.0
    inside[[first, last]] = False
    unknown = np.cumsum(inside) - 1
    if inside.any():
        rows, cols, ends = np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([g, g])
        keep = inside[rows]
        rows, cols, ends = unknown[rows[keep]], cols[keep], ends[keep]
        size = int(inside.sum())
        scale = 1 / np.sqrt(np.bincount(rows, ends, size))  # a unit diagonal takes decades out of the factorisation
        source = np.bincount(rows, ends * (cols == first), size)
        inner = inside[cols]
        rows, cols, ends = rows[inner], unknown[cols[inner]], ends[inner]
        matrix = coo_array((np.append(-ends * scale[rows] * scale[cols], np.ones(size)),
                            (np.append(rows, np.arange(size)), np.append(cols, np.arange(size)))),
                           shape=(size, size)).tocsc()
        potential[inside] = scale * np.atleast_1d(spsolve(matrix, scale * source))
    power = np.where(part[i] == part[first], g * (potential[i] - potential[j]) ** 2, 0.0)
    total = float(power.sum())
    loss[live] = power / total
    return NetworkSolution(conductance=total, potential=potential, loss=loss)
