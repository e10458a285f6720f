"""The unit of work: one specimen of one design, solved; or only its graph. Runs anywhere, needs nothing shared."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from ssbray import fea, graph, materials, specimen, units
from ssbray.codeversion import code_version
from ssbray.domain import FeatureGraph, PhaseMap, TransportSolution, boundary_parts
from ssbray.errors import SolverError
from ssbray.graph.losses import by_region
from ssbray.specimen.laws import ProcessLaws
from ssbray.specimen.laws import load as load_laws


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to make and solve. Everything that decides the outcome, and nothing else, is in here."""

    kind: Literal["solve", "graph"]
    parameters: Mapping[str, Any]  #: of ProcessParameters
    seed: int  #: of the specimen
    size_nm: tuple[float, float]
    pixel_size_nm: float
    temperature_C: float
    rtol: float
    materials: Mapping[str, Any] = field(default_factory=dict)
    laws: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)  #: segmenter and microscope, where a map is found in an image

    @property
    def content(self) -> dict[str, Any]:
        """The inputs as plain data; what is not used is not in it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "seen" or self.seen}

    @property
    def key(self) -> str:
        """sha256 of the inputs and of the code that turns them into the outcome."""
        content = self.content
        return hashlib.sha256(json.dumps([content, physics_version()], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What came of a task. A failure is a value here, and is never taken for a result."""

    key: str
    failure: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)  #: sigma_eff_S_per_cm, asr_ohm_cm2, budget, ...: plain data
    graph: FeatureGraph | None = None
    seconds: float = 0.0
    worker: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.failure is None


def evaluate(task: Task) -> Outcome:
    """Make the specimen, solve it, and describe it as a graph.

    A solver that does not converge is an outcome with a `failure`; wrong input and our own
    mistakes raise.
    """
    started = time.perf_counter()
    return solved(task, section(task), started)


def solved(task: Task, phase_map: PhaseMap, started: float) -> Outcome:
    """Outcome of a task whose map is there; work on it began at `started` (`time.perf_counter`)."""
    tables = tables_of(task)
    properties = materials.assign(phase_map, tables, task.temperature_C)
    feature_graph = graph.build(phase_map, properties.conductivity, properties.interfaces, axis="y")
    if task.kind == "graph":
        return Outcome(key=task.key, graph=feature_graph, seconds=time.perf_counter() - started)
    try:
        solution = fea.solve(phase_map, properties.conductivity, properties.interfaces, axis="y", rtol=task.rtol)
    except SolverError as error:
        return Outcome(key=task.key, failure=str(error), seconds=time.perf_counter() - started)
    values = {
        "sigma_eff_S_per_cm": units.S_per_cm(solution.sigma_eff),
        "asr_ohm_cm2": units.ohm_cm2(solution.asr) if math.isfinite(solution.asr) else None,
        "percolates": solution.percolates,
        "reason": solution.reason,
        "budget": budget(phase_map, solution, properties.parts),
        "loss": loss_shares(phase_map, solution),
        "fractions": {name: phase_map.fraction(name) for name in phase_map.phases},
        "dofs": solution.dofs,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "solver": solution.solver,
        "warnings": list(solution.warnings),
        "seconds": dict(solution.seconds),
    }
    return Outcome(key=task.key, values=values, graph=feature_graph, seconds=time.perf_counter() - started)


def section(task: Task) -> PhaseMap:
    """The specimen of a task, cut at its pixel size."""
    made = specimen.make(specimen.ProcessParameters.parse(task.parameters), seed=task.seed, size_nm=task.size_nm,
                         laws=_laws(json.dumps(task.laws, sort_keys=True)), materials=tables_of(task))
    return made.section(task.pixel_size_nm)


def solve_again(task: Task) -> tuple[PhaseMap, TransportSolution]:
    """The fields of a task, for a picture."""
    phase_map = section(task)
    properties = materials.assign(phase_map, tables_of(task), task.temperature_C)
    return phase_map, fea.solve(phase_map, properties.conductivity, properties.interfaces, axis="y", rtol=task.rtol)


def budget(phase_map: PhaseMap, solution: TransportSolution, parts: Mapping[tuple[int, int], Mapping[str, float]]
           ) -> dict[str, float]:
    """Shares of the resistance by name: phases, and what sits in the thin interfaces; they sum to one."""
    shares: dict[str, float] = {}
    for name, share in solution.dissipation_fraction.items():
        kind, *labels = name.split(":")
        if kind == "phase":
            shares[phase_map.phases[int(labels[0])]] = shares.get(phase_map.phases[int(labels[0])], 0.0) + share
            continue
        series = parts[int(labels[0]), int(labels[1])]
        for boundary, resistance in series.items():
            what = f"{boundary_parts(boundary)[2]} (interface)"
            shares[what] = shares.get(what, 0.0) + share * resistance / sum(series.values())
    return shares


def loss_shares(phase_map: PhaseMap, solution: TransportSolution) -> dict[str, list[float]]:
    """Shares of the resistance by node and by edge of the graph, to four digits: what a model can learn from."""
    nodes, edges = by_region(phase_map, solution)
    return {name: [float(f"{share:.4g}") for share in shares] for name, shares in (("nodes", nodes), ("edges", edges))}


@cache
def physics_version() -> str:
    """Version of the code that decides an outcome: the package's, and a digest of its physics."""
    return code_version(("materials", "specimen", "graph", "fea"),
                        ("domain.py", "raster.py", "rng.py", "units.py", "campaign/task.py"))


def tables_of(task: Task) -> materials.Materials:
    """Materials tables with the task's overrides."""
    return _tables(json.dumps(task.materials, sort_keys=True))


@cache
def _tables(overrides: str) -> materials.Materials:
    return materials.load(json.loads(overrides) or None)


@cache
def _laws(overrides: str) -> ProcessLaws:
    return load_laws(json.loads(overrides) or None)
