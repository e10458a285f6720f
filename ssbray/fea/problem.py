"""A map, its properties and its boundary conditions, reduced to what carries current; lengths are in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray import units
from ssbray.domain import FloatArray, PhaseMap
from ssbray.fea import assemble, losses, mesh, percolation, thin
from ssbray.fea.thin import Interfaces, Thin
from ssbray.raster import Facets


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """What is to be solved: where current may flow, against what resistance, between which electrodes."""

    active: NDArray[np.bool_]  #: image: pixels that carry current
    conducts: NDArray[np.bool_]  #: image: pixels with a conductivity, whether current reaches them or not
    sigma: FloatArray  #: image: relative conductivity, 0 where not active
    thin: Thin  #: interfaces that current passes, or passes along; resistance and sheet relative
    shut: Facets  #: faces between active pixels that no current passes
    blocked: Facets  #: the same between any pixels
    axis: int  #: array axis of the plates (of the field, where periodic)
    periodic: bool
    pins: NDArray[np.int64]  #: flat index of one pixel of each periodic cluster, where the potential is set
    loops: NDArray[np.int64]  #: (k, ndim) ways round a periodic map that current can take
    open_axes: tuple[bool, ...]  #: whether current can flow along each array axis (plates: along `axis` only)
    reference: float  #: conductivity that counts as 1 [S/m]
    pixel_m: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image."""
        return self.active.shape


def prepare(phase_map: PhaseMap, conductivity: Mapping[int, float], interfaces: Interfaces, axis: int, periodic: bool
            ) -> Problem:
    """Find what carries current along array axis `axis` (round the cell, where periodic)."""
    table = np.zeros(256)
    table[list(conductivity)] = list(conductivity.values())
    sigma = table[phase_map.labels]
    conducts = sigma > 0
    found = thin.find(phase_map, interfaces, periodic)
    blocked = found.faces.select(np.isinf(found.resistance))
    pins = np.zeros(0, dtype=np.int64)
    loops = np.zeros((0, sigma.ndim), dtype=np.int64)
    if periodic:
        wound = percolation.winding(conducts, blocked)
        active, loops = wound.cluster > 0, wound.loops
        open_axes = tuple(wound.along(d) for d in range(sigma.ndim))
        cluster = wound.cluster.reshape(-1)
        order = np.argsort(-sigma.reshape(-1), kind="stable")  # pinned in bad conductors, good ones would hang loose
        numbers, first = np.unique(cluster[order], return_index=True)
        pins = order[first[numbers > 0]]
    else:
        active = percolation.percolating(conducts, blocked, axis)
        open_axes = tuple(d == axis and bool(active.any()) for d in range(sigma.ndim))
    pixel_m = units.metres(phase_map.pixel_size_nm)
    reference = float(sigma[active].max()) if active.any() else 1.0
    inside = active.reshape(-1)
    both = inside[found.faces.first] & inside[found.faces.second]
    either = inside[found.faces.first] | inside[found.faces.second]
    shut = found.faces.select(both & np.isinf(found.resistance))
    # a sheet on a pore, or on a face that blocks, still carries current along itself
    found = found.select((both & np.isfinite(found.resistance)) | (either & (found.sheet > 0)))
    both = inside[found.faces.first] & inside[found.faces.second]
    relative = Thin(faces=found.faces, resistance=np.where(both, found.resistance, 0.0) * reference / pixel_m,
                    sheet=found.sheet / (reference * pixel_m), pair=found.pair)
    return Problem(
        active=active, conducts=conducts, sigma=np.where(active, sigma, 0.0) / reference, thin=relative, shut=shut,
        blocked=blocked, axis=axis, periodic=periodic, pins=pins, loops=loops, open_axes=open_axes,
        reference=reference, pixel_m=pixel_m)


