"""From a finished campaign's directory to its report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ssbray import materials
from ssbray.campaign.report import budget, evidence, parameters, predicted, specimens, style, trace
from ssbray.campaign.report.evidence import Fields
from ssbray.campaign.report.page import page
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import solve_again


def write(directory: Path, spec: Spec, summary: dict[str, Any], *, fields: Fields = solve_again) -> list[Path]:
    """Write `report.html` and `figures/*.png` into a campaign's directory; returns their paths, the page first.

    Parameters
    ----------
    directory : of the campaign, with its ledger.
    spec, summary : what was asked, and what `ssbray.campaign.run` returned.
    fields : phase map and solution of a task, for the pictures.

    A file appears whole or not at all.
    """
    found = evidence.gather(directory, spec, summary, fields)
    tables = materials.load(spec.materials)
    designs = compared(summary)
    figures = {
        "specimens": specimens.draw(found.pictures, tables),
        "budget": budget.draw(designs, tables),
        "trace": trace.draw(spec, summary, found.evaluated),
        "parameters": parameters.draw(spec, summary, found.evaluated),
        "predicted": predicted.draw(summary["surrogate"]["fresh_specimens"], summary["best"]["role"]),
    }
    images = {name: style.png(figure) for name, figure in figures.items()}
    html = page(found, designs, images, tables)
    folder = directory / "figures"
    folder.mkdir(exist_ok=True)
    written = [_put(folder / f"{name}.png", image) for name, image in images.items()]
    return [_put(directory / "report.html", html.encode()), *written]


def compared(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Reference, best, and the best without its coating if it has one."""
    designs = [{**summary["reference"], "role": "reference"}, {**summary["best"], "role": "best"}]
    if summary["best"]["parameters"]["coating"] != "bare":
        designs.append({**summary["best_without_coating"], "role": "best without its coating"})
    return designs


def _put(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    os.replace(draft, path)
    return path
