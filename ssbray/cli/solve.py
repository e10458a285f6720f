"""`ssbray solve`: effective conductivity of a label image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import units
from ssbray.cli import labels
from ssbray.cli.output import emit, json_option
from ssbray.domain import PhaseMap, TransportSolution
from ssbray.errors import InputError

SIGMA_FORM = "LABEL=S_PER_CM, e.g. --sigma 0=1e-3"
LARGEST_S_PER_CM = 1e12
INTERFACE_FORM = "LABEL:LABEL=OHM_CM2, e.g. --interface 0:1=50"


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("solve", help="effective conductivity of a label image or volume", description=(
        "Drive a current through a segmented image by finite elements. Conductivities in S/cm, resistances of thin "
        "interfaces in ohm cm2; a:a means between different grains of label a."))
    command.add_argument("labels", metavar="LABELS", help="TIFF, PNG or npy of integer labels, 2-D or 3-D")
    command.add_argument("--pixel-size-nm", type=float, required=True, metavar="P")
    command.add_argument("--sigma", action="append", metavar="LABEL=S_PER_CM", help="conductivity; 0 blocks")
    command.add_argument("--interface", action="append", metavar="A:B=OHM_CM2", help="resistance between two labels")
    command.add_argument("--grains", metavar="FILE", help="grain number of each pixel, for a:a interfaces")
    command.add_argument("--axis", choices=("x", "y", "z"), default="y", help="direction of the current (default y)")
    command.add_argument("--boundary", choices=("dirichlet",), default="dirichlet")
    command.add_argument("--rtol", type=float, default=1e-8, metavar="R",
                         help="relative algebraic error of sigma (default 1e-8)")
    command.add_argument("--save-fields", metavar="F.npz", help="potential, current and loss density")
    command.add_argument("--plot", metavar="F.png", help="a picture of the solution")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, solve, write."""
    for option, suffix in (("save_fields", ".npz"), ("plot", ".png")):
        check_output(getattr(args, option), f"--{option.replace('_', '-')}", suffix)
    phase_map, sigma, interfaces = inputs(args)
    from ssbray import fea

    solution = fea.solve(phase_map, sigma, interfaces, axis=args.axis, boundary=args.boundary, rtol=args.rtol)
    if args.save_fields:
        _save_fields(Path(args.save_fields), solution)
    if args.plot:
        from ssbray.cli.plot import draw

        draw(phase_map, solution, Path(args.plot))
    content = in_field_units(solution)
    shown = ("sigma_eff_S_per_cm", "asr_ohm_cm2", "percolates", "reason", "dissipation_fraction", "dofs", "iterations",
             "seconds", "warnings")
    emit(content, args.json, [(name, content[name]) for name in shown if content[name] not in (None, [], {})])
    return 0


def inputs(args: argparse.Namespace) -> tuple[PhaseMap, dict[int, float], dict[tuple[int, int], float]]:
    """Phase map, conductivities [S/m] and interface resistances [ohm m2] of the options."""
    sigma: dict[int, float] = {}
    for key, value in labels.parse_pairs(args.sigma, "--sigma", SIGMA_FORM).items():
        label = labels.label_of(key, "--sigma", SIGMA_FORM)
        if not 0 <= value <= LARGEST_S_PER_CM:
            raise InputError("--sigma", f"{key}={value:g}", f"a conductivity lies in 0..{LARGEST_S_PER_CM:g} S/cm")
        if label in sigma:
            raise InputError("--sigma", key, f"label {label} is given twice")
        sigma[label] = units.S_per_m(value)
    interfaces: dict[tuple[int, int], float] = {}
    for key, value in labels.parse_pairs(args.interface, "--interface", INTERFACE_FORM).items():
        first, separator, second = key.partition(":")
        if not separator:
            raise InputError("--interface", key, f"write it as {INTERFACE_FORM}")
        a, b = sorted(labels.label_of(part, "--interface", INTERFACE_FORM) for part in (first, second))
        if not value >= 0:
            raise InputError("--interface", f"{key}={value:g}", "a resistance is zero or more [ohm cm2]")
        if (a, b) in interfaces:
            raise InputError("--interface", key, f"the pair {a}:{b} is given twice")
        interfaces[a, b] = units.ohm_m2(value)
    phase_map = labels.read_map(args.labels, args.pixel_size_nm, args.grains)
    labels.check_known([(f"{a}:{b}", label) for a, b in interfaces for label in (a, b)], phase_map, "--interface")
    present = labels.labels_present(phase_map)
    for label in sorted(set(sigma) - set(present)):
        print(f"ssbray: --sigma {label}: no such label in the image; ignored", file=sys.stderr)
    return phase_map, {label: value for label, value in sigma.items() if label in present}, interfaces


def in_field_units(solution: TransportSolution) -> dict[str, Any]:
    """The contract of the command; what was not asked for is null."""
    return {
        "sigma_eff_S_per_cm": units.S_per_cm(solution.sigma_eff),
        "lower_S_per_cm": None if solution.lower is None else units.S_per_cm(solution.lower),
        "upper_S_per_cm": None if solution.upper is None else units.S_per_cm(solution.upper),
        "best_S_per_cm": None,
        "tensor_S_per_cm": None if solution.tensor is None else (solution.tensor * 1e-2).tolist(),
        "asr_ohm_cm2": units.ohm_cm2(solution.asr) if np.isfinite(solution.asr) else None,
        "percolates": solution.percolates,
        "reason": solution.reason,
        "dissipation_fraction": dict(solution.dissipation_fraction),
        "axis": solution.axis,
        "dofs": solution.dofs,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "solver": solution.solver,
        "seconds": dict(solution.seconds),
        "warnings": list(solution.warnings),
    }


def check_output(path: str | None, option: str, suffix: str) -> None:
    """Refuse a place that cannot be written before any work is done."""
    if path is None:
        return
    if Path(path).suffix.lower() != suffix:
        raise InputError(option, path, f"must end in {suffix}")
    if not Path(path).resolve().parent.is_dir():
        raise InputError(option, path, "its directory does not exist")


def _save_fields(path: Path, solution: TransportSolution) -> None:
    import io

    from ssbray.campaign.files import write_bytes

    buffer = io.BytesIO()
    np.savez_compressed(buffer, potential_V=solution.potential, current_density_A_per_m2=solution.current_density,
                        dissipation_W_per_m3=solution.dissipation, axis=np.array(solution.axis))
    write_bytes(path, buffer.getvalue())
