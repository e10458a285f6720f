"""What a campaign will cost, before it is run."""

from __future__ import annotations

from typing import Any

from ssbray.campaign import objective
from ssbray.campaign.loop import solves_planned
from ssbray.campaign.progress import price
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import evaluate
from ssbray.errors import InputError


def measured_seconds(spec: Spec, solves: int = 2) -> float:
    """Seconds of a solve of the reference design on this machine, once everything is loaded."""
    seconds = []
    for task in objective.tasks(spec, spec.reference, purpose="estimate", count=1 + solves):
        outcome = evaluate(task)
        if not outcome.ok:
            raise InputError("reference", spec.name, f"cannot be solved ({outcome.failure})")
        seconds.append(outcome.seconds)
    return sum(seconds[1:]) / solves


def estimate(spec: Spec, seconds_per_solve: float, solvers: int) -> dict[str, Any]:
    """Solves, core hours, wall hours and price; an upper bound, as no design is taken to come twice.

    Screening's graphs and training are not in it.
    """
    solves = solves_planned(spec)
    core_hours = solves * seconds_per_solve * spec.cluster.cpus_per_solver / 3600
    return {"name": spec.name, "evaluations": spec.evaluations, "fe_solves": solves,
            "seconds_per_solve": seconds_per_solve, "core_hours": core_hours, "solvers": solvers,
            "wall_hours": solves * seconds_per_solve / solvers / 3600,
            "price_per_core_hour": spec.cluster.price_per_core_hour, "price": price(spec, core_hours)}
