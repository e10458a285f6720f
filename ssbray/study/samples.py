"""Samples, the locations on them, and the conditions under which each is solved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ssbray import rng
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Task
from ssbray.study.spec import ImagesSection, Study


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One location on one sample."""

    stem: str
    sample: str
    location: int
    task: Task  #: its true map, at its conditions


def sights(study: Study) -> list[Sight]:
    """Every location of every sample; samples differ in processing, locations in their seed and conditions."""
    spec, wanted = study.imaged, study.images
    space, found = spec.space, []
    width = max(3, len(str(wanted.samples - 1)))
    for k in range(wanted.samples):
        point = space.decode(rng.stream(study.seed, "sample", k).random(len(space)))
        for j in range(wanted.locations):
            sample = f"sample-{k:0{width}d}"
            task = conditioned(task_of(spec, point, rng.subseed(study.seed, "location", k, j)), wanted,
                               rng.subseed(study.seed, "conditions", k, j))
            found.append(Sight(stem=f"{sample}-{j:02d}", sample=sample, location=j, task=task))
    return found


def fresh(spec: Spec, wanted: ImagesSection | None, count: int, seed: int, purpose: str) -> list[Task]:
    """Specimens of samples that nothing was learnt from, one of each; at drawn conditions where `wanted` gives them."""
    space, found = spec.space, []
    for k in range(count):
        point = space.decode(rng.stream(seed, f"{purpose} sample", k).random(len(space)))
        task = task_of(spec, point, rng.subseed(seed, f"{purpose} specimen", k))
        if wanted is not None:
            task = conditioned(task, wanted, rng.subseed(seed, f"{purpose} conditions", k))
        found.append(task)
    return found


def task_of(spec: Spec, point: Mapping[str, Any], seed: int) -> Task:
    """Solve of one specimen of a design."""
    return Task(kind="solve", parameters=spec.design(dict(point)).model_dump(), seed=seed,
                size_nm=spec.specimen.size_nm, pixel_size_nm=spec.specimen.pixel_size_nm,
                temperature_C=spec.conditions.temperature_C, rtol=spec.truth.rtol,
                materials=spec.materials, laws=spec.laws)


def conditioned(task: Task, wanted: ImagesSection, seed: int) -> Task:
    """The same specimen at a temperature and with a charge-transfer resistance drawn for it."""
    random = rng.stream(seed, "conditions")
    cold, hot = wanted.temperature_C
    low, high = (math.log(value) for value in wanted.charge_transfer_ohm_cm2)
    resistance = float(f"{math.exp(low + (high - low) * random.random()):.4g}")
    tables = dict(task.materials)
    interfaces = {name: dict(entry) for name, entry in dict(tables.get("interfaces", {})).items()}
    interfaces.setdefault("charge transfer", {})["asr_25C_ohm_cm2"] = {
        "value": resistance, "standing": "assumption", "source": "drawn for this micrograph"}
    return replace(task, temperature_C=round(cold + (hot - cold) * random.random(), 2),
                   materials={**tables, "interfaces": interfaces})


def charge_transfer(task: Task) -> float:
    """Resistance of charge transfer at 25 C that a conditioned task has [ohm cm2]."""
    return float(task.materials["interfaces"]["charge transfer"]["asr_25C_ohm_cm2"]["value"])


def of(all_sights: Sequence[Sight], stems: Sequence[str]) -> list[Sight]:
    """The sights of these stems, in the order of all."""
    chosen = set(stems)
    return [each for each in all_sights if each.stem in chosen]
