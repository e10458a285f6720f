"""Specimens as they come out of the microscope: rendered, segmented, and then solved on what the segmenter found."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ssbray.analysis.draws import likely, restricted
from ssbray.analysis.sheet import material_map, sheet_of
from ssbray.campaign import imaging
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task, evaluate, section, solved, tables_of
from ssbray.codeversion import code_version
from ssbray.errors import InputError
from ssbray.segmentation import Segmenter


def through(task: Task, spec: Spec, segmenter: Segmenter) -> Task:
    """The same specimen, seen through the microscope of the spec and a segmenter."""
    code = code_version(("analysis", "segmentation", "microscope"), ("campaign/imaging.py", "campaign/through.py"))
    return replace(task, seen={"segmenter": segmenter.version, "microscope": spec.microscope, "code": code})


@dataclass(frozen=True)
class Seen:
    """Evaluates tasks with the segmenter in a directory that every worker can read; others as they are."""

    place: str

    def __call__(self, task: Task) -> Outcome:
        """Solve the map that the segmenter takes for the most probable; its labels are of the image, not of the truth.

        Raises
        ------
        InputError : the directory holds another segmenter than the task names.
        """
        if not task.seen:
            return evaluate(task)
        started = time.perf_counter()
        model = _loaded(self.place)
        if model.version != task.seen["segmenter"]:
            raise InputError("--segmenter", self.place, f"is version {model.version}, the tasks name "
                             f"{task.seen['segmenter']}: restore it, or name another directory for the data")
        true = section(task)
        made = imaging.image(task, true, task.seen["microscope"], imaging.Place(stem="specimen", sample="specimen"))
        sheet = sheet_of(made.micrograph, {}, tables_of(task))
        found = likely(restricted(model.segment(made.micrograph), sheet.absent))
        phase_map = material_map(found.labels, found.phases, sheet, found.pixel_size_nm, found.grains)
        outcome = solved(task, phase_map, started)
        if not outcome.ok:
            return outcome
        about: dict[str, Any] = {"true_fractions": {name: true.fraction(name) for name in true.phases}}
        return replace(outcome, values={**outcome.values, **about})


@cache
def _loaded(place: str) -> Segmenter:
    return Segmenter.load(place)
