"""`ssbray solve`: effective conductivity of a label image."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssbray import units
from ssbray.cli import answer, interfaces, labels, temperature, two_potential
from ssbray.cli.output import emit, json_option
from ssbray.domain import PhaseMap, TransportSolution
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.fea.thin import Interfaces

SIGMA_FORM = "LABEL=S_PER_CM, e.g. --sigma 0=1e-3"
LARGEST_S_PER_CM = 1e12
INTERFACE_FORM = "LABEL:LABEL=OHM_CM2, e.g. --interface 0:1=50"
SINGLE_ONLY = ("boundary", "tensor", "bounds", "target_gap", "corners", "vtk")
TWO_ONLY = ("electrode_labels", "exchange_current_mA_cm2", "alpha", "layer_ohm_cm2", "kinetics")


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
    interfaces.add_options(command)
    command.add_argument("--axis", choices=("x", "y", "z"), default="y", help="direction of the current (default y)")
    command.add_argument("--boundary", choices=("dirichlet", "periodic"), default="dirichlet",
                         help="plates at both ends and insulated sides (default), or a map that repeats")
    command.add_argument("--tensor", action="store_true", help="also the other components of the conductivity")
    command.add_argument("--bounds", action="store_true", help="also a certified interval around the exact value")
    command.add_argument("--target-gap", type=float, metavar="G",
                         help="refine until the interval is this narrow, relative, e.g. 0.02; implies --bounds")
    command.add_argument("--corners", choices=("connected", "separated"),
                         help="whether pixels that touch at a corner only are in contact (default connected)")
    temperature.add_options(command)
    command.add_argument("--rtol", type=float, default=1e-8, metavar="R",
                         help="relative algebraic error of sigma (default 1e-8)")
    command.add_argument("--model", choices=("single-potential", "two-potential"), default="single-potential")
    two_potential.add_options(command)
    command.add_argument("--save-fields", metavar="F.npz", help="potential, current, loss; by face, grain and region")
    command.add_argument("--vtk", metavar="F.vti", help="the fields for ParaView")
    command.add_argument("--plot", metavar="F.png", help="a picture of the solution")
    json_option(command)
    command.set_defaults(run=run, usual={name: command.get_default(name) for name in (*SINGLE_ONLY, *TWO_ONLY)})


def run(args: argparse.Namespace) -> int:
    """Read, solve, write."""
    _check_model(args)
    for option, suffix in (("save_fields", ".npz"), ("plot", ".png"), ("vtk", ".vti")):
        check_output(getattr(args, option), f"--{option.replace('_', '-')}", suffix)
    if args.target_gap is not None and not 0 < args.target_gap < 1:
        raise InputError("--target-gap", args.target_gap, "must lie between 0 and 1, e.g. 0.02")
    if args.corners == "separated" and args.target_gap is None:
        raise InputError("--corners", args.corners, "needs --target-gap, e.g. 0.02: the pixels alone cannot tell")
    if args.corners == "separated" and args.sheet:
        raise InputError("--corners", args.corners, "cannot be separated beside conducting sheets: leave out --sheet")
    phase_map, sigma, pairs = inputs(args)
    thin = interfaces.read(args, phase_map, pairs)
    heat = temperature.read(args, phase_map)
    sigma, thin, told = temperature.carry(heat, phase_map, sigma, thin)
    if args.model == "two-potential":
        return int(two_potential.run(args, phase_map, sigma, thin, told))
    volts = _applied(args.applied_mV)
    content, solution = _solve(args, phase_map, sigma, thin, told)
    content |= {
        "temperature_C": heat.temperature_C, "ea_eff_eV": None,
        "current_density_mA_per_cm2": None if volts is None else 0.1 * volts / solution.asr}  # A/m2 to mA/cm2
    if heat.temperature_C is not None:
        from ssbray.fea import thermal

        content["ea_eff_eV"] = thermal.effective_energy(solution, heat.phases, heat.pairs)
    if not args.json:
        for line in content["warnings"]:
            print(f"ssbray: warning: {line}", file=sys.stderr)
    emit(content, args.json, answer.lines(content))
    return 0


def _solve(args: argparse.Namespace, phase_map: PhaseMap, sigma: dict[int, float], thin: Interfaces, told: list[str]
           ) -> tuple[dict[str, Any], TransportSolution]:
    """Solve, write the files that were asked for, and collect the answer."""
    from ssbray import fea
    from ssbray.fea import cautions, where

    more: dict[str, Any] = {name: getattr(args, name) for name in ("target_gap", "corners")
                            if getattr(args, name) is not None}
    solution = fea.solve(phase_map, sigma, thin, axis=args.axis, boundary=args.boundary, tensor=args.tensor,
                         bounds=args.bounds or args.target_gap is not None, rtol=args.rtol, **more)
    bottleneck = where.bottleneck(solution)
    table = where.tables(phase_map, solution)
    if args.save_fields:
        answer.save_fields(Path(args.save_fields), phase_map, solution, bottleneck, table["grains"] or {})
    if args.vtk:
        from ssbray.cli import vtk

        vtk.write(Path(args.vtk), phase_map, solution, bottleneck)
    if args.plot:
        from ssbray.cli.plot import draw

        draw(phase_map, solution, Path(args.plot), bottleneck, table["hot_spots"])
    content = answer.in_field_units(solution)
    content["warnings"] += [*told, *cautions.cautions(phase_map, sigma, args.axis)]
    content |= {"model": args.model, "where": table, "focusing": where.focusing(solution)}
    return content, solution


def _check_model(args: argparse.Namespace) -> None:
    """Refuse what only the other model has."""
    other, options = (("single-potential", SINGLE_ONLY) if args.model == "two-potential"
                      else ("two-potential", TWO_ONLY))
    for name in options:
        if getattr(args, name) != args.usual[name]:
            raise InputError(f"--{name.replace('_', '-')}", getattr(args, name),
                             f"belongs to --model {other}: leave it out, or choose that model")


def _applied(text: str | None) -> float | None:
    """Voltage in V: one, as the model is linear."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise InputError("--applied-mV", text, "must be one number of millivolts: in the single-potential model the "
                         "current is proportional to it")
    return value * 1e-3


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
    pairs: dict[tuple[int, int], float] = {}
    for key, value in labels.parse_pairs(args.interface, "--interface", INTERFACE_FORM).items():
        a, b = interfaces.pair_of(key, "--interface", INTERFACE_FORM, value)
        if not value >= 0:
            raise InputError("--interface", f"{key}={value:g}", "a resistance is zero or more [ohm cm2]")
        if (a, b) in pairs:
            raise InputError("--interface", key, f"the pair {a}:{b} is given twice")
        pairs[a, b] = units.ohm_m2(value)
    phase_map = labels.read_map(args.labels, args.pixel_size_nm, args.grains)
    labels.check_known([(f"{a}:{b}", label) for a, b in pairs for label in (a, b)], phase_map, "--interface")
    present = labels.labels_present(phase_map)
    for label in sorted(set(sigma) - set(present)):
        print(f"ssbray: --sigma {label}: no such label in the image; ignored", file=sys.stderr)
    return phase_map, {label: value for label, value in sigma.items() if label in present}, pairs


def check_output(path: str | None, option: str, suffix: str) -> None:
    """Refuse a place that cannot be written before any work is done."""
    if path is None:
        return
    if Path(path).suffix.lower() != suffix:
        raise InputError(option, path, f"must end in {suffix}")
    if Path(path).is_dir():
        raise InputError(option, path, "is a directory")
    parent = Path(path).resolve().parent
    if not parent.is_dir():
        raise InputError(option, path, "its directory does not exist")
    if not os.access(parent, os.W_OK):
        raise InputError(option, path, "its directory cannot be written")
