"""What the ledger tells a report: every design in the order of its evaluation, and the specimens to picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.campaign import objective
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task
from ssbray.domain import PhaseMap, TransportSolution
from ssbray.errors import SolverError

Fields = Callable[[Task], tuple[PhaseMap, TransportSolution]]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One design of the search."""

    parameters: Mapping[str, Any]  #: of the whole process
    objective: float | None  #: in the field's unit; None if it failed
    chain: int | None = None  #: None: of the initial design
    accepted: bool = False
    temperature: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """One specimen with its fields."""

    role: str  #: "reference" or "best"
    section: PhaseMap | None
    solution: TransportSolution | None
    failure: str | None = None  #: why there is nothing to see


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """Everything the figures and the page are made from."""

    spec: Spec
    summary: Mapping[str, Any]
    evaluated: tuple[Evaluated, ...]  #: initial design first
    pictures: tuple[Picture, ...]
    screening_suspended: bool


def gather(directory: Path, spec: Spec, summary: Mapping[str, Any], fields: Fields) -> Evidence:
    """Read a campaign's ledger."""
    with Ledger(directory, write=False) as ledger:
        stored = list(ledger.outcomes({*summary["best"]["solves"], *summary["reference"]["solves"]}))
        initial, steps = ledger.events("initial"), ledger.events("step")
        suspended = bool(ledger.events("screening suspended"))
    return Evidence(spec=spec, summary=summary, evaluated=(*_initial(spec, initial), *_steps(spec, steps)),
                    pictures=_pictures(summary, stored, fields), screening_suspended=suspended)


def _initial(spec: Spec, events: Sequence[dict[str, Any]]) -> list[Evaluated]:
    """The initial design, in its order."""
    return [Evaluated(parameters=spec.design(event["parameters"]).model_dump(), objective=_field(spec, event["value"]))
            for event in events]


def _steps(spec: Spec, events: Sequence[dict[str, Any]]) -> list[Evaluated]:
    """Steps in the order of the trajectory; one that was decided again after an interruption counts once."""
    decided = {(event["step"], event["chain"]): event for event in events}
    return [Evaluated(parameters=spec.design(event["parameters"]).model_dump(), chain=event["chain"],
                      objective=_field(spec, event["value"]), accepted=event["accepted"],
                      temperature=event["temperature"])
            for _, event in sorted(decided.items())]


def _pictures(summary: Mapping[str, Any], stored: Sequence[tuple[Task, Outcome]], fields: Fields
              ) -> tuple[Picture, ...]:
    """Reference and best on the same specimen: the one on which the best design is nearest its median."""
    known = {outcome.key: (task, outcome) for task, outcome in stored}
    sigma = np.array([known[key][1].values.get("sigma_eff_S_per_cm", 0.0) for key in summary["best"]["solves"]])
    index = int(np.argmin(np.abs(sigma - np.median(sigma))))
    pictures = []
    for role in ("reference", "best"):
        task, outcome = known[summary[role]["solves"][index]]
        if not outcome.ok:
            pictures.append(Picture(role=role, section=None, solution=None, failure=outcome.failure))
            continue
        try:
            section, solution = fields(task)
        except SolverError as error:
            pictures.append(Picture(role=role, section=None, solution=None, failure=str(error)))
            continue
        pictures.append(Picture(role=role, section=section, solution=solution,
                                failure=None if solution.percolates else solution.reason or "no current can pass"))
    return tuple(pictures)


def _field(spec: Spec, value: float | None) -> float | None:
    return None if value is None else objective.in_field_units(spec, value)
