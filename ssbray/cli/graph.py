"""`ssbray graph`: regions, boundaries and the resistor network of a label image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ssbray import units
from ssbray.cli import solve
from ssbray.cli.output import emit, json_option


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("graph", help="feature graph and resistor-network estimate of a label image")
    command.add_argument("labels", metavar="LABELS", help="TIFF, PNG or npy of integer labels, 2-D or 3-D")
    command.add_argument("--pixel-size-nm", type=float, required=True, metavar="P")
    command.add_argument("--sigma", action="append", metavar="LABEL=S_PER_CM")
    command.add_argument("--interface", action="append", metavar="A:B=OHM_CM2")
    command.add_argument("--grains", metavar="FILE", help="grain number of each pixel")
    command.add_argument("--axis", choices=("x", "y", "z"), default="y")
    command.add_argument("--out", required=True, metavar="G.npz")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build the graph and keep it."""
    from ssbray import graph

    solve.check_output(args.out, "--out", ".npz")
    phase_map, sigma, interfaces = solve.inputs(args)
    made = graph.build(phase_map, sigma, interfaces, axis=args.axis)
    graph.save(made, Path(args.out))
    nodes, edges = made.size
    emit({"nodes": nodes, "edges": edges, "sigma_network_S_per_cm": units.S_per_cm(made.sigma_network),
          "out": args.out}, args.json)
    return 0
