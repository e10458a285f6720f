"""The page of concepts names only what is there."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "concepts.md").read_text()
COMMANDS = sorted(set(re.findall(r"`ssbray ((?:[a-z]+ ?)+)", PAGE)))


def test_commands_are_found_on_the_page():
    assert {"doctor", "study run ", "train surrogate"} <= set(COMMANDS)


def test_every_command_is_one(cli):
    for command in COMMANDS:
        code, out, err = cli(*command.split(), "--help")
        assert code == 0, err
        assert f"usage: ssbray {command.strip()}" in out


def test_the_diagram_is_whole_and_needs_nothing_else():
    text = (DOCS / "concepts.svg").read_text()
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert set(re.findall(r'https?://[^"]+', text)) == {"http://www.w3.org/2000/svg"}
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.get("x", 0)) + float(box.attrib["width"]) <= width
        assert float(box.get("y", 0)) + float(box.attrib["height"]) <= height
