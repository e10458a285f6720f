"""From the solves of a design's specimens to the one number that the search lowers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssbray import rng
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A design's cost: the mean over its specimens of ln(ASR) or of -ln(conductivity); None if it failed."""

    value: float | None
    spread: float = 0.0  #: standard deviation between specimens
    failure: str | None = None
    keys: tuple[str, ...] = ()  #: of the solves behind it


def tasks(spec: Spec, point: dict[str, Any], *, purpose: str = "specimen", count: int | None = None, kind: str = "solve"
          ) -> list[Task]:
    """The specimens of a design. Every design gets the same seeds, so that designs are compared on equal ground."""
    parameters = spec.design(point).model_dump()
    return [Task(kind=kind, parameters=parameters, seed=rng.subseed(spec.seed, purpose, k),  # type: ignore[arg-type]
                 size_nm=spec.specimen.size_nm, pixel_size_nm=spec.specimen.pixel_size_nm,
                 temperature_C=spec.conditions.temperature_C, rtol=spec.truth.rtol,
                 materials=spec.materials, laws=spec.laws)
            for k in range(spec.specimen.replicates if count is None else count)]


def evaluation(spec: Spec, outcomes: Sequence[Outcome]) -> Evaluation:
    """Judge a design by its specimens; one that does not conduct, or was not solved, fails the design."""
    keys = tuple(outcome.key for outcome in outcomes)
    for outcome in outcomes:
        if not outcome.ok:
            return Evaluation(value=None, failure=outcome.failure, keys=keys)
        if not outcome.values["percolates"]:
            return Evaluation(value=None, failure=f"does not percolate: {outcome.values['reason']}", keys=keys)
    costs = np.array([cost(spec, math.log(outcome.values["sigma_eff_S_per_cm"])) for outcome in outcomes])
    spread = float(costs.std(ddof=1)) if len(costs) > 1 else 0.0
    return Evaluation(value=float(costs.mean()), spread=spread, keys=keys)


def cost(spec: Spec, ln_sigma_S_per_cm: float) -> float:
    """Cost of one specimen from its conductivity; for a fixed thickness ASR and conductivity say the same."""
    if spec.objective.name == "asr_ohm_cm2":
        return math.log(spec.specimen.size_nm[1] * 1e-7) - ln_sigma_S_per_cm
    return -ln_sigma_S_per_cm


def in_field_units(spec: Spec, value: float) -> float:
    """Geometric mean of the objective's quantity, from a cost."""
    return math.exp(value) if spec.objective.name == "asr_ohm_cm2" else math.exp(-value)
