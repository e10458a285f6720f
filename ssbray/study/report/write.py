"""From a finished study's directory to its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ssbray.campaign.report import style
from ssbray.files import write_bytes
from ssbray.study import claims
from ssbray.study.diary import Content
from ssbray.study.report import figures
from ssbray.study.report.page import page
from ssbray.study.spec import Study


def write(directory: Path, study: Study, found: Mapping[str, Content]) -> Path:
    """Write `report.html` and `figures/*.png` into a study's directory; returns the page.

    Parameters
    ----------
    directory : of the study, with its micrographs, segmenter and campaigns.
    found : content of every stage, as `ssbray.study.run` returned it.

    A file appears whole or not at all.
    """
    rows = claims.rows(study, found)
    images = {name: style.png(figure) for name, figure in figures.draw(directory, study, found).items()}
    html = page(study, found, rows, images)
    for name, content in images.items():
        write_bytes(directory / "figures" / f"{name}.png", content)
    write_bytes(directory / "report.html", html.encode())
    return directory / "report.html"
