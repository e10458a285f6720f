"""Pieces of a page."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from ssbray.campaign.report.tables import text


def figure(words: tuple[str, str, str], png: bytes, kind: str = "medium") -> str:
    """A picture with its heading, caption and alternative text, in this order."""
    heading, caption, alt = words
    image = base64.b64encode(png).decode()
    return (f'<figure class="{kind}"><h2>{text(heading)}</h2>'
            f'<div class="wide"><img alt="{text(alt)}" src="data:image/png;base64,{image}"></div>'
            f"<figcaption>{text(caption)}</figcaption></figure>")


def card(title: str, body: str, kind: str = "") -> str:
    """A box."""
    return f'<section class="{kind}"><h3>{text(title)}</h3>{body}</section>'


def paragraph(words: str) -> str:
    """Words."""
    return f"<p>{text(words)}</p>"


def listing(entries: Iterable[str]) -> str:
    """HTML entries, one below the other."""
    return "<ul>" + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"
