"""A plane problem on finer pixels with graded elements at the corners of the raster: upper and lower bound.

The upper bound comes from the potential, the lower one from the stream function, whose rotation is
a current without sources by construction (in the plane the two problems are each other's dual: a
resistance across an interface of the one is a conductance along it of the other, a pore is a
perfect conductor). Both spaces conform and both integrals are exact, so the true value of the
raster's own geometry lies between, whatever the algebraic error.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ssbray.domain import FloatArray
from ssbray.fea import assemble, coarsen, corner, forms, krylov, stream
from ssbray.fea.problem import Discrete, Problem, discretise
from ssbray.fea.refine import subdivide
from ssbray.raster import Facets

FACTOR = 2  #: fine pixels per side: graded elements then meet, and smaller ones would leave more to plain squares
CENTRES = np.array([3, 6, 9, 12])  #: slots of a patch that lie on its vertex
RTOL = 1e-7  #: relative algebraic error of either bound, far below the gap


@dataclass(frozen=True, eq=False, kw_only=True)
class Patches:
    """The four fine cells around each corner of the raster that has more than one material or an interface."""

    cells: NDArray[np.int64]  #: (n, 4) flat index of the fine pixel: upper left, upper right, lower left, lower right
    sigma: FloatArray  #: (n, 4) relative conductivity, 0 where no current flows
    resistance: FloatArray  #: (n, 4) of the interface on the half-edges up, down, left, right; inf where blocked
    diagonal: FloatArray  #: (n, 4) conductivities with the better of two diagonal pixels cut off from each other
    touching: int  #: number of vertices where two better conductors meet only diagonally


def patches(fine: Problem, refined: NDArray[np.bool_]) -> Patches:
    """Find the corners of the raster that get a graded element: not uniform, among refined pixels (H, W) only."""
    height, width = fine.shape
    rows, columns = (np.arange(0 if fine.periodic else FACTOR, n, FACTOR) for n in (height, width))
    i, j = (place.reshape(-1) for place in np.meshgrid(rows, columns, indexing="ij"))
    cells = np.stack([((i - di) % height) * width + (j - dj) % width for di in (1, 0) for dj in (1, 0)], axis=1)
    across = np.zeros((2, height * width))  # resistance of the face from each fine pixel on, by axis
    for faces, value in ((fine.thin.faces, fine.thin.resistance), (fine.shut, np.full(len(fine.shut), np.inf))):
        across[faces.axis, faces.first] = value
    resistance = np.stack([across[1, cells[:, 0]], across[1, cells[:, 2]], across[0, cells[:, 0]],
                           across[0, cells[:, 1]]], axis=1)
    sigma = fine.sigma.reshape(-1)[cells]
    chosen = (sigma != sigma[:, :1]).any(axis=1) | (resistance > 0).any(axis=1)
    chosen &= refined[cells // width // FACTOR, cells % width // FACTOR].all(axis=1)
    cells, sigma, resistance = cells[chosen], sigma[chosen], resistance[chosen]
    diagonal, touching = sigma.copy(), np.zeros(len(sigma), dtype=bool)
    for pair, other in (((0, 3), (1, 2)), ((1, 2), (0, 3))):
        worse = sigma[:, other].max(axis=1)
        apart = (sigma[:, pair].min(axis=1) > worse) & (worse > 0) & ~(resistance > 0).any(axis=1)
        diagonal[np.ix_(apart, pair)] = worse[apart, None]
        touching |= apart
    return Patches(cells=cells, sigma=sigma, resistance=resistance, diagonal=diagonal, touching=int(touching.sum()))


@dataclass(frozen=True, eq=False, kw_only=True)
class System:
    """Elements of one of the two problems, with patches in place of those at the corners."""

    elements: Discrete  #: cells of patches have no conductivity of their own, nor their half-edges an interface
    at: NDArray[np.int32]  #: (n, 16) unknowns of the patches
    local: FloatArray  #: (n, 16, 16)
    coarse: sparse.csr_matrix  #: (n_free, m) free unknowns from those that are kept

    @property
    def unknowns(self) -> int:
        """That are solved for."""
        return int(self.coarse.shape[1])

    def energies(self, slopes: FloatArray, bases: FloatArray) -> FloatArray:
        """Least energies of combined loads, (k, k), for ramps (k, 2) with given values beside them (k, n_dofs)."""
        d = self.elements
        matrix = assemble.matrix(d.mesh, d.sigma, d.joint, d.row, d.n_free)
        matrix = matrix + assemble.scattered(d.row[self.at], self.local, d.n_free)
        matrix = (self.coarse.T @ matrix @ self.coarse).tocsr()
        matrix.sum_duplicates()
        values = []
        with krylov.Multigrid(matrix, 2) as grid:
            for slope, base in zip(slopes, bases, strict=True):
                load = assemble.load(d.mesh, d.sigma, d.joint, base, slope, d.row, d.n_free)
                force = np.einsum("nij,nj->ni", self.local, base[self.at] + self._ramp(slope))
                row = d.row[self.at]
                load -= np.bincount(row[row >= 0], weights=force[row >= 0], minlength=d.n_free)
                start = self._energy(base, slope)

                def energy(free: FloatArray, base: FloatArray = base, slope: FloatArray = slope) -> float:
                    return self._energy(base + np.append(self.coarse @ free, 0.0)[d.row], slope)

                solved = grid.solve(self.coarse.T @ load, RTOL, start, energy)
                values.append(base + np.append(self.coarse @ solved.values, 0.0)[d.row])
        result = np.empty((len(slopes), len(slopes)))
        for a in range(len(slopes)):
            result[a, a] = self._energy(values[a], slopes[a])
            for b in range(a):
                both = self._energy(values[a] + values[b], slopes[a] + slopes[b])
                result[a, b] = result[b, a] = (both - self._energy(values[a] - values[b], slopes[a] - slopes[b])) / 4
        return result

    def _energy(self, values: FloatArray, slope: FloatArray) -> float:
        at_slots = values[self.at] + self._ramp(slope)
        at_slots -= at_slots[:, 5:6]  # differences only; any slot will do, slot 5 is on the perimeter's upper right
        return self.elements.power(values, slope) + float(np.einsum("ni,nij,nj->", at_slots, self.local, at_slots,
                                                                    optimize=True))

    @staticmethod
    def _ramp(slope: FloatArray) -> FloatArray:
        bits = forms.corners(2)  # of the cell in the patch, and of the slot in its cell
        return np.asarray((np.repeat(bits, 4, axis=0) + np.tile(bits, (4, 1))) @ slope, dtype=np.float64)


def bounds(problem: Problem, refined: NDArray[np.bool_], theta: float = 1.0, separated: bool = False
           ) -> tuple[float, float, int]:
    """Certified bounds of the conductivity along `problem.axis`, relative, and the unknowns of the larger system.

    Parameters
    ----------
    problem : in the plane, without conducting sheets, open along its axis.
    refined : (H, W) pixels that are cut into four, with graded elements at the corners between them.
    theta : side of the squares that uniform material is merged into, over their distance from what is not.
    separated : whether better conductors that meet only in a corner are cut off from each other there.
    """
    fine = subdivide(problem, FACTOR)
    found = patches(fine, refined)
    upper = _primal(fine, found, refined, theta, separated)
    lower = stream.discretise(fine)
    dual = _dual(fine, lower, found, refined, theta, separated)
    n = fine.active.size
    axis = problem.axis
    high = upper.energies(np.eye(2)[axis][None], np.zeros((1, upper.elements.mesh.n_dofs)))[0, 0] / n
    energy = dual.energies(lower.slopes, lower.bases) / n
    component = lower.currents[:, axis]
    low = float(component @ np.linalg.solve(energy, component))
    return low, float(high), max(upper.unknowns, dual.unknowns)


def _primal(fine: Problem, found: Patches, refined: NDArray[np.bool_], theta: float, separated: bool) -> System:
    """The potential's system."""
    d = discretise(fine)
    element = np.full(fine.active.size, -1)
    element[d.mesh.pixels] = np.arange(len(d.mesh.pixels))
    inner = found.diagonal if separated and found.touching else None
    with np.errstate(divide="ignore"):
        local = corner.primal(found.sigma, 1 / found.resistance, inner)
    return _with_patches(fine, d, fine.thin.faces, element[found.cells], local, found, refined, theta, None)


