"""From the solves of a design's specimens to the one number that the search lowers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssbray import materials, rng
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Task
from ssbray.specimen import structure
from ssbray.specimen.laws import load as load_laws


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A design's cost: the mean (or a quantile) over its specimens of ln(ASR) or -ln(conductivity), and the penalty.

    None if it failed.
    """

    value: float | None
    spread: float = 0.0  #: standard deviation between specimens
    failure: str | None = None
    keys: tuple[str, ...] = ()  #: of the solves behind it
    violation: float = 0.0  #: of the constraints; a design that breaks one has no value


def tasks(spec: Spec, point: dict[str, Any], *, purpose: str = "specimen", count: int | None = None, kind: str = "solve"
          ) -> list[Task]:
    """The specimens of a design. Every design gets the same seeds, so that designs are compared on equal ground."""
    parameters = spec.design(point).model_dump()
    return [Task(kind=kind, parameters=parameters, seed=rng.subseed(spec.seed, purpose, k),  # type: ignore[arg-type]
                 size_nm=spec.specimen.size_nm, pixel_size_nm=spec.specimen.pixel_size_nm,
                 temperature_C=spec.conditions.temperature_C, rtol=spec.truth.rtol,
                 materials=spec.materials, laws=spec.laws)
            for k in range(spec.specimen.replicates if count is None else count)]


def violation(spec: Spec, point: dict[str, Any]) -> float:
    """By how much a design breaks the constraints, by the process laws: the sum of relative excesses, zero if none."""
    limits = spec.objective.constraints.model_dump(exclude_none=True)
    if not limits:
        return 0.0
    made = structure(spec.design(point), load_laws(spec.laws or None), materials.load(spec.materials or None))
    values = {"porosity": made.porosity, "reaction_layer_nm": made.reaction_thickness_nm,
              "coating_layer_nm": made.coating_thickness_nm}
    return sum(max(0.0, values[name] / limit - 1) for name, limit in limits.items())


def risk(spec: Spec, costs: Sequence[float]) -> float:
    """One cost from those of a design's specimens: their mean, or the quantile that the spec asks for.

    Between specimens a quantile is interpolated, so that of two specimens 0.5 is the mean, and of few
    specimens a high one is nearly the worst.
    """
    if not np.isfinite(costs).all():
        return math.inf
    level = spec.objective.risk
    return float(np.mean(costs)) if level is None else float(np.quantile(costs, level))


def cost(spec: Spec, ln_sigma_S_per_cm: float) -> float:
    """Cost of one specimen from its conductivity; for a fixed thickness ASR and conductivity say the same."""
    if spec.objective.name == "asr_ohm_cm2":
        return math.log(spec.specimen.size_nm[1] * 1e-7) - ln_sigma_S_per_cm
    return -ln_sigma_S_per_cm


def in_field_units(spec: Spec, value: float) -> float:
    """Geometric mean of the objective's quantity, from a cost."""
    return math.exp(value) if spec.objective.name == "asr_ohm_cm2" else math.exp(-value)
