"""Effective conductivity of a phase map by finite elements."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from ssbray import raster, units
from ssbray.domain import FloatArray, PhaseMap, TransportSolution
from ssbray.fea import assemble, checks, krylov, losses, mesh, percolation
from ssbray.raster import Facets


def solve(phase_map: PhaseMap, conductivity: Mapping[int, float],
          interfaces: Mapping[tuple[int, int], float] | None = None, *,
          axis: str = "y", boundary: str = "dirichlet", rtol: float = 1e-8) -> TransportSolution:
    """Drive a current through a map and find its effective conductivity.

    ``div(sigma grad phi) = 0`` in the pixels, with ``[phi] = -R j`` across thin interfaces; the
    planes at both ends of `axis` at 1 V and 0 V, no flux through the other sides. Bilinear (Q1)
    elements, one per pixel, so the result is an upper bound for the map's own geometry.
    Interface area is corrected for the staircase of the pixels (`raster.measure`). Pixels that
    no current can reach are left out exactly: nothing is given a small conductivity instead.

    Parameters
    ----------
    phase_map : the section or volume.
    conductivity : label -> conductivity [S/m]; every label in the map needs one, 0 blocks.
    interfaces : (label, label) -> area-specific resistance [ohm m2]; equal labels: between
        different grains of that label. `math.inf` blocks.
    axis : "x", "y" or "z".
    boundary : "dirichlet".
    rtol : relative tolerance of the energy norm; the conductivity's error goes with its square.

    Raises
    ------
    InputError
        A label without conductivity, a negative or non-finite value, an unknown label or axis.
    SolverError
        The linear solver did not converge.
    """
    started = time.perf_counter()
    array_axis = checks.validate(phase_map, conductivity, interfaces or {}, axis, boundary, rtol)
    labels = phase_map.labels
    table = np.zeros(256)
    table[list(conductivity)] = list(conductivity.values())
    sigma = table[labels]
    faces, resistance = _thin_interfaces(phase_map, interfaces or {})
    shut = np.isinf(resistance)
    active = percolation.percolating(sigma > 0, faces.select(shut), array_axis)
    if not active.any():
        return _blocked(phase_map, axis, percolation.explain(sigma > 0, faces.select(shut), array_axis, axis), started)

    inside = active.reshape(-1)
    present = inside[faces.first] & inside[faces.second]
    faces, resistance = faces.select(present), resistance[present]
    elements = mesh.build(active, faces)
    reference = float(sigma[active].max())
    pixel_m = units.metres(phase_map.pixel_size_nm)
    open_ = np.isfinite(resistance)
    joint = _joints(phase_map, elements, faces.select(open_), pixel_m / (resistance[open_] * reference))
    relative = sigma.reshape(-1)[elements.pixels] / reference
    meshed = time.perf_counter()

    system = assemble.system(elements, relative, joint, array_axis)
    assembled = time.perf_counter()

    def power(values: FloatArray) -> float:
        in_pixels, in_joints = losses.dissipated(elements, relative, joint, system.expand(values))
        return float(in_pixels.sum() + in_joints.sum())

    solved = krylov.solve(system.matrix, system.load, power, rtol, labels.ndim)
    potential = system.expand(solved.values)
    loss_pixels, loss_joints = losses.dissipated(elements, relative, joint, potential)
    total = float(loss_pixels.sum() + loss_joints.sum())
    length = labels.shape[array_axis]
    sigma_eff = reference * total * length**2 / labels.size
    image, current, density = losses.fields(elements, potential, relative * reference, loss_pixels * reference, pixel_m)
    warnings = [] if solved.solver.endswith(("boomeramg", "needed")) else [
        "this PETSc has no hypre: solved with GAMG instead of BoomerAMG; same answer, slower"]
    if (lost := (sigma > 0).sum() - active.sum()) > 0:
        warnings.append(f"{lost / labels.size:.2%} of the map conducts without a path to both electrodes: left out")
    return TransportSolution(
        sigma_eff=sigma_eff, asr=length * pixel_m / sigma_eff, axis=axis, percolates=True, reason=None,
        dissipation_fraction=losses.shares(labels, elements.pixels, loss_pixels, joint, loss_joints, total),
        potential=image, current_density=current, dissipation=density,
        dofs=len(system.load), iterations=solved.iterations, residual=solved.residual, solver=solved.solver,
        seconds={"mesh": meshed - started, "assemble": assembled - meshed, "setup": solved.setup_s,
                 "solve": solved.solve_s, "total": time.perf_counter() - started},
        warnings=tuple(warnings))


def _thin_interfaces(phase_map: PhaseMap, interfaces: Mapping[tuple[int, int], float]) -> tuple[Facets, FloatArray]:
    """Faces with a resistance, and the resistance of each per true area [ohm m2], staircase corrected."""
    resistance = {(min(pair), max(pair)): value for pair, value in interfaces.items() if value > 0}
    labels = phase_map.labels
    within = any(a == b for a, b in resistance)
    faces = raster.facets(labels, phase_map.grains if within else None)
    if not resistance:
        nothing = np.zeros(len(faces), dtype=bool)
        return faces.select(nothing), np.zeros(0)
    flat = labels.reshape(-1).astype(np.int64)
    a, b = flat[faces.first], flat[faces.second]
    known = np.ones(len(faces), dtype=bool)
    if within and phase_map.grains is not None:  # grain 0 is "none": no boundary is known there
        grain = phase_map.grains.reshape(-1)
        known = (a != b) | ((grain[faces.first] > 0) & (grain[faces.second] > 0))
    table = np.zeros((256, 256))
    for (low, high), value in resistance.items():
        table[low, high] = table[high, low] = value
    per_face = np.where(known, table[a, b], 0.0)
    faces, per_face = faces.select(per_face > 0), per_face[per_face > 0]
    if within and phase_map.grains is not None:
        flat = flat + 256 * phase_map.grains.reshape(-1).astype(np.int64)
    return faces, per_face / raster.measure(faces, flat)


def _joints(phase_map: PhaseMap, elements: mesh.Mesh, faces: Facets, conductance: FloatArray) -> assemble.Joints:
    flat = phase_map.labels.reshape(-1).astype(np.int64)
    pair = np.sort(np.stack([flat[faces.first], flat[faces.second]], axis=1), axis=1)
    return assemble.joints(elements, faces, conductance, pair)


def _blocked(phase_map: PhaseMap, axis: str, reason: str, started: float) -> TransportSolution:
    """The exact answer where nothing percolates."""
    shape = phase_map.labels.shape
    spent = time.perf_counter() - started
    return TransportSolution(
        sigma_eff=0.0, asr=math.inf, axis=axis, percolates=False, reason=reason, dissipation_fraction={},
        potential=np.full(shape, np.nan), current_density=np.zeros((len(shape), *shape)), dissipation=np.zeros(shape),
        dofs=0, iterations=0, residual=0.0, solver="none needed",
        seconds={"mesh": spent, "assemble": 0.0, "setup": 0.0, "solve": 0.0, "total": spent})
