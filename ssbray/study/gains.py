"""What the campaigns' best designs are worth under all laws, on the same fresh specimens, and under other priors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssbray.campaign import objective
from ssbray.campaign.confirm import Confirmed, describe, gain, standing
from ssbray.campaign.spec import Spec
from ssbray.specimen.laws import load as load_laws
from ssbray.study.spec import Study, changes
from ssbray.study.tools import Tools

Designs = Mapping[str, Mapping[str, Any]]  #: role -> process parameters


def measure(worlds: Sequence[Spec], designs: Designs, specimens: int, store: Path, tools: Tools, what: str
            ) -> list[dict[str, Confirmed]]:
    """Solve designs in each world on specimens that no campaign has used; the same seeds for all."""
    wanted = [(spec, role, dict(parameters)) for spec in worlds for role, parameters in designs.items()]
    outcomes = tools.solve(store, [task for spec, _, parameters in wanted for task in objective.tasks(
        spec, parameters, purpose="study specimen", count=specimens)], what)
    found = [Confirmed(role=role, parameters=parameters, outcomes=tuple(outcomes[k * specimens : (k + 1) * specimens]))
             for k, (_, role, parameters) in enumerate(wanted)]
    return [{each.role: each for each in found[k : k + len(designs)]} for k in range(0, len(found), len(designs))]


def compare(spec: Spec, designs: Designs, best: str, specimens: int, store: Path, tools: Tools
            ) -> dict[str, Any]:
    """Each design in the keys of a campaign's summary, and the gain of `best` over each of the others."""
    (found,) = measure([spec], designs, specimens, store, tools, "designs compared")
    gains = {}
    for role, each in found.items():
        if role != best:
            percent, interval = gain(found[best], each)
            gains[role] = {"percent": percent, "interval90": interval}
    return {"designs": {role: describe(spec, each) for role, each in found.items()}, "gain_over": gains,
            "specimens": specimens}


def sensitivity(study: Study, designs: Designs, best: str, store: Path, tools: Tools) -> dict[str, Any]:
    """Gain of `best` over the other designs where one process law is another than its prior's centre."""
    laws = load_laws(study.aware.laws or None)
    given = changes(study)
    worlds = [study.world(name, value) for name, value in given]
    measured = measure(worlds, designs, study.priors.specimens, store, tools, "other priors")
    rows = []
    for (name, value), spec, found in zip(given, worlds, measured, strict=True):
        over = {role: gain(found[best], each)[0] for role, each in found.items() if role != best}
        own = standing(spec, found[best])
        rows.append({"law": name, "centre": float(getattr(laws, name)), "value": value, "gain_over_percent": over,
                     "asr_ohm_cm2": {role: describe(spec, each)["asr_ohm_cm2"] for role, each in found.items()},
                     "still_best": math.isfinite(own) and own <= min(standing(spec, each) for each in found.values())})
    return {"rows": rows, "specimens": study.priors.specimens}
