"""The page: one HTML file that needs nothing else, readable on a wide screen and on a narrow one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import yaml

from ssbray.campaign.report import story, tables
from ssbray.campaign.report.evidence import Evidence
from ssbray.campaign.report.parts import card, figure, listing, paragraph
from ssbray.campaign.report.tables import text
from ssbray.materials import Materials

RUNNERS_UP = 4  #: finalists in the table, beside the best
STYLE = """
body{font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:#222;background:#fff;margin:0}
main{max-width:1100px;margin:0 auto;padding:1rem 1.25rem 4rem}
p,ul{max-width:46rem}
h1{font-size:1.15rem;font-weight:600;color:#555;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.6rem 0 .5rem;border-bottom:1px solid #ddd;padding-bottom:.25rem}
h3{font-size:1rem;margin:0 0 .3rem}
.headline{font-size:1.5rem;line-height:1.3;font-weight:600;margin:.25rem 0 .8rem;max-width:58rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:.9rem;margin:1rem 0}
.cards section{border:1px solid #ddd;border-left:4px solid #0072B2;border-radius:4px;padding:.6rem .9rem}
.cards section{font-size:.93rem;line-height:1.45}.cards section.not{border-left-color:#D55E00}
.cards p{margin:.3rem 0}.cards ul{margin:.3rem 0;padding-left:1.1rem}
figure{margin:1.75rem 0}figcaption{max-width:46rem;margin-top:.5rem}
figure img{display:block;width:100%;height:auto}
.wide{overflow-x:auto;margin:.4rem 0 1.4rem}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem 0}
td,th{padding:.3rem .7rem;border-bottom:1px solid #e5e5e5;text-align:left;vertical-align:top}
th{font-weight:500}tbody th{padding-left:0}thead th{border-bottom:2px solid #999;font-weight:600}
table.long td{overflow-wrap:anywhere}
code,pre{font:.85rem/1.45 ui-monospace,"DejaVu Sans Mono",monospace}
pre{overflow-x:auto;background:#f6f6f6;padding:.8rem}
@media(max-width:700px){.headline{font-size:1.25rem}figure img{width:740px}figure.large img{width:1050px}
td,th{padding:.3rem .35rem}table{font-size:.82rem}
figcaption::before{content:"Swipe the picture sideways. ";font-weight:600}}
""".strip()

#: name of a figure -> heading, caption (one sentence on how to read it), alternative text
CAPTIONS = {
    "specimens": (
        "Reference and best design side by side",
        "The same virtual specimen made both ways, with the resistance of this specimen beside it, electrolyte above "
        "and cathode below; a colour means the same in both rows of a column, bright places in the last column are "
        "where the resistance sits, and thin interfaces (grain boundaries, charge transfer, layers thinner than three "
        "pixels) are not in that column but in the budget below.",
        "Two rows of four maps, reference above and best below: phases, potential, current density, power."),
    "budget": (
        "Where the resistance sits",
        "Each group of bars is one phase or interface and each bar one design; the numbers at the bars add up to the "
        "resistance of the design (where the axis is logarithmic, lengths are not in proportion).",
        "Horizontal bars of resistance by phase and interface for the designs of the table."),
    "trace": (
        "How the search went",
        "Each point is one design in the order of the search, filled where a chain moved to it and hollow where it did "
        "not; the line is the best so far, the dashed line the reference on its fresh specimens, and the lower panel "
        "the temperature in units of the spread of the initial designs: the lower, the fewer steps uphill are taken.",
        "Objective against evaluation number, with the temperature below."),
    "parameters": (
        "Parameters against the objective",
        "Each panel shows all designs of the search against one parameter: a clear trend means that the parameter "
        "matters, but later designs crowd around the best one because the search went there.",
        "One small panel per searched parameter, with the objective on the vertical axis."),
    "predicted": (
        "Predicted against computed",
        "A point on the line is predicted exactly, and nine in ten bars should cross it; the right panel shows the "
        "same predictions as a ratio, specimen by specimen.",
        "Predicted against computed conductivity of fresh specimens with 90 % intervals, and their ratio."),
}


def page(evidence: Evidence, designs: Sequence[Mapping[str, Any]], figures: Mapping[str, bytes], materials: Materials
         ) -> str:
    """HTML of the report; `figures` are PNGs by name, `designs` those of the comparison, reference first."""
    spec, summary = evidence.spec, evidence.summary
    pictures = {name: figure(CAPTIONS[name], content, "large" if name == "specimens" else "medium")
                for name, content in figures.items()}
    best_first = [designs[1], designs[0], *designs[2:]]
    finalists = [designs[1], *summary["finalists"][:RUNNERS_UP]]
    parts = [
        f"<h1>Campaign {text(summary['name'])}</h1>",
        f'<p class="headline">{text(story.headline(summary))}</p>',
        paragraph(story.BACKGROUND),
        '<div class="cards">',
        card("What was searched", paragraph(story.searched(spec, summary))),
        card("What was found", "".join(map(paragraph, story.found(evidence, designs, materials)))),
        card("How sure it is", paragraph(story.certainty(summary)) + paragraph(story.beside(summary))),
        card("What it is not", listing(text(short) for short, _ in story.LIMITS)
              + '<p><a href="#limits">What each of these means</a></p>', "not"),
        "</div>",
        "<h2>The designs</h2>",
        tables.designs(spec, best_first, "Geometric means over the fresh specimens"),
        tables.designs(spec, finalists, "The best design and the next best finalists, which "
                       "were measured on other specimens") if len(finalists) > 1 else "",
        *(pictures[name] for name in ("specimens", "budget", "trace", "parameters")),
        "<h2>How good the surrogate was</h2>",
        paragraph(" ".join(story.surrogate(evidence))),
        pictures["predicted"],
        '<h2 id="limits">Limits</h2>',
        listing(f"<strong>{text(short)}</strong> {text(long)}" for short, long in story.LIMITS),
        "<h2>Provenance</h2>",
        tables.provenance(spec, summary),
        f"<p>To reproduce: <code>ssbray campaign run SPEC --seed {spec.seed}</code> with the specification below as "
        "SPEC. An equal specification and seed give an equal trajectory sha256, whatever the number of workers.</p>",
        "<details><summary>The specification: everything that decides the result</summary>"
        f"<pre>{escape(_spec_text(evidence))}</pre></details>",
    ]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Campaign {text(summary['name'])}</title><style>{STYLE}</style></head>\n<body><main>\n"
            + "\n".join(parts) + "\n</main></body></html>\n")


def _spec_text(evidence: Evidence) -> str:
    """What decides the result; where it ran and who was told is nobody's business."""
    content = evidence.spec.model_dump(mode="json", exclude={"cluster", "tracking"}, exclude_none=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
