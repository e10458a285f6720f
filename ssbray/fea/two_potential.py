"""Two potentials: ions in the electrolyte, electrons in the electrode, and charge transfer alone between them.

The state just after the current is switched on, before the electrode fills: an electrode particle
without a path to the collector, or a piece of electrolyte without one to its plate, is taken to
carry nothing. (At the very first moment it could, in at one side and out at the other.)
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ssbray import units
from ssbray.domain import FloatArray, PhaseMap
from ssbray.errors import InputError
from ssbray.fea import assemble, checks, kinetics, losses, mesh, percolation, thin
from ssbray.fea.kinetics import Contact, Surface
from ssbray.fea.newton import Newton, Reached
from ssbray.fea.thin import AXIS_NAMES, Interfaces, Pair
from ssbray.raster import Facets

LOST = 1e-2  #: imbalance from which the contact's own figures are withheld


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoPotentialSolution:
    """What one potential applied between electrolyte and electrode does. SI; current from the first plate is positive.

    Where nothing flows the current is exactly zero, the resistances are infinite, what is relative to the
    current is NaN, and `reason` says why.
    """

    applied: float  #: potential of the electrolyte's plate against the electrode's, from equilibrium [V]
    current_density: float  #: mean over the plate [A/m2]
    resistance: float  #: applied over current density [ohm m2]
    interface_asr: float  #: loss at the contact over current squared, per plate area [ohm m2]
    interface_asr_true_area: float  #: the same per true area of contact [ohm m2]
    contact_area_ratio: float  #: true area of the contact that can carry current over plate area
    active_fraction: float  #: (int j)^2 / (area int j^2) over the contact: 1 where all of it carries the same
    loss_fraction: Mapping[str, float]  #: "electrolyte", "electrode", "charge_transfer", "layer"; they sum to 1
    overpotential_mean: float  #: of charge transfer, over true area [V]
    overpotential_max: float  #: the largest of a face, in magnitude [V]
    focusing: float  #: largest current density of a face over the mean of the contact
    axis: str
    percolates: bool
    reason: str | None
    potential: FloatArray  #: at pixel centres [V]: phi_e in the electrolyte, phi_s in the electrode; NaN elsewhere
    current: FloatArray  #: (ndim, ...) in the order x, y[, z], at pixel centres [A/m2]
    dissipation: FloatArray  #: loss density in the pixels, interfaces apart [W/m3]
    faces: ContactFaces
    dofs: int
    newton: int  #: steps of Newton's method; 0 where the law is linear
    iterations: int  #: of conjugate gradients, in all
    balance: float  #: |contact current - loss / applied| over the latter: what algebra and rounding left
    solver: str
    seconds: Mapping[str, float]  #: mesh, solve, total
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class ContactFaces:
    """The faces of contact, those that can carry current."""

    first: NDArray[np.int64]  #: (n,) flat index of the pixel on the low side
    second: NDArray[np.int64]  #: (n,) flat index of the pixel on the high side
    axis: NDArray[np.int64]  #: (n,) array axis of the normal
    area: FloatArray  #: (n,) true area over that of a pixel face
    current: FloatArray  #: (n,) from electrolyte to electrode, per true area [A/m2]


def solve(phase_map: PhaseMap, ionic: Mapping[int, float], electronic: Mapping[int, float], contact: Contact,
          interfaces: Mapping[Pair, float] | Interfaces | None = None, *, axis: str = "y", applied: float = 1e-3,
          temperature: float = 298.15, rtol: float = 1e-8) -> TwoPotentialSolution:
    """Drive a current from the electrolyte at the first plane to the electrode at the last.

    ``div(sigma grad phi) = 0`` in either phase, each with its own potential, and ``n . sigma grad phi = -j`` on
    both sides of their contact, where ``[phi] = phi_e - phi_s = eta + j R_layer`` and j(eta) is Butler-Volmer or
    its tangent (`Contact`). The electrolyte's first plane is at `applied`, the electrode's last at zero; no flux
    through anything else. Q1 elements, one per pixel; true area as in `thin`.

    Parameters
    ----------
    phase_map : the section or volume.
    ionic : label -> ionic conductivity of an electrolyte [S/m].
    electronic : label -> electronic conductivity of an electrode [S/m]. Labels in neither table conduct nothing.
    contact : the law of charge transfer.
    interfaces : as for `fea.solve` within electrolyte and electrode. Between an electrolyte and an electrode: the
        resistance in series with charge transfer there, in place of `contact.layer`.
    axis : "x", "y" or "z".
    applied : potential across, from equilibrium [V].
    temperature : [K].
    rtol : relative algebraic error of the potentials, in energy, and so of the current.

    Raises
    ------
    InputError
        A label of both kinds or of none, a bad value.
    SolverError
        Newton's method failed, also in small steps of the applied potential.
    """
    return sweep(phase_map, ionic, electronic, contact, interfaces, axis=axis, applied=[applied],
                 temperature=temperature, rtol=rtol)[0]


def sweep(phase_map: PhaseMap, ionic: Mapping[int, float], electronic: Mapping[int, float], contact: Contact,
          interfaces: Mapping[Pair, float] | Interfaces | None = None, *, applied: Sequence[float], axis: str = "y",
          temperature: float = 298.15, rtol: float = 1e-8) -> list[TwoPotentialSolution]:
    """Solve for several potentials on one mesh, each from the one before; arguments as for `solve`."""
    started = time.perf_counter()
    if not isinstance(interfaces, Interfaces):
        interfaces = Interfaces(pairs=interfaces or {})
    array_axis = _validate(phase_map, ionic, electronic, interfaces, axis, applied, temperature, rtol)
    cell = prepare(phase_map, ionic, electronic, contact, interfaces, array_axis, axis, temperature)
    if isinstance(cell, str):
        return [_blocked(phase_map, axis, volts, cell, time.perf_counter() - started) for volts in applied]
    with Newton(cell, rtol) as newton:
        return [_solution(phase_map, cell, newton.reach(volts / cell.thermal), axis, newton.name) for volts in applied]


def _validate(phase_map: PhaseMap, ionic: Mapping[int, float], electronic: Mapping[int, float],
              interfaces: Interfaces, axis: str, applied: Sequence[float], temperature: float, rtol: float) -> int:
    """Validate; return the array axis of the current."""
    for name, table in (("ionic", ionic), ("electronic", electronic)):
        if not table:
            raise InputError(name, dict(table), "name at least one label and its conductivity")
    for label in sorted(set(ionic) & set(electronic)):
        raise InputError("electronic", label, "is an electrolyte too: give the label one conductivity")
    for volts in applied:
        if not math.isfinite(volts) or volts == 0:
            raise InputError("applied", volts, "must be a finite potential other than zero [V]")
    if not 1 <= temperature <= 1e4:
        raise InputError("temperature", temperature, "must lie within 1..10000 K")
    for a, b in interfaces.sheets:
        if (a in ionic and b in electronic) or (a in electronic and b in ionic):
            raise InputError("sheet", f"{a}:{b}", "a layer between electrolyte and electrode has no potential of its "
                             "own here: leave it out")
    every = {**dict.fromkeys(range(len(phase_map.phases)), 0.0), **ionic, **electronic}
    return checks.validate(phase_map, every, interfaces, axis, "dirichlet", rtol)


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell:
    """What carries current, as elements; lengths in pixels, potentials in RT/F, conductivities over `reference`."""

    mesh: mesh.Mesh
    sigma: FloatArray  #: (n_elements,)
    electrode: NDArray[np.bool_]  #: (n_elements,) which elements are electrode
    joint: assemble.Joints  #: thin interfaces within electrolyte and electrode
    in_electrode: NDArray[np.bool_]  #: (n_joints,) which of them lie in the electrode
    surface: Surface
    contact: Facets
    area: FloatArray  #: (n_contacts,) true area of each face of contact
    row: NDArray[np.int32]
    n_free: int
    base: FloatArray  #: (n_dofs,) 1 on the electrolyte's plate
    plate: int  #: area of the plates
    reference: float  #: [S/m]
    pixel_m: float
    thermal: float  #: RT/F [V]
    exchange_current: float  #: [A/m2]
    left_out: float  #: share of the map that conducts without a part in it
    seconds: float

    @property
    def ndim(self) -> int:
        """Of the image."""
        return len(self.mesh.shape)

    def stiffness(self) -> sparse.csr_matrix:
        """Matrix of the free unknowns without the contact, columns sorted."""
        return assemble.matrix(self.mesh, self.sigma, self.joint, self.row, self.n_free)

    def values(self, free: FloatArray, applied: float) -> FloatArray:
        """All unknowns from the free ones."""
        return applied * self.base + np.append(free, 0.0)[self.row]

    def residual(self, values: FloatArray, surface: Surface) -> FloatArray:
        """Net current out of each free unknown (n_free,); elements by their differences, for the digits' sake."""
        bulk = assemble.load(self.mesh, self.sigma, self.joint, values, np.zeros(self.ndim), self.row, self.n_free)
        return np.asarray(surface.force(values)[self.row >= 0] - bulk)

    def power(self, values: FloatArray, surface: Surface) -> float:
        """Power lost, relative."""
        bulk = losses.dissipated(self.mesh, self.sigma, self.joint, values, np.zeros(self.ndim))
        return float(sum(part.sum() for part in (*bulk, *surface.dissipated(values))))


