"""All figures of the page, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ssbray import materials
from ssbray.study.diary import Content
from ssbray.study.report import (
    blank,
    calibration,
    detection,
    micrographs,
    parity,
    priors,
    resistance,
    roles,
    searches,
    sights,
)
from ssbray.study.spec import Study


def draw(directory: Path, study: Study, found: Mapping[str, Content]) -> dict[str, Figure]:
    """Draw every figure; one whose content is missing says so in its place."""
    return {name: make() for name, make in makers(directory, study, found).items()}


def makers(directory: Path, study: Study, found: Mapping[str, Content]) -> dict[str, Callable[[], Figure]]:
    """What draws each figure, by its name."""
    aware, prediction, compared = study.aware, found["prediction"], found["gain"]
    designs = {role: compared["designs"][role] for role in roles.ORDER if role in compared["designs"]}
    return {
        "micrographs": lambda: _micrographs(directory, found),
        "searches": lambda: searches.figure(directory, aware, study.unaware, designs),
        "resistance": lambda: resistance.draw(designs, materials.load(aware.materials or None)),
        "priors": lambda: priors.draw(found["priors"], compared["gain_over"]),
        "detection": lambda: _detection(found["layer"]),
        "parity": lambda: parity.draw(prediction) if any(len(parity.points(each)[0]) for each in prediction.values())
        else blank.draw("No specimen that conducts was kept for the test."),
        "calibration": lambda: calibration.draw(prediction, found["segmentation"]),
    }


def _micrographs(directory: Path, found: Mapping[str, Content]) -> Figure:
    looks = sights.gather(directory, found)
    return micrographs.draw(looks) if looks else blank.draw(
        "The micrographs and the segmenter are not in the study's directory, or none is of the test samples.")


def _detection(layer: Content) -> Figure:
    if layer["with"] and layer["without"]:
        return detection.draw(layer)
    return blank.draw(f"No specimen with {layer['phase']}, or none without it, could be judged.")
