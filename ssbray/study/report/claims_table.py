"""The table of claims for the page and for Markdown: a verdict is a word and a shape, never a colour alone."""

from __future__ import annotations

from collections.abc import Sequence

from ssbray.campaign.report.tables import text
from ssbray.study.claims import Row

SHAPES = {"reached": "●", "partly": "◐", "not reached": "✕", "no claim": "○"}
KINDS = {"reached": "yes", "partly": "half", "not reached": "no", "no claim": "none"}  #: CSS classes
HEAD = ("What", "Claimed", "Here", "Under what conditions", "Verdict", "What it means", "Rests on")

STYLE = """
.claims{width:100%}.claims td:nth-child(3){font-weight:600}
.claims td,.claims tbody th{font-size:.86rem;line-height:1.4}
.verdict{white-space:nowrap;font-weight:600;border:1.5px solid;border-radius:3px;padding:0 .4rem;display:inline-block}
.verdict.yes{color:#00563B;background:#E3F4EC}.verdict.no{color:#8A0016;background:#FCE8EA;border-width:3px}
.verdict.half{color:#6B4A00;background:#FFF3D6;border-style:dashed}
.verdict.none{color:#555;background:#fff;border-style:dotted}
tr.no th,tr.no td{background:#FFF7F7}
.strip{list-style:none;padding:0;margin:.6rem 0 1.2rem;display:grid;gap:.35rem 1.2rem;max-width:none;
grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr))}
.strip li{font-size:.93rem;line-height:1.35;display:flex;gap:.5rem;align-items:baseline}.strip .verdict{flex:none}
@media(max-width:900px){.claims thead{display:none}.claims tr,.claims td,.claims tbody th{display:block}
.claims tr{border:1px solid #ccc;border-radius:4px;margin:0 0 .8rem;padding:.3rem .7rem}
.claims td,.claims tbody th{border:0;padding:.12rem 0}.claims tbody th{font-weight:700;font-size:1rem}
.claims td::before{content:attr(data-label) ": ";color:#555;font-weight:400}}
""".strip()


def verdict(row: Row) -> str:
    """A verdict as a shape and a word.

    >>> verdict(Row(what="", claimed="", ours="", conditions="", verdict="partly", meaning="", stages=()))
    '◐ partly'
    """
    return f"{SHAPES[row.verdict]} {row.verdict}"


def strip(rows: Sequence[Row]) -> str:
    """What can be checked at a glance: one badge for each claim, in the order of the table."""
    badges = [f'<li><span class="verdict {KINDS[row.verdict]}">{text(verdict(row))}</span> {text(row.what)}</li>'
              for row in rows if row.verdict != "no claim"]
    return f'<ul class="strip">{"".join(badges)}</ul>'


def html(rows: Sequence[Row]) -> str:
    """The table; each row names the stage files that it rests on, beside the page."""
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in HEAD)
    body = "".join(_row(row) for row in rows)
    return (f'<div class="wide"><table class="claims"><caption>Claim by claim</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def _row(row: Row) -> str:
    kind = KINDS[row.verdict]
    files = ", ".join(f'<a href="stages/{text(name)}.json">{text(name)}</a>' for name in row.stages)
    cells = (text(row.claimed), text(row.ours), text(row.conditions),
             f'<span class="verdict {kind}">{text(verdict(row))}</span>', text(row.meaning), files)
    told = "".join(f'<td data-label="{text(label)}">{cell}</td>' for label, cell in zip(HEAD[1:], cells, strict=True))
    return f'<tr class="{kind}"><th scope="row">{text(row.what)}</th>{told}</tr>'


def markdown(rows: Sequence[Row]) -> str:
    """The same table in Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in rows:
        mark = f"**{verdict(row)}**" if row.verdict != "no claim" else verdict(row)
        stages = ", ".join(f"`{name}`" for name in row.stages)
        cells = (row.what, row.claimed, row.ours, row.conditions, mark, row.meaning, stages)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _cell(content: str) -> str:
    """One line, without what would end a cell or start a tag."""
    return " ".join(content.split()).replace("|", "\\|").replace("<", "&lt;")
