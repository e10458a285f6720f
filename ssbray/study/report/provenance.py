"""Where the numbers come from, and how to get them again."""

from __future__ import annotations

from typing import Any

import yaml

from ssbray.campaign.report import words
from ssbray.study.diary import Content
from ssbray.study.spec import Study

PRIVATE = ("cluster", "tracking")  #: where it ran and who was told is nobody's business


def rows(study: Study, about: Content) -> list[list[str]]:
    """Name and value of each fact, in the order of the page."""
    seconds = about["seconds"]
    return [["study", study.name], ["seed", str(study.seed)], ["sha256 of the study", str(about["digest"])],
            ["physics version", str(about["physics_version"])],
            *([f"model version, {name}", str(version)] for name, version in about["models"].items()),
            *([f"seconds, {name}", words.number(value)] for name, value in seconds.items()),
            ["seconds in all", words.number(sum(seconds.values()))],
            ["stages done in the last run", ", ".join(about["again"]) or "none: all were kept"]]


def document(study: Study) -> str:
    """The study as YAML: everything that decides the result."""
    content: dict[str, Any] = study.model_dump(mode="json")
    for section in ("samples", "campaign"):
        content[section] = {key: value for key, value in content[section].items() if key not in PRIVATE}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
