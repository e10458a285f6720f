"""`ssbray doctor`: what is installed, and whether a solve comes out right."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from importlib import metadata
from typing import Any

from ssbray.cli.output import emit, json_option


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("doctor", help="check the installation")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report versions and solve a laminate; exit code 1 if anything is missing or wrong."""
    report, problems = examine()
    emit(report, args.json)
    if not args.json:
        for problem in problems:
            print(f"problem  {problem}")
    return 0 if report["ok"] else 1


def examine() -> tuple[dict[str, Any], list[str]]:
    """Versions, and what is wrong with them."""
    problems: list[str] = []
    report: dict[str, Any] = {"python": platform.python_version(), "petsc": None, "torch": None, "ray": None,
                              "mlflow": None, "threads": _threads(), "ok": False}
    try:
        from ssbray import fea

        report["petsc"] = fea.packages()
        if not report["petsc"]["hypre"]:
            problems.append("this PETSc has no hypre: solves use GAMG, slower; install libpetsc-real-dev for hypre")
        if abs(_laminate() / 0.5 - 1) > 1e-9:
            problems.append("a laminate of 1/3 and 1 S/m does not come out at 0.5 S/m: the solver is broken")
    except ImportError as error:
        problems.append(f"petsc4py or scikit-fem does not import ({error}): run jobs/setup.sh")
    try:
        torch = importlib.import_module("torch")
        report["torch"] = {"version": torch.__version__, "cuda": bool(torch.cuda.is_available())}
        importlib.import_module("pyro")
    except ImportError as error:
        problems.append(f"torch or pyro does not import ({error}): run jobs/setup.sh")
    for name in ("ray", "mlflow"):
        try:
            report[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed: run jobs/setup.sh")
    report["problems"] = problems
    report["ok"] = not [problem for problem in problems if "no hypre" not in problem]
    return report, problems


def _threads() -> dict[str, Any]:
    limits = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    return {"cpus": len(os.sched_getaffinity(0)), **limits}


def _laminate() -> float:
    import numpy as np

    from ssbray import fea
    from ssbray.domain import PhaseMap

    labels = np.repeat(np.array([0, 1], np.uint8), 4)[:, None] * np.ones((1, 3), np.uint8)
    return fea.solve(PhaseMap(labels=labels, phases=("a", "b"), pixel_size_nm=1.0), {0: 1 / 3, 1: 1.0}).sigma_eff
