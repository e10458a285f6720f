"""Process parameters to virtual specimens to an answer: nothing is solved, and nothing is seen."""

import math
from typing import Any

import numpy as np

from ssbray import campaign
from ssbray.campaign import objective, section
from ssbray.errors import InputError
from ssbray.service.asked import Question
from ssbray.service.models import Oracle


class Designs:
    """The specimens of one spec, and what the surrogate says of them."""

    def __init__(self, spec: str) -> None:
        self._spec = campaign.load(spec)

    @property
    def search(self) -> dict[str, Any]:
        """The search space of the spec, as plain data."""
        return {name: entry.model_dump(mode="json") for name, entry in self._spec.search.items()}

    def answer(self, parameters: dict[str, Any], oracle: Oracle) -> dict[str, Any]:
        """Predict a design: the geometric mean over its specimens, with the spread between them in its deviation."""
        tasks = objective.tasks(self._spec, parameters, purpose="served specimen", kind="graph")
        graphs = [outcome.graph for outcome in map(campaign.evaluate, tasks) if outcome.graph is not None]
        told = []
        for one in oracle.foretell([Question(graph=one) for one in graphs]):
            if isinstance(one, InputError):
                raise one
            told.append(one)
        moments = {name: np.array([one["moments_ln_S_per_m"][name] for one in told])
                   for name in ("mean", "epistemic", "aleatoric")}
        worst = min(told, key=lambda one: one["anomaly"]["p_value"])
        phase_map = section(tasks[0])
        sigma: dict[str, Any] = {"mean": 0.0, "std": 0.0, "interval90": [0.0, 0.0]}
        if np.isfinite(moments["mean"]).all():
            centre = float(moments["mean"].mean()) - math.log(100.0)
            spread = math.sqrt(float(np.mean(moments["epistemic"]**2 + moments["aleatoric"]**2)
                                     + moments["mean"].var()))
            mean, reach = math.exp(centre), oracle.model.calibration.reach * spread
            sigma = {"mean": mean, "std": mean * spread,
                     "interval90": [math.exp(centre - reach), math.exp(centre + reach)]}
        return {"model_version": oracle.version, "sigma_eff_S_per_cm": sigma, "anomaly": worst["anomaly"],
                "phase_fraction": {name: phase_map.fraction(name) for name in phase_map.phases},
                "in_domain": all(one["in_domain"] for one in told), "specimens": len(told)}