def prepare(phase_map: PhaseMap, ionic: Mapping[int, float], electronic: Mapping[int, float], contact: Contact,
            interfaces: Interfaces, axis: int, name: str, temperature: float) -> Cell | str:
    """Find what carries current and number its unknowns; or say in one line why nothing does."""
    started = time.perf_counter()
    table = np.zeros((2, 256))
    for side, values in enumerate((ionic, electronic)):
        table[side, list(values)] = list(values.values())
    sigma = table.sum(axis=0)[phase_map.labels]
    kind = ((table[0] > 0) + 2 * (table[1] > 0))[phase_map.labels].reshape(-1)  # 1 electrolyte, 2 electrode
    within = thin.find(phase_map, interfaces, False)
    within = within.select((kind[within.faces.first] == kind[within.faces.second]) & (kind[within.faces.first] > 0))
    shut = within.faces.select(np.isinf(within.resistance))
    # a resistance of one, staircase corrected, is one over the true area
    touch = thin.find(phase_map, Interfaces(pairs={(int(a), int(b)): 1.0 for a in np.flatnonzero(table[0])
                                                   for b in np.flatnonzero(table[1])}), False)
    layer = _layers(phase_map, touch.faces, contact.layer, interfaces)
    groups = [percolation.components((kind == side).reshape(sigma.shape), shut)[0] for side in (1, 2)]
    live = np.isfinite(layer)
    for side, group, place in ((1, groups[0], 0), (2, groups[1], -1)):
        reached = np.unique(np.take(group, place, axis=axis))
        if not (reached > 0).any():
            return (f"no {('electrolyte', 'electrode')[side - 1]} pixel at the {('first', 'last')[side - 1]} plane "
                    f"along {name}")
        group[~np.isin(group, reached)] = 0
        flat = group.reshape(-1)
        live &= (flat[touch.faces.first] > 0) | (flat[touch.faces.second] > 0)
    if not live.any():
        return (f"the electrolyte on the first plane along {name} and the electrode on the last do not touch"
                f"{', or only where it is blocked' if np.isinf(layer).any() else ''}")
    active = np.zeros(kind.shape, dtype=bool)
    for group in groups:
        flat = group.reshape(-1)
        at_contact = np.unique(np.concatenate([flat[touch.faces.first[live]], flat[touch.faces.second[live]]]))
        active |= np.isin(flat, at_contact[at_contact > 0])
    within = within.select(active[within.faces.first] & active[within.faces.second] & np.isfinite(within.resistance))
    across = within.resistance > 0
    elements = mesh.build(active.reshape(sigma.shape), _joined(touch.faces, shut, within.faces.select(across)))
    pixel_m = units.metres(phase_map.pixel_size_nm)
    reference = float(sigma.reshape(-1)[active].max())
    conductance = np.where(across, pixel_m / (reference * np.where(across, within.resistance, 1.0)), 0.0)
    faces, area, layer = touch.faces.select(live), 1 / touch.resistance[live], layer[live]
    sides = assemble.joints(elements, faces, np.ones(len(faces)), np.zeros(len(faces))).dofs
    swapped = kind[faces.first] == 2
    sides[swapped] = sides[swapped][:, ::-1]
    transfer = contact.resistance(temperature)
    surface = Surface(dofs=sides, weight=area * pixel_m / (reference * transfer), layer=layer / transfer,
                      alpha=contact.alpha, linear=contact.kinetics == "linear")
    first, last = _plates(elements, kind, axis)
    row, n_free = assemble.rows(elements, first | last)
    return Cell(mesh=elements, sigma=sigma.reshape(-1)[elements.pixels] / reference,
                electrode=kind[elements.pixels] == 2, surface=surface, contact=faces, area=area, row=row, n_free=n_free,
                joint=assemble.joints(elements, within.faces, conductance, within.sheet / (reference * pixel_m)),
                in_electrode=kind[within.faces.first] == 2, base=first.astype(float),
                plate=sigma.size // sigma.shape[axis], reference=reference, pixel_m=pixel_m,
                thermal=kinetics.thermal_voltage(temperature), exchange_current=contact.exchange_current,
                left_out=float(((kind > 0) & ~active).mean()), seconds=time.perf_counter() - started)


