"""Finalists and reference on fresh specimens: the gain, with an interval that the search cannot have flattered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from ssbray.annealing import Point
from ssbray.campaign import objective
from ssbray.campaign.objective import Evaluation
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome


@dataclass(frozen=True, eq=False, kw_only=True)
class Confirmed:
    """A design solved on specimens that no step of the search has seen."""

    role: str  #: "best", "reference", "best without its coating", "finalist"
    parameters: dict[str, Any]
    outcomes: tuple[Outcome, ...]

    @property
    def ln_sigma(self) -> np.ndarray:
        """ln of conductivity in S/cm per specimen, (n,); -inf where nothing percolates, NaN where it was not solved."""
        return np.array([_ln(outcome) for outcome in self.outcomes])


def _ln(outcome: Outcome) -> float:
    if not outcome.ok:
        return math.nan
    value = outcome.values["sigma_eff_S_per_cm"]
    return math.log(value) if value > 0 else -math.inf


def finalists(spec: Spec, evaluated: Sequence[tuple[Point, Evaluation]]) -> list[dict[str, Any]]:
    """Best distinct designs of the search, best first."""
    ranked = sorted(((result.value, point) for point, result in evaluated if result.value is not None),
                    key=lambda pair: pair[0])
    chosen: list[dict[str, Any]] = []
    for _, point in ranked:
        parameters = spec.design(point).model_dump()
        if parameters not in chosen:
            chosen.append(parameters)
        if len(chosen) == spec.confirm.designs:
            break
    return chosen


def describe(spec: Spec, design: Confirmed) -> dict[str, Any]:
    """A confirmed design in the keys of the summary; the interval is for the geometric mean over specimens."""
    failures = [outcome.failure for outcome in design.outcomes if not outcome.ok]
    ln_sigma = design.ln_sigma[~np.isnan(design.ln_sigma)]
    conducts = len(ln_sigma) > 1 and bool(np.isfinite(ln_sigma).all())
    mean = float(ln_sigma.mean()) if conducts else -math.inf
    value = objective.cost(spec, mean) if conducts else math.inf
    sigma = math.exp(mean)
    half = _half_width(ln_sigma) if conducts else math.nan
    budgets = [outcome.values["budget"] for outcome in design.outcomes if outcome.ok and outcome.values["percolates"]]
    names = sorted({name for budget in budgets for name in budget})
    return {
        "role": design.role,
        "parameters": design.parameters,
        "objective": objective.in_field_units(spec, value) if conducts else None,
        "sigma_eff_S_per_cm": sigma if len(ln_sigma) else None,
        "asr_ohm_cm2": spec.specimen.size_nm[1] * 1e-7 / sigma if conducts else None,
        "interval90": [math.exp(mean - half), math.exp(mean + half)] if conducts else None,
        "specimens": len(ln_sigma),
        "failures": failures,
        "violation": objective.violation(spec, design.parameters),
        "budget": {name: float(np.mean([budget.get(name, 0.0) for budget in budgets])) for name in names},
        "solves": [outcome.key for outcome in design.outcomes],
    }


def standing(spec: Spec, design: Confirmed) -> float:
    """Risk over the specimens that could be solved, the less the better; infinite if one blocks, or none was solved."""
    solved = design.ln_sigma[~np.isnan(design.ln_sigma)]
    return objective.risk(spec, [objective.cost(spec, float(each)) for each in solved]) if len(solved) else math.inf


def noise(spec: Spec, designs: Sequence[Confirmed]) -> dict[str, Any] | None:
    """How much specimens of one design differ by chance, pooled over designs; None where none conducts throughout.

    `spread_percent` is one standard deviation. In `band90_percent` lies nine times in ten the apparent
    gain of a design over itself, each measured once on `replicates` specimens of its own.
    """
    good = [design.ln_sigma for design in designs if len(design.outcomes) > 1 and np.isfinite(design.ln_sigma).all()]
    if not good:
        return None
    freedom = sum(len(each) - 1 for each in good)
    spread = math.sqrt(sum(float(((each - each.mean()) ** 2).sum()) for each in good) / freedom)
    half = float(student.ppf(0.95, freedom)) * spread * math.sqrt(2 / spec.specimen.replicates)
    return {"spread_percent": 100 * math.expm1(spread),
            "band90_percent": [100 * math.expm1(-half), 100 * math.expm1(half)],
            "replicates": spec.specimen.replicates}


def gain(best: Confirmed, reference: Confirmed) -> tuple[float | None, list[float] | None]:
    """Gain in conductivity [%] and its 90 % interval, from the ratios on equal specimens; None if one blocks.

    Specimens that could not be solved for both designs do not count.
    """
    solved = ~np.isnan(best.ln_sigma) & ~np.isnan(reference.ln_sigma)
    if solved.sum() < 2 or not np.isfinite(best.ln_sigma[solved] + reference.ln_sigma[solved]).all():
        return None, None
    ratio = (best.ln_sigma - reference.ln_sigma)[solved]
    mean, half = float(ratio.mean()), _half_width(ratio)
    return 100 * math.expm1(mean), [100 * math.expm1(mean - half), 100 * math.expm1(mean + half)]


def _half_width(values: np.ndarray) -> float:
    """Half width of the 90 % t-interval of a mean."""
    return float(student.ppf(0.95, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
