"""`ssbray solve --model two-potential`: ions in electrolyte, electrons in electrode, charge transfer between them."""

from __future__ import annotations

import argparse
import io
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import units
from ssbray.cli import labels
from ssbray.cli.output import emit
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ssbray.fea.kinetics import Contact
    from ssbray.fea.thin import Interfaces, Pair
    from ssbray.fea.two_potential import TwoPotentialSolution

LABELS_FORM = "LABEL[,LABEL...], e.g. --electrode-labels 1"
APPLIED_FORM = "V[,V...] in millivolts, e.g. --applied-mV 1,10,100"
DEFAULT_APPLIED_MV = "1"
DEFAULT_TEMPERATURE_C = 25.0
MILLI = 1e-3
OPTIONS = {"exchange_current": ("--exchange-current-mA-cm2", "exchange_current_mA_cm2"),
           "alpha": ("--alpha", "alpha"), "layer": ("--layer-ohm-cm2", "layer_ohm_cm2"),
           "kinetics": ("--kinetics", "kinetics")}


def add_options(command: Any) -> None:
    """Declare the options of the model."""
    command.add_argument("--electrode-labels", metavar="LABEL[,LABEL...]", help="two-potential: labels that conduct "
                         "electrons, with --sigma their electronic conductivity; the others conduct ions")
    command.add_argument("--exchange-current-mA-cm2", type=float, metavar="I0",
                         help="two-potential: exchange current density of charge transfer, per true area of contact")
    command.add_argument("--alpha", type=float, default=0.5, metavar="A", help="two-potential: transfer coefficient "
                         "from the electrolyte into the electrode (default 0.5)")
    command.add_argument("--layer-ohm-cm2", type=float, default=0.0, metavar="R", help="two-potential: resistance in "
                         "series with charge transfer (default 0); --interface A:B overrides it for a pair")
    command.add_argument("--applied-mV", metavar="V[,V...]", help="potential applied, from equilibrium; several: a "
                         "sweep (two-potential, default 1)")
    command.add_argument("--kinetics", choices=("linear", "butler-volmer"), default="butler-volmer",
                         help="two-potential: law of charge transfer (default butler-volmer)")


def run(args: argparse.Namespace, phase_map: PhaseMap, sigma: Mapping[int, float],
        interfaces: Mapping[Pair, float] | Interfaces, told: Sequence[str] = ()) -> int:
    """Solve and answer.

    Parameters
    ----------
    sigma : label -> conductivity [S/m]: electronic for --electrode-labels, ionic for the others.
    interfaces : as for `fea.two_potential.solve`.
    """
    electrodes = _electrodes(args.electrode_labels, phase_map)
    for label in labels.labels_present(phase_map):
        if label not in sigma:
            raise InputError("--sigma", label, f"label {label} is in the image but has no conductivity: give one "
                             "(0 blocks)")
    for label in electrodes:
        if sigma[label] == 0:
            raise InputError("--sigma", f"{label}=0", "an electrode needs an electronic conductivity above zero")
    contact, applied = _contact(args), _applied(args.applied_mV)
    temperature = DEFAULT_TEMPERATURE_C if args.temperature_C is None else args.temperature_C
    from ssbray.fea import cautions, two_potential

    solutions = two_potential.sweep(
        phase_map, {label: value for label, value in sigma.items() if label not in electrodes},
        {label: sigma[label] for label in electrodes}, contact, interfaces, axis=args.axis, applied=applied,
        temperature=units.kelvin(temperature), rtol=args.rtol)
    if args.save_fields:
        _save_fields(Path(args.save_fields), solutions[0])
    if args.plot:
        _draw(phase_map, solutions[0], Path(args.plot))
    content = in_field_units(solutions) | {"temperature_C": temperature}
    content["warnings"] += told
    if args.temperature_C is not None:
        content["warnings"].append(f"the exchange current and the layers are taken as given, at {temperature:g} C")
    content["warnings"] += cautions.cautions(phase_map, sigma, args.axis)
    if not args.json:
        for line in content["warnings"]:
            print(f"ssbray: warning: {line}", file=sys.stderr)
    emit(content, args.json, _lines(content))
    return 0


