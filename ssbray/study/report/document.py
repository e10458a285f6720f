"""The table and the limits as Markdown, for the documentation."""

from __future__ import annotations

from collections.abc import Mapping

from ssbray.study import claims
from ssbray.study.diary import Content
from ssbray.study.report import claims_table, provenance, story
from ssbray.study.report.captions import CAPTIONS
from ssbray.study.report.limits import LIMITS
from ssbray.study.spec import Study


def markdown(study: Study, found: Mapping[str, Content], figures: Mapping[str, str] | None = None) -> str:
    """The study as one Markdown page.

    Parameters
    ----------
    figures : name of a figure of the report -> where it lies, seen from the page; none are shown without.
    """
    rows = claims.rows(study, found)
    facts = {name: value for name, value in provenance.rows(study, found["about"]) if not name.startswith("seconds,")}
    parts = [f"# The study {study.name}", story.headline(found["gain"]), story.BACKGROUND, story.tally(rows),
             story.asked(study, found), "## Claim by claim", claims_table.markdown(rows),
             "## How sure it is", "\n\n".join(story.certainty(study, found))]
    for name, path in (figures or {}).items():
        heading, caption, alt = CAPTIONS[name]
        parts += [f"## {heading}", f"![{alt}]({path})", caption]
    parts += ["## Limits", "\n".join(f"- **{short}** {long}" for short, long in LIMITS),
              "## Where it comes from", "\n".join(f"- {name}: {value}" for name, value in facts.items()),
              f"```sh\nssbray study run jobs/study.yaml\n```\n\nwrites `studies/{study.name}/report.html` with the "
              "figures, and keeps what every row rests on under `stages/`, by the names in the last column."]
    return "\n\n".join(parts) + "\n"
