"""The page: one HTML file that needs nothing else, readable on a wide screen and on a narrow one."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from ssbray import materials
from ssbray.campaign.report import page as campaign_page
from ssbray.campaign.report import tables
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
    pictures = {name: _figure(name, content) for name, content in figures.items()}
    known = materials.load(study.aware.materials or None)
    parts = [
        f"<h1>Study {text(study.name)}</h1>",
        f'<p class="headline">{text(story.headline(found["gain"]))}</p>',
        _paragraph(story.BACKGROUND),
        f'<p class="tally">{text(story.tally(rows))} Everything here is virtual: nothing was measured.</p>',
        claims_table.strip(rows),
        '<div class="cards">',
        _card("What was asked", _paragraph(story.asked(study, found))),
        _card("What was found", _list(map(text, story.answers(study, found, known)))),
        _card("How sure it is", "".join(map(_paragraph, story.certainty(study, found)))),
        _card("What it is not", _list(text(short) for short, _ in LIMITS)
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
        _list(f"<strong>{text(short)}</strong> {text(long)}" for short, long in LIMITS),
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


def _figure(name: str, png: bytes) -> str:
    heading, caption, alt = CAPTIONS[name]
    image = base64.b64encode(png).decode()
    return (f'<figure class="medium"><h2>{text(heading)}</h2>'
            f'<div class="wide"><img alt="{text(alt)}" src="data:image/png;base64,{image}"></div>'
            f"<figcaption>{text(caption)}</figcaption></figure>")


def _card(title: str, body: str, kind: str = "") -> str:
    return f'<section class="{kind}"><h3>{text(title)}</h3>{body}</section>'


def _paragraph(words: str) -> str:
    return f"<p>{text(words)}</p>"


def _list(entries: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"