def _electrodes(text: str | None, phase_map: PhaseMap) -> list[int]:
    if not text:
        raise InputError("--electrode-labels", text, f"the two-potential model needs them: {LABELS_FORM}")
    found = [labels.label_of(part, "--electrode-labels", LABELS_FORM) for part in text.split(",")]
    labels.check_known([(text, label) for label in found], phase_map, "--electrode-labels")
    if set(labels.labels_present(phase_map)) <= set(found):
        raise InputError("--electrode-labels", text, "every label of the image is an electrode: leave an electrolyte")
    return sorted(set(found))


def _contact(args: argparse.Namespace) -> Contact:
    from ssbray.fea.kinetics import Contact

    if args.exchange_current_mA_cm2 is None:
        raise InputError("--exchange-current-mA-cm2", None, "the two-potential model needs it, e.g. 0.5")
    try:
        return Contact(exchange_current=10 * args.exchange_current_mA_cm2,  # mA/cm2 to A/m2
                       alpha=args.alpha, layer=units.ohm_m2(args.layer_ohm_cm2), kinetics=args.kinetics)
    except InputError as error:
        option, name = OPTIONS[error.field]
        raise InputError(option, getattr(args, name), error.remedy) from None


def _applied(text: str | None) -> list[float]:
    """Potentials [V]."""
    found = []
    for part in (DEFAULT_APPLIED_MV if text is None else text).split(","):
        try:
            value = float(part)
        except ValueError:
            raise InputError("--applied-mV", part, f"write it as {APPLIED_FORM}") from None
        if not math.isfinite(value) or value == 0:
            raise InputError("--applied-mV", part, "must be a finite potential other than zero")
        found.append(value * MILLI)
    return found


def in_field_units(solutions: list[TwoPotentialSolution]) -> dict[str, Any]:
    """The contract of the model: the first potential in full, of the others what depends on them most."""
    first = solutions[0]
    return {
        "model": "two-potential",
        # no current runs through one phase from plate to plate: what describes that is null
        **dict.fromkeys(("sigma_eff_S_per_cm", "lower_S_per_cm", "upper_S_per_cm", "best_S_per_cm", "tensor_S_per_cm",
                         "dissipation_fraction")),
        "applied_mV": first.applied / MILLI,
        **_currents(first),
        "interface_asr_true_area_ohm_cm2": units.ohm_cm2(first.interface_asr_true_area),
        "contact_area_ratio": first.contact_area_ratio,
        "active_fraction": first.active_fraction,
        "loss_fraction": dict(first.loss_fraction),
        "overpotential_mV": {"mean": first.overpotential_mean / MILLI, "max": first.overpotential_max / MILLI},
        "focusing": first.focusing,
        "sweep": [{"applied_mV": one.applied / MILLI, **_currents(one)} for one in solutions
                  ] if len(solutions) > 1 else None,
        "percolates": first.percolates,
        "reason": first.reason,
        "axis": first.axis,
        "dofs": first.dofs,
        "iterations": sum(one.iterations for one in solutions),
        "newton_steps": sum(one.newton for one in solutions),
        "balance": first.balance,
        "solver": first.solver,
        "seconds": {"mesh": first.seconds["mesh"], "solve": sum(one.seconds["solve"] for one in solutions),
                    "total": first.seconds["total"] + sum(one.seconds["total"] - one.seconds["mesh"]
                                                          for one in solutions[1:])},
        "warnings": list(dict.fromkeys(line for one in solutions for line in one.warnings)),
    }


def _currents(one: TwoPotentialSolution) -> dict[str, float]:
    return {"current_density_mA_per_cm2": 0.1 * one.current_density, "asr_ohm_cm2": units.ohm_cm2(one.resistance),
            "interface_asr_ohm_cm2": units.ohm_cm2(one.interface_asr)}


