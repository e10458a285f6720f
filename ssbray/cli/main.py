"""The commands, and what a failure means to the shell."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

import ssbray
from ssbray.cli import (
    archive,
    campaign,
    dataset,
    doctor,
    graph,
    micrograph,
    models,
    serve,
    solve,
    specimen,
    study,
    surrogate,
    watch,
)
from ssbray.errors import InputError, SolverError


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = _Parser(prog="ssbray", description="Ionic transport through solid-state battery interfaces: finite elements, "
                  "a Bayesian surrogate, and campaigns over processing parameters.")
    top.add_argument("--version", action="version", version=f"ssbray {ssbray.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for module in (doctor, solve, specimen, graph, dataset, surrogate, micrograph, archive, campaign, models, study,
                   serve, watch):
        module.add(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a command. 0: done; 2: the user can mend it; 1: it failed; 130: interrupted."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except InputError as error:
        print(f"ssbray: {error}", file=sys.stderr)
        return 2
    except SolverError as error:
        print(f"ssbray: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        print(f"ssbray: {error.filename}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ssbray: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
