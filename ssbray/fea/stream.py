"""The stream function of a plane problem: q = rot psi has no sources, whatever psi.

psi is a ramp and a correction. Where no current flows, in pores and along blocked faces, psi is
constant; so each such cluster is one unknown. At no-flux sides psi is given; at plates it is free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from ssbray.domain import FloatArray
from ssbray.fea import assemble, mesh
from ssbray.fea.problem import Discrete, Problem
from ssbray.raster import Facets


@dataclass(frozen=True, eq=False, kw_only=True)
class Stream:
    """The dual of a problem: resistivities, with interfaces as conductors along themselves."""

    elements: Discrete
    currents: FloatArray  #: (k, 2) mean current of each load, in array axes
    slopes: FloatArray  #: (k, 2) of the ramp of psi
    bases: FloatArray  #: (k, n_dofs) what psi has beside the ramp: minus the ramp in clusters
    cluster: NDArray[np.int64]  #: (n_dofs,) number of the cluster of each vertex, -1 for none


def discretise(problem: Problem) -> Stream:
    """Q1 elements for psi on the pixels of a plane problem."""
    none = problem.shut.select(np.zeros(len(problem.shut), dtype=bool))
    grid = mesh.build(np.ones(problem.shape, dtype=bool), none, problem.periodic)
    sigma = problem.sigma.reshape(-1)
    across = problem.thin.resistance > 0
    dofs = grid.dofs  # every vertex has one unknown; the unknowns of a face are those of its upper corners
    faces = problem.thin.faces.select(across)
    corners = np.where(faces.axis[:, None] == 0, [[2, 3]], [[1, 3]])
    ends = np.take_along_axis(dofs[faces.first], corners, axis=1)
    joint = assemble.Joints(dofs=np.stack([ends, ends], axis=1), conductance=np.zeros(len(ends)),
                            sheet=problem.thin.resistance[across], axis=faces.axis,
                            lumped=np.zeros(len(ends), dtype=bool))
    cluster, place = _clusters(problem, grid)
    row_, column_ = np.unravel_index(np.arange(grid.n_dofs), grid.first.shape)
    where = np.stack([row_, column_], axis=1) + place * np.array(problem.shape)
    given = np.zeros(grid.n_dofs, dtype=bool)
    constant = np.zeros((2, grid.n_dofs))  # psi of clusters that touch a side, by load
    if problem.periodic:
        pin = grid.first[1 % problem.shape[0], 1 % problem.shape[1]]  # psi is free up to a constant
        given[pin] = True
        given |= (cluster >= 0) & (cluster == cluster[pin])
        currents = np.eye(2) if np.linalg.matrix_rank(problem.loops) == 2 else _direction(problem)
    else:
        side = 1 - problem.axis
        currents = np.eye(2)[problem.axis][None]
        last = problem.shape[side]
        for edge in (0, last):
            here = where[:, side] == edge
            given |= here | np.isin(cluster, np.unique(cluster[here & (cluster >= 0)]))
            constant[0, np.isin(cluster, np.unique(cluster[here & (cluster >= 0)]))] = edge
    slopes = np.stack([-currents[:, 1], currents[:, 0]], axis=1)
    sign = 1.0 if problem.periodic or problem.axis == 0 else -1.0
    bases = np.where(cluster[None] >= 0, sign * constant[: len(slopes)] - slopes @ where.T, 0.0)
    row, n_free = assemble.rows(grid, given)
    resistivity = np.divide(1.0, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    return Stream(currents=currents, slopes=slopes, bases=bases, cluster=cluster, elements=Discrete(
        mesh=grid, sigma=resistivity, joint=joint, row=row, n_free=n_free, base=np.zeros(grid.n_dofs), ramp=True))


def _direction(problem: Problem) -> FloatArray:
    """The only direction in which a periodic map conducts, (1, 2)."""
    way = problem.loops[:1] * np.array(problem.shape)
    return np.asarray(way / np.linalg.norm(way), dtype=np.float64)


def _clusters(problem: Problem, grid: mesh.Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the groups of vertices with equal psi, and unroll them.

    Returns
    -------
    cluster : (n_dofs,) from 0, or -1.
    turns : (n_dofs, 2) how many periods to add to a vertex's place to make its cluster connected.
    """
    n = grid.n_dofs
    dead = np.flatnonzero(problem.sigma.reshape(-1) == 0)
    pairs = [np.stack([grid.dofs[dead, 0], grid.dofs[dead, k]], axis=1) for k in (1, 2, 3)]
    shut: Facets = problem.shut
    upper = np.where(shut.axis[:, None] == 0, [[2, 3]], [[1, 3]])
    pairs.append(np.take_along_axis(grid.dofs[shut.first], upper, axis=1))
    edges = np.concatenate(pairs).astype(np.int64)
    cluster = np.full(n, -1, dtype=np.int64)
    turns = np.zeros((n, 2), dtype=np.int64)
    if not len(edges):
        return cluster, turns
    place = np.stack(np.unravel_index(edges, grid.first.shape), axis=-1)  # (m, end, axis)
    jump = place[:, 1] - place[:, 0]
    wraps = (np.abs(jump) > 1).any(axis=1) & problem.periodic
    inner = edges[~wraps]
    graph = sparse.coo_matrix((np.ones(len(inner), dtype=np.int8), (inner[:, 0], inner[:, 1])), shape=(n, n))
    _, part = csgraph.connected_components(graph, directed=False)
    touched = np.unique(edges)
    steps: dict[int, dict[int, NDArray[np.int64]]] = {}
    over = np.concatenate([part[edges[wraps]], -np.sign(jump[wraps]) * (np.abs(jump[wraps]) > 1)], axis=1)
    for a, b, dy, dx in np.unique(over, axis=0) if len(over) else []:
        steps.setdefault(int(a), {})[int(b)] = np.array([dy, dx])
        steps.setdefault(int(b), {})[int(a)] = -np.array([dy, dx])
    turn_of: dict[int, NDArray[np.int64]] = {}
    name_of = np.arange(int(part.max()) + 1)
    for root in steps:
        if root in turn_of:
            continue
        turn_of[root] = np.zeros(2, dtype=np.int64)
        members = [root]
        for here in members:  # grows while it is walked
            for there, step in steps[here].items():
                if there not in turn_of:
                    turn_of[there] = turn_of[here] + step
                    members.append(there)
        name_of[members] = root
    for member, turn in turn_of.items():
        turns[part == member] = turn
    _, cluster[touched] = np.unique(name_of[part[touched]], return_inverse=True)
    return cluster, turns