def _lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The answer for a person."""
    if not content["percolates"]:
        return [("current", f"0 mA/cm2 along {content['axis']}: {content['reason']}")]
    eta = content["overpotential_mV"]
    rows = [
        ("applied", f"{content['applied_mV']:g} mV along {content['axis']}"),
        ("current", f"{content['current_density_mA_per_cm2']:.6g} mA/cm2"),
        ("ASR", f"{content['asr_ohm_cm2']:.6g} ohm cm2"),
        ("interface ASR", f"{content['interface_asr_ohm_cm2']:.6g} ohm cm2; per true area "
         f"{content['interface_asr_true_area_ohm_cm2']:.6g}"),
        ("contact", f"{content['contact_area_ratio']:.4g} of the plate area, {content['active_fraction']:.1%} active, "
         f"current up to {content['focusing']:.3g} times its mean"),
        ("overpotential", f"{eta['mean']:.4g} mV on average, {eta['max']:.4g} at most"),
        ("loss", ", ".join(f"{name} {share:.2%}" for name, share in content["loss_fraction"].items()))]
    for one in content["sweep"] or []:
        rows.append((f"at {one['applied_mV']:g} mV", f"{one['current_density_mA_per_cm2']:.6g} mA/cm2, interface ASR "
                     f"{one['interface_asr_ohm_cm2']:.6g} ohm cm2"))
    rows.append(("solver", f"{content['dofs']} unknowns, {content['newton_steps']} Newton steps, "
                 f"{content['iterations']} iterations, {content['seconds']['total']:.3g} s"))
    return rows


def _save_fields(path: Path, solution: TwoPotentialSolution) -> None:
    """Write the fields at the first potential, and the contact face by face."""
    faces = solution.faces
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, potential_V=solution.potential, current_density_A_per_m2=solution.current,
        dissipation_W_per_m3=solution.dissipation, applied_V=np.array(solution.applied), axis=np.array(solution.axis),
        face_first=faces.first, face_second=faces.second, face_axis=faces.axis, face_area=faces.area,
        face_current_A_per_m2=faces.current)
    write_bytes(path, buffer.getvalue())


def _draw(phase_map: PhaseMap, solution: TwoPotentialSolution, path: Path) -> None:
    """Draw both potentials, current density and, in a section, the current through the contact."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    # a volume is cut such that the current runs in the plane
    cut = None if phase_map.labels.ndim == 2 else 1 if solution.axis == "z" else 0

    def plane(image: np.ndarray) -> np.ndarray:
        return image if cut is None else np.take(image, image.shape[cut] // 2, axis=cut)

    height, width = plane(phase_map.labels).shape
    pixel = phase_map.pixel_size_nm
    extent = (0.0, width * pixel, height * pixel, 0.0)
    figure = Figure(figsize=(15, 1.2 + 4.6 * min(2.0, max(0.4, height / width))), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(1, 3, sharex=True, sharey=True)
    panels[0].imshow(plane(phase_map.labels), extent=extent, interpolation="nearest", cmap="Greys", alpha=0.4)
    if cut is None and solution.percolates:
        row, column = np.unravel_index(solution.faces.first, phase_map.labels.shape)
        across = solution.faces.axis == 1
        start = np.stack([column + across, row + ~across], axis=1) * pixel
        stop = start + np.stack([~across, across], axis=1) * pixel
        drawn = LineCollection(np.stack([start, stop], axis=1).tolist(), cmap="inferno", linewidths=1.5)
        drawn.set_array(0.1 * solution.faces.current)
        panels[0].add_collection(drawn)
        figure.colorbar(drawn, ax=panels[0], shrink=0.7)
    panels[0].set_title("labels; current through the contact (mA/cm²)")
    image = panels[1].imshow(plane(solution.potential) / MILLI, extent=extent, cmap="viridis")
    figure.colorbar(image, ax=panels[1], shrink=0.7)
    panels[1].set_title("potential of ions and of electrons (mV)")
    strength = plane(np.linalg.norm(solution.current, axis=0)) * 0.1
    image = panels[2].imshow(np.where(strength > 0, strength, np.nan), extent=extent, cmap="magma")
    figure.colorbar(image, ax=panels[2], shrink=0.7)
    panels[2].set_title("current density (mA/cm²)")
    for panel in panels:
        panel.set_xlabel("nm")
    figure.suptitle(
        f"{solution.applied / MILLI:g} mV along {solution.axis}: {0.1 * solution.current_density:.4g} mA/cm²"
        if solution.percolates else f"no current along {solution.axis}: {solution.reason}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())
