"""The page: one HTML file that needs nothing else, readable on a wide screen and on a narrow one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ssbray import materials
from ssbray.campaign.report import page as campaign_page
from ssbray.campaign.report import tables
from ssbray.campaign.report.parts import card, figure, listing, paragraph
from ssbray.campaign.report.tables import text
from ssbray.study.claims import Row
from ssbray.study.diary import Content
from ssbray.study.report import claims_table, provenance, roles, story
from ssbray.study.report.captions import CAPTIONS
from ssbray.study.report.limits import LIMITS
from ssbray.study.spec import Study

STYLE = campaign_page.STYLE + "\n" + claims_table.STYLE + """
.tally{font-size:1.08rem;max-width:58rem}dl{max-width:52rem;display:grid;grid-template-columns:9rem 1fr;gap:.25rem 1rem}
dt{font-weight:600}dd{margin:0}
@media(max-width:700px){dl{display:block}dd{margin:0 0 .5rem}}
"""


def page(study: Study, found: Mapping[str, Content], rows: Sequence[Row], figures: Mapping[str, bytes]) -> str:
    """HTML of the report; `figures` are PNGs by name."""
    pictures = {name: figure(CAPTIONS[name], content) for name, content in figures.items()}
    known = materials.load(study.aware.materials or None)
    parts = [
        f"<h1>Study {text(study.name)}</h1>",
        f'<p class="headline">{text(story.headline(found["gain"]))}</p>',
        paragraph(story.BACKGROUND),
        f'<p class="tally">{text(story.tally(rows))} Everything here is virtual: nothing was measured.</p>',
        claims_table.strip(rows),
        '<div class="cards">',
        card("What was asked", paragraph(story.asked(study, found))),
        card("What was found", listing(map(text, story.answers(study, found, known)))),
        card("How sure it is", "".join(map(paragraph, story.certainty(study, found)))),
        card("What it is not", listing(text(short) for short, _ in LIMITS)
              + '<p><a href="#limits">What each of these means</a></p>', "not"),
        "</div>",
        "<h2>The words</h2>",
        "<dl>" + "".join(f"<dt>{text(word)}</dt><dd>{text(meaning)}.</dd>" for word, meaning in story.GLOSSARY)
        + "</dl>",
        "<h2>The claims</h2>",
        claims_table.html(rows),
        *(pictures[name] for name in CAPTIONS if name in pictures),
        "<h2>The three designs</h2>",
        _designs(study, found),
        '<h2 id="limits">Limits</h2>',
        listing(f"<strong>{text(short)}</strong> {text(long)}" for short, long in LIMITS),
        "<h2>Provenance</h2>",
        tables.table(["", ""], provenance.rows(study, found["about"]), "Origin of every number on this page", "long"),
        "<p>To reproduce: <code>ssbray study run STUDY.yaml</code> with the document below as STUDY.yaml; the same "
        "command goes on where it was stopped. Each row of the claims names its files in <code>stages/</code>, and "
        "these name their solves in <code>ledger.sqlite</code>.</p>",
        "<details><summary>The study: everything that decides the result</summary>"
        f"<pre>{escape(provenance.document(study))}</pre></details>",
    ]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Study {text(study.name)}</title><style>{STYLE}</style></head>\n<body><main>\n"
            + "\n".join(parts) + "\n</main></body></html>\n")


def _designs(study: Study, found: Mapping[str, Content]) -> str:
    """Parameters and results of the three, side by side."""
    kept = found["gain"]["designs"]
    shown = [{**kept[role], "role": roles.PLAIN[role]} for role in roles.ORDER if role in kept]
    return tables.designs(study.aware, shown, "Geometric means over the fresh specimens, by all laws")