def _dual(fine: Problem, made: stream.Stream, found: Patches, refined: NDArray[np.bool_], theta: float,
          separated: bool) -> System:
    """The stream function's system."""
    with np.errstate(divide="ignore"):
        inner = 1 / found.diagonal if separated and found.touching else None
        local = corner.dual(1 / found.sigma, found.resistance, inner)
    faces = fine.thin.faces.select(fine.thin.resistance > 0)
    return _with_patches(fine, made.elements, faces, found.cells, local, found, refined, theta, made.cluster)


def _with_patches(fine: Problem, d: Discrete, faces: Facets, element: NDArray[np.int64], local: FloatArray,
                  found: Patches, refined: NDArray[np.bool_], theta: float, cluster: NDArray[np.int64] | None
                  ) -> System:
    """Put the patches in place of the elements (n, 4; -1 for none), and merge what is far from them."""
    there = element >= 0
    at = d.mesh.dofs[np.maximum(element, 0)].reshape(-1, 16)
    sigma = d.sigma.copy()
    sigma[element[there]] = 0.0
    given = d.row < 0
    given[at[:, CENTRES][there]] = True  # the vertex itself is eliminated
    halves = np.concatenate([fine.active.size + found.cells[:, 0], fine.active.size + found.cells[:, 2],
                             found.cells[:, 0], found.cells[:, 1]])
    outside = ~np.isin(fine.active.size * faces.axis + faces.first, halves)
    joint = assemble.Joints(dofs=d.joint.dofs[outside], conductance=d.joint.conductance[outside],
                            sheet=d.joint.sheet[outside], axis=d.joint.axis[outside],
                            lumped=d.joint.lumped[outside])
    row, n_free = assemble.rows(d.mesh, given)
    elements = dataclasses.replace(d, sigma=sigma, joint=joint, row=row, n_free=n_free)
    return System(elements=elements, at=at, local=local,
                  coarse=coarsen.merge(elements, fine.sigma, refined, theta, cluster))
