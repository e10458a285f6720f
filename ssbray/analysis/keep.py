"""An analysis with its provenance: every number leads back to the pixels, and no map is solved twice."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ssbray import archive as store
from ssbray import materials
from ssbray.analysis.analyse import Analysis, Ask, analyse
from ssbray.analysis.propagate import solve_map
from ssbray.analysis.sheet import material_map, sheet_of
from ssbray.archive import Archive, Entry
from ssbray.codeversion import code_version
from ssbray.domain import Micrograph, PhaseMap, ThinLoss, TransportSolution
from ssbray.segmentation import Segmenter


def kept(directory: str, micrograph: Micrograph, model: Segmenter, ask: Ask, name: str) -> Analysis:
    """Analyse a micrograph, and keep sample, location, micrograph, segmentations and solutions in an archive.

    name : of the sample, where the micrograph's metadata name none.
    """
    tables = materials.load()
    sheet = sheet_of(micrograph, ask.phases or {}, tables)
    with Archive(directory) as archive:
        boundaries = {key: asr if math.isfinite(asr) else "blocks" for key, asr in sheet.boundaries.items()}
        inputs: dict[str, Any] = {"sheet": {**asdict(replace(sheet, boundaries={})), "boundaries": boundaries},
                                  "temperature_C": ask.temperature_C, "axis": ask.axis}
        version = code_version(("materials", "fea", "analysis", "segmentation"),
                               ("domain.py", "raster.py", "units.py", "microscope/classes.py"))

        made_by = model.version
        images: list[Entry] = []
        seen: list[str] = []

        def put(phase_map: PhaseMap) -> Entry:
            """Micrograph and map; called when there is nothing left that the user could have to mend."""
            if not images:
                images.append(store.put_micrograph(
                    archive, micrograph, sample=str(micrograph.metadata.get("sample", name)),
                    location=str(micrograph.metadata.get("location", "0"))))
            made = {"model": made_by, "seed": ask.seed, "dropout": ask.dropout, "draw": len(seen) or None}
            entry = store.put_segmentation(archive, phase_map, images, inputs=made, code=version)
            seen.append(entry.id)
            return entry

        def solver(phase_map: PhaseMap) -> TransportSolution:
            material_map(phase_map.labels, phase_map.phases, sheet, phase_map.pixel_size_nm, None)  # asks for a coating
            entry = put(phase_map)
            found = store.recall_solution(archive, [entry], inputs=inputs, code=version)
            if found is not None:
                return found
            solution = solve_map(phase_map, sheet, tables, ask.temperature_C, ask.axis)
            kept_part = solution if len(seen) == 1 else without_fields(solution)  # the first is the most probable map
            store.put_solution(archive, kept_part, [entry], inputs=inputs, code=version)
            return solution

        analysis = analyse(micrograph, model, ask, solver)
        if not seen:
            put(analysis.phase_map)
        return analysis


def without_fields(solution: TransportSolution) -> TransportSolution:
    """The numbers of a solution; the fields of a dozen drawn maps would fill the disk."""
    nothing, none = np.zeros((0, 0)), np.zeros(0, dtype=np.int64)
    return replace(solution, potential=nothing, current_density=np.zeros((2, 0, 0)), dissipation=nothing,
                   faces=ThinLoss(first=none, second=none, axis=none, across=np.zeros(0), along=np.zeros(0)))
