"""A lower bound: the conservative current of a cell-centred solve, its dissipation integrated exactly.

Any current field without sources obeys Thomson's principle: its dissipation for a given total
current is at least that of the true one. Two-point fluxes with harmonic faces balance in every
pixel; between opposite faces the current density is taken linear (Raviart-Thomas), which makes it
divergence-free inside the pixels as well. Interfaces and blocked faces are part of the sum, so the
bound holds for the same problem as the upper one, in the plane and in space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ssbray.domain import FloatArray
from ssbray.fea import krylov
from ssbray.fea.problem import Problem
from ssbray.raster import across

BALANCE = 1e-12  #: relative tolerance of the power: the imbalance it leaves is allowed for in the bound
ALLOWANCE = 4.0  #: on the estimated energy of that imbalance
ROUNDING = 1e-11  #: relative, of sums over millions of terms


@dataclass(frozen=True, eq=False, kw_only=True)
class Lower:
    """A certified lower bound."""

    sigma: float  #: relative conductivity along the field
    loss: FloatArray  #: image: dissipation of the current that is tightest beside the potential under a field of 1
    flux: FloatArray  #: (ndim, ...) mean of that current in each pixel, in array axes, relative
    unknowns: int


@dataclass(frozen=True, eq=False, kw_only=True)
class _Links:
    """Faces between the active cells, and to the plates, along one axis."""

    low: NDArray[np.int32]  #: cell on the low side; the number of cells stands for the plate
    high: NDArray[np.int32]
    conductance: FloatArray
    resistance: FloatArray  #: of the interface on the face
    drop: FloatArray  #: of the ramp from the low to the high centre, for a unit slope along the axis


def bound(problem: Problem, axis: int) -> Lower:
    """Lower bound of the conductivity along an array axis, for the problem as `prepare` made it.

    Conducting layers along an interface are left out, which lowers the bound but keeps it one.
    """
    ndim = problem.active.ndim
    number = np.full(problem.active.size, -1, dtype=np.int32)
    cells = np.flatnonzero(problem.active)
    n = len(cells)
    number[cells] = np.arange(n, dtype=np.int32)
    sigma = problem.sigma.reshape(-1)[cells]
    links = [_links(problem, number, sigma, d) for d in range(ndim)]
    row = np.arange(n + 1, dtype=np.int32)
    row[n] = -1
    row[number[problem.pins]] = -1
    row[row >= 0] = np.arange((row >= 0).sum(), dtype=np.int32)
    matrix = _matrix(links, row, int((row >= 0).sum()))
    load = np.zeros(n + 1)
    force = links[axis].conductance * links[axis].drop
    load += np.bincount(links[axis].low, weights=force, minlength=n + 1)
    load -= np.bincount(links[axis].high, weights=force, minlength=n + 1)
    free = row >= 0
    start = float(np.sum(force * links[axis].drop))

    def fluxes(values: FloatArray) -> list[FloatArray]:
        at = np.append(values, 0.0)[row]
        return [link.conductance * ((link.drop if d == axis else 0.0) + at[link.high] - at[link.low])
                for d, link in enumerate(links)]

    def power(values: FloatArray) -> float:
        return float(sum(np.sum(q**2 / link.conductance) for q, link in zip(fluxes(values), links, strict=True)))

    with krylov.Multigrid(matrix, ndim) as grid:
        solved = grid.solve(load[:n][free[:n]], BALANCE, start, power)
    flux = fluxes(solved.values)
    loss, mean = np.zeros(n), np.zeros((ndim, n))
    in_interfaces = 0.0
    for d, (q, link) in enumerate(zip(flux, links, strict=True)):
        into, out = np.zeros(n + 1), np.zeros(n + 1)
        into[link.high] = q
        out[link.low] = q
        mean[d] = (into[:n] + out[:n]) / 2
        loss += (into[:n] ** 2 + into[:n] * out[:n] + out[:n] ** 2) / (3 * sigma)
        in_interfaces += float(np.sum(q**2 * link.resistance))
    complementary = float(loss.sum()) + in_interfaces
    # the exactly balanced current differs by one whose energy the residual gives; power = current x voltage for it
    defect = ALLOWANCE * solved.error
    current = max(power(solved.values) - defect, 0.0)
    dissipation = (complementary**0.5 + defect**0.5) ** 2
    scale = current / dissipation if dissipation else 0.0
    image, means = np.zeros(problem.shape), np.zeros((ndim, *problem.shape))
    image.reshape(-1)[cells] = scale**2 * loss
    means.reshape(ndim, -1)[:, cells] = scale * mean
    return Lower(sigma=current**2 / dissipation / problem.active.size * (1 - ROUNDING) if dissipation else 0.0,
                 loss=image, flux=means, unknowns=int(free.sum()))


def _links(problem: Problem, number: NDArray[np.int32], sigma: FloatArray, axis: int) -> _Links:
    """Faces along one axis that current passes."""
    low, high = across(number.reshape(problem.shape), axis, problem.periodic)
    index, _ = across(np.arange(number.size).reshape(problem.shape), axis, problem.periodic)
    shut = np.zeros(number.size, dtype=bool)
    shut[problem.shut.first[problem.shut.axis == axis]] = True
    resistance = np.zeros(number.size)
    here = problem.thin.faces.axis == axis
    resistance[problem.thin.faces.first[here]] = problem.thin.resistance[here]
    chosen = (low >= 0) & (high >= 0) & ~shut[index]
    low, high, interface = low[chosen], high[chosen], resistance[index[chosen]]
    total = 0.5 / sigma[low] + 0.5 / sigma[high] + interface
    drop = np.ones(len(low))
    if axis == problem.axis and not problem.periodic:
        plates = [np.take(number.reshape(problem.shape), k, axis=axis).reshape(-1) for k in (0, -1)]
        first, last = (cells[cells >= 0] for cells in plates)
        ground = np.int32(len(sigma))
        low = np.concatenate([np.full_like(first, ground), low, last])
        high = np.concatenate([first, high, np.full_like(last, ground)])
        total = np.concatenate([0.5 / sigma[first], total, 0.5 / sigma[last]])
        interface = np.concatenate([np.zeros(len(first)), interface, np.zeros(len(last))])
        drop = np.concatenate([np.full(len(first), 0.5), drop, np.full(len(last), 0.5)])
    return _Links(low=low, high=high, conductance=1 / total, resistance=interface, drop=drop)


def _matrix(links: list[_Links], row: NDArray[np.int32], size: int) -> sparse.csr_matrix:
    low = row[np.concatenate([link.low for link in links])]
    high = row[np.concatenate([link.high for link in links])]
    value = np.concatenate([link.conductance for link in links])
    both = (low >= 0) & (high >= 0)
    diagonal = np.bincount(low[low >= 0], weights=value[low >= 0], minlength=size)
    diagonal += np.bincount(high[high >= 0], weights=value[high >= 0], minlength=size)
    own = np.arange(size, dtype=np.int32)
    i = np.concatenate([low[both], high[both], own])
    j = np.concatenate([high[both], low[both], own])
    matrix = sparse.coo_matrix((np.concatenate([-value[both], -value[both], diagonal]), (i, j)),
                               shape=(size, size)).tocsr()
    matrix.sort_indices()
    return matrix