def _layers(phase_map: PhaseMap, faces: Facets, usual: float, interfaces: Interfaces) -> FloatArray:
    """Resistance of the layer at each face of contact [ohm m2], from the general to the particular as in `thin`."""
    label = phase_map.labels.reshape(-1)
    table = np.full((256, 256), usual)
    for (a, b), value in interfaces.pairs.items():
        table[a, b] = table[b, a] = value
    layer = table[label[faces.first], label[faces.second]]
    if phase_map.grains is not None:
        grain = phase_map.grains.reshape(-1)
        between = np.sort(np.stack([grain[faces.first], grain[faces.second]], axis=1), axis=1)
        for pair, value in interfaces.grains.items():
            layer[(between == sorted(pair)).all(axis=1)] = value
    for name, values in interfaces.faces.items():
        axis = len(faces.shape) - 1 - AXIS_NAMES.index(name)
        whole = np.full(faces.shape, np.nan)
        whole[tuple(slice(n) for n in values.shape)] = values
        given = np.where(faces.axis == axis, whole.reshape(-1)[faces.first], np.nan)
        layer = np.where(np.isnan(given), layer, given)
    return np.asarray(layer)


def _plates(elements: mesh.Mesh, kind: NDArray[np.int8], axis: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Unknowns of the electrolyte on the first plane, and of the electrode on the last, (n_dofs,) each."""
    ndim = len(elements.shape)
    first, last = np.zeros(elements.n_dofs, dtype=bool), np.zeros(elements.n_dofs, dtype=bool)
    place = np.unravel_index(elements.pixels, elements.shape)[axis]
    upper = (np.arange(2**ndim) & (1 << (ndim - 1 - axis))) > 0
    own = kind[elements.pixels]
    first[elements.dofs[(place == 0) & (own == 1)][:, ~upper]] = True
    last[elements.dofs[(place == elements.shape[axis] - 1) & (own == 2)][:, upper]] = True
    return first, last


def _joined(*parts: Facets) -> Facets:
    return Facets(first=np.concatenate([part.first for part in parts]),
                  second=np.concatenate([part.second for part in parts]),
                  axis=np.concatenate([part.axis for part in parts]), shape=parts[0].shape)


def _solution(phase_map: PhaseMap, cell: Cell, found: Reached, axis: str, solver: str) -> TwoPotentialSolution:
    started = time.perf_counter()
    shape, surface, values = phase_map.labels.shape, cell.surface, found.values
    zero = np.zeros(cell.ndim)
    in_pixels, across, along = losses.dissipated(cell.mesh, cell.sigma, cell.joint, values, zero)
    transfer, layer = surface.dissipated(values)
    of_electrode = float(in_pixels[cell.electrode].sum() + (across + along)[cell.in_electrode].sum())
    of_electrolyte = float(in_pixels[~cell.electrode].sum() + (across + along)[~cell.in_electrode].sum())
    parts = {"electrolyte": of_electrolyte, "electrode": of_electrode, "charge_transfer": float(transfer.sum()),
             "layer": float(layer.sum())}
    power = sum(parts.values())
    density = power / found.applied * cell.reference * cell.thermal / (cell.pixel_m * cell.plate)
    applied = found.applied * cell.thermal
    resistance = applied / density
    eta, current, _ = surface.law(surface.jump(values))
    per_face, eta_face = current.mean(axis=1), eta.mean(axis=1)
    true_area = float(cell.area.sum())
    mean = float(cell.area @ per_face) / true_area
    balance = abs(float((surface.weight * per_face).sum()) * found.applied / power - 1)
    interface = resistance * (parts["charge_transfer"] + parts["layer"]) / power
    at, flow = losses.fields(cell.mesh, values, zero, cell.sigma)
    potential, loss, field = np.full(shape, np.nan), np.zeros(shape), np.zeros((cell.ndim, *shape))
    potential.reshape(-1)[cell.mesh.pixels] = at * cell.thermal
    loss.reshape(-1)[cell.mesh.pixels] = in_pixels * cell.reference * (cell.thermal / cell.pixel_m) ** 2
    for component in range(cell.ndim):
        field[component].reshape(-1)[cell.mesh.pixels] = (
            flow[:, cell.ndim - 1 - component] * cell.reference * cell.thermal / cell.pixel_m)
    warnings = [] if "gamg" not in solver else [
        "this PETSc has no hypre: solved with GAMG instead of BoomerAMG; same answer, slower"]
    if cell.left_out > 0:
        warnings.append(f"{cell.left_out:.2%} of the map is electrolyte or electrode without a path to its plate and a "
                        "contact to the other: left out")
    active, focusing = math.nan, math.nan
    if balance < LOST:
        active = float((cell.area @ per_face) ** 2 / (true_area * (cell.area @ (current**2).mean(axis=1))))
        focusing = float((per_face / mean).max())
    else:
        warnings.append(f"the drop at the contact is lost in rounding (its current is off by {balance:.0e}): what is "
                        "said of the contact has no meaning; the current density holds")
    return TwoPotentialSolution(
        applied=applied, current_density=density, resistance=resistance, interface_asr=interface,
        interface_asr_true_area=interface * true_area / cell.plate, contact_area_ratio=true_area / cell.plate,
        active_fraction=active,
        loss_fraction={name: part / power for name, part in parts.items()},
        overpotential_mean=float(cell.area @ eta_face) / true_area * cell.thermal,
        overpotential_max=float(np.abs(eta_face).max()) * cell.thermal, focusing=focusing,
        axis=axis, percolates=True, reason=None, potential=potential, current=field, dissipation=loss,
        faces=ContactFaces(first=cell.contact.first, second=cell.contact.second, axis=cell.contact.axis,
                           area=cell.area, current=per_face * cell.exchange_current),
        dofs=cell.n_free, newton=found.newton, iterations=found.iterations,
        balance=balance, solver=solver, warnings=tuple(warnings),
        seconds={"mesh": cell.seconds, "solve": found.seconds,
                 "total": cell.seconds + found.seconds + time.perf_counter() - started})


def _blocked(phase_map: PhaseMap, axis: str, applied: float, reason: str, seconds: float) -> TwoPotentialSolution:
    """The exact answer where nothing flows."""
    shape = phase_map.labels.shape
    nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0)
    return TwoPotentialSolution(
        applied=applied, current_density=0.0, resistance=math.inf, interface_asr=math.inf,
        interface_asr_true_area=math.inf, contact_area_ratio=0.0, active_fraction=0.0, loss_fraction={},
        overpotential_mean=math.nan, overpotential_max=math.nan, focusing=math.nan, axis=axis, percolates=False,
        reason=reason, potential=np.full(shape, np.nan), current=np.zeros((len(shape), *shape)),
        dissipation=np.zeros(shape), faces=ContactFaces(first=nothing, second=nothing, axis=nothing, area=none,
                                                        current=none),
        dofs=0, newton=0, iterations=0, balance=0.0, solver="none needed",
        seconds={"mesh": seconds, "solve": 0.0, "total": seconds})
