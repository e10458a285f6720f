"""What the campaigns' best designs are worth under all laws, on the same fresh specimens, and under other priors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssbray.campaign import objective
from ssbray.campaign.confirm import Confirmed, describe, gain, standing
from ssbray.campaign.spec import Spec, parse
from ssbray.specimen.laws import load as load_laws
from ssbray.study.spec import PriorsSection
from ssbray.study.tools import Tools


def measure(spec: Spec, designs: Mapping[str, Mapping[str, Any]], specimens: int, store: Path, tools: Tools,
            what: str = "designs compared") -> dict[str, Confirmed]:
    """Solve designs on specimens that no campaign has used; the same seeds for all."""
    wanted = {role: objective.tasks(spec, dict(parameters), purpose="study specimen", count=specimens)
              for role, parameters in designs.items()}
    outcomes = tools.solve(store, [task for tasks in wanted.values() for task in tasks], what)
    found = {}
    for k, (role, parameters) in enumerate(designs.items()):
        found[role] = Confirmed(role=role, parameters=dict(parameters),
                                outcomes=tuple(outcomes[k * specimens : (k + 1) * specimens]))
    return found


def compare(spec: Spec, designs: Mapping[str, Mapping[str, Any]], best: str, specimens: int, store: Path, tools: Tools
            ) -> dict[str, Any]:
    """Each design in the keys of a campaign's summary, and the gain of `best` over each of the others."""
    found = measure(spec, designs, specimens, store, tools)
    gains = {}
    for role, each in found.items():
        if role != best:
            percent, interval = gain(found[best], each)
            gains[role] = {"percent": percent, "interval90": interval}
    return {"designs": {role: describe(spec, each) for role, each in found.items()}, "gain_over": gains,
            "specimens": specimens}


def sensitivity(content: Mapping[str, Any], designs: Mapping[str, Mapping[str, Any]], best: str, priors: PriorsSection,
                store: Path, tools: Tools) -> dict[str, Any]:
    """Gain of `best` over the other designs where one process law is another than its prior's centre.

    content : the campaign's spec, as a mapping.
    """
    laws = load_laws(dict(content.get("laws", {})) or None)
    rows = []
    for name, ends, move in [*((name, ends, "factor") for name, ends in priors.factors.items()),
                             *((name, ends, "shift") for name, ends in priors.shifts.items())]:
        centre = float(getattr(laws, name))
        for end in ends:
            value = centre * end if move == "factor" else centre + end
            spec = parse({"name": "prior", **content, "laws": {**content.get("laws", {}), name: value}})
            found = measure(spec, designs, priors.specimens, store, tools, f"prior {name}")
            over = {role: gain(found[best], each)[0] for role, each in found.items() if role != best}
            asr = {role: describe(spec, each)["asr_ohm_cm2"] for role, each in found.items()}
            rows.append({"law": name, "centre": centre, "value": value, "gain_over_percent": over, "asr_ohm_cm2": asr,
                         "still_best": standing(spec, found[best]) >= max(
                             standing(spec, each) for each in found.values())})
    return {"rows": rows, "specimens": priors.specimens}
