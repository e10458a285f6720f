"""What `ssbray solve` answers: the contract as a dict, lines for a person, arrays for a file."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import units
from ssbray.domain import FloatArray, PhaseMap, TransportSolution
from ssbray.files import write_bytes

SHOWN = 3  #: hot spots that a person is told of


def in_field_units(solution: TransportSolution) -> dict[str, Any]:
    """The contract of the command; what was not asked for is null."""
    corners, refinement = solution.corners, solution.refinement
    return {
        "sigma_eff_S_per_cm": units.S_per_cm(solution.sigma_eff),
        "lower_S_per_cm": _S_per_cm(solution.lower),
        "upper_S_per_cm": _S_per_cm(solution.upper),
        "best_S_per_cm": _S_per_cm(solution.best),
        "tensor_S_per_cm": None if solution.tensor is None else units.S_per_cm(1.0) * solution.tensor,
        "asr_ohm_cm2": units.ohm_cm2(solution.asr) if math.isfinite(solution.asr) else None,
        "percolates": solution.percolates,
        "reason": solution.reason,
        "dissipation_fraction": dict(solution.dissipation_fraction),
        "sensitivities": sensitivities(solution),
        "gap": solution.gap,
        "corners": None if corners is None else {
            name: {"lower_S_per_cm": _S_per_cm(low), "upper_S_per_cm": _S_per_cm(high)}
            for name, (low, high) in corners.items()},
        "refinement": None if refinement is None else dict(refinement),
        "axis": solution.axis,
        "boundary": solution.boundary,
        "dofs": solution.dofs,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "solver": solution.solver,
        "seconds": dict(solution.seconds),
        "warnings": list(solution.warnings),
    }


def sensitivities(solution: TransportSolution) -> dict[str, float]:
    """d ln sigma_eff / d ln of each property: the share of the loss, negative for resistances."""
    names = {"phase": ("sigma", 1.0), "interface": ("interface", -1.0), "sheet": ("sheet", 1.0)}
    found = {}
    for key, share in solution.dissipation_fraction.items():
        kind, rest = key.split(":", 1)
        name, sign = names[kind]
        found[f"{name}:{rest}"] = sign * share
    return found


def _S_per_cm(value: float | None) -> float | None:
    return None if value is None else units.S_per_cm(value)


def lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The answer for a person, a few lines."""
    best, rows = content["best_S_per_cm"], []
    if not content["percolates"]:
        rows.append(("sigma_eff", f"0 S/cm along {content['axis']}: {content['reason']}"))
    elif best is None:
        rows.append(("sigma_eff", f"{content['sigma_eff_S_per_cm']:.6g} S/cm along {content['axis']}"))
    else:
        rows.append(("sigma_eff", f"{best:.6g} S/cm along {content['axis']}  [{content['lower_S_per_cm']:.6g}, "
                     f"{content['upper_S_per_cm']:.6g}] certified, {_percent(content['gap'])} wide"))
    for name, bound in (content["corners"] or {}).items():
        rows.append((f"corners {name}", f"[{bound['lower_S_per_cm']:.6g}, {bound['upper_S_per_cm']:.6g}] S/cm"))
    if content["tensor_S_per_cm"] is not None:
        rows.append(("tensor", "; ".join(", ".join(f"{value:.4g}" for value in row)
                                         for row in content["tensor_S_per_cm"]) + " S/cm, rows x, y[, z]"))
    scale = best / content["sigma_eff_S_per_cm"] if best and content["percolates"] else 1.0  # the contract's are of Q1
    if content["asr_ohm_cm2"] is not None:
        rows.append(("ASR", f"{content['asr_ohm_cm2'] / scale:.6g} ohm cm2"))
    if content["current_density_mA_per_cm2"] is not None:
        rows.append(("current", f"{content['current_density_mA_per_cm2'] * scale:.6g} mA/cm2"))
    if content["temperature_C"] is not None:
        energy = content["ea_eff_eV"]
        rows.append(("temperature", f"{content['temperature_C']:g} C; effective activation energy "
                     + ("unknown" if energy is None else f"{energy:.4g} eV")))
    shares = sorted(content["dissipation_fraction"].items(), key=lambda entry: -entry[1])
    if shares:
        rows.append(("loss", ", ".join(f"{key} {_percent(share)}" for key, share in shares)))
    for spot in content["where"]["hot_spots"][:SHOWN]:
        place = ", ".join(f"{key[0]} {spot[key]:.6g}" for key in ("x_nm", "y_nm", "z_nm") if key in spot)
        rows.append(("hot spot", f"{place} nm: {_percent(spot['share'])} of the loss"))
    if content["focusing"] is not None:
        rows.append(("focusing", f"|j| up to {content['focusing']['max']:.3g} times the mean"))
    refinement = content["refinement"]
    if refinement is not None:
        rows.append(("refinement", f"{refinement.get('unknowns')} unknowns, gap {_percent(refinement.get('gap'))}"
                     + (f"; {refinement['reason']}" if refinement.get("reason") else "")))
    if content["dofs"]:
        rows.append(("solver", f"{content['dofs']} unknowns, {content['iterations']} iterations, "
                     f"{content['seconds']['total']:.3g} s"))
    return rows


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"


def save_fields(path: Path, phase_map: PhaseMap, solution: TransportSolution, bottleneck: FloatArray,
                grains: dict[int, float]) -> None:
    """Write the fields, the loss face by face, grain by grain and region by region (as in the feature graph)."""
    from ssbray.graph.losses import by_region
    from ssbray.graph.regions import find_regions

    faces = solution.faces
    in_regions, between = by_region(phase_map, solution)
    arrays = {
        "potential_V": solution.potential, "current_density_A_per_m2": solution.current_density,
        "dissipation_W_per_m3": solution.dissipation, "axis": np.array(solution.axis), "bottleneck": bottleneck,
        "face_first": faces.first, "face_second": faces.second, "face_axis": faces.axis,
        "face_loss_across": faces.across, "face_loss_along": faces.along,
        "region": find_regions(phase_map.labels, phase_map.grains).image.astype(np.int32),
        "region_loss": in_regions, "boundary_loss": between}
    if grains:
        arrays |= {"grain": np.array(list(grains)), "grain_loss": np.array(list(grains.values()))}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # a stub that takes every keyword for a flag
    write_bytes(path, buffer.getvalue())