@dataclass(frozen=True, eq=False, kw_only=True)
class Discrete:
    """The Q1 elements of a problem: one per pixel, unknowns split at interfaces."""

    mesh: mesh.Mesh
    sigma: FloatArray  #: (n_elements,)
    joint: assemble.Joints
    row: NDArray[np.int32]  #: (n_dofs,) row of each unknown, -1 where it is given
    n_free: int
    base: FloatArray  #: (n_dofs,) what the potential has beside the ramp before solving
    ramp: bool  #: whether there is a ramp

    def slope(self, axis: int) -> FloatArray:
        """Gradient of the ramp (ndim,) for a mean field of 1 per pixel along an array axis."""
        return np.eye(len(self.mesh.shape))[axis] if self.ramp else np.zeros(len(self.mesh.shape))

    def expand(self, free: FloatArray) -> FloatArray:
        """All unknowns from the free ones."""
        return self.base + np.append(free, 0.0)[self.row]

    def power(self, values: FloatArray, slope: FloatArray) -> float:
        """Power dissipated for given unknowns (n_dofs,) beside a ramp, relative."""
        return float(sum(part.sum() for part in losses.dissipated(self.mesh, self.sigma, self.joint, values, slope)))


LUMPED = 10.0  #: conductance of a joint over that of its better pixel, from which multigrid needs it corner to corner
STIFFEST = 1e8  #: conductance of a joint over that of its pixels, at which the potential counts as continuous
STEEP = 1e10  #: contrast above which a ramp through the good conductors would drown the currents in rounding


def discretise(problem: Problem) -> Discrete:
    """Number the unknowns and fix those on the electrodes (or one of each periodic cluster).

    The potential is a ramp and a correction, so that the mean of the current is the power for
    every approximation. At extreme contrast, between plates, there is no ramp but a step at the last one.
    """
    faces, resistance = problem.thin.faces, problem.thin.resistance
    sides = problem.sigma.reshape(-1)[np.stack([faces.first, faces.second])]
    across = resistance * sides.max(axis=0, initial=0.0) > 1 / STIFFEST
    conductance = np.where(across, 1 / np.where(across, resistance, 1.0), 0.0)
    elements = mesh.build(problem.active, _joined(problem.shut, faces.select(across)), problem.periodic)
    conductance = np.where((sides > 0).all(axis=0), conductance, 0.0)
    joint = assemble.joints(elements, faces, conductance, problem.thin.sheet,
                            lumped=conductance > LUMPED * sides.max(axis=0, initial=0.0))
    first, last = electrodes(problem, elements)
    row, n_free = assemble.rows(elements, first | last)
    sigma = problem.sigma.reshape(-1)[elements.pixels]
    weakest = min(float(sigma.min()), float(conductance[conductance > 0].min(initial=1.0)))
    ramp = problem.periodic or weakest * STEEP > 1
    base = np.where(last & (not ramp), float(problem.shape[problem.axis]), 0.0)
    return Discrete(mesh=elements, sigma=sigma, joint=joint, row=row, n_free=n_free, base=base, ramp=ramp)


def electrodes(problem: Problem, elements: mesh.Mesh) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Unknowns on the first and on the last plate, (n_dofs,) each; where periodic, those pinned, and none."""
    first, last = np.zeros(elements.n_dofs, dtype=bool), np.zeros(elements.n_dofs, dtype=bool)
    if problem.periodic:
        first[elements.dofs[np.searchsorted(elements.pixels, problem.pins), -1]] = True
        return first, last
    place = np.unravel_index(elements.pixels, problem.shape)[problem.axis]
    bit = 1 << (len(problem.shape) - 1 - problem.axis)
    upper = (np.arange(elements.dofs.shape[1]) & bit) > 0
    first[elements.dofs[place == 0][:, ~upper]] = True
    last[elements.dofs[place == problem.shape[problem.axis] - 1][:, upper]] = True
    return first, last


def _joined(one: Facets, other: Facets) -> Facets:
    return Facets(first=np.concatenate([one.first, other.first]), second=np.concatenate([one.second, other.second]),
                  axis=np.concatenate([one.axis, other.axis]), shape=one.shape, periodic=one.periodic)
