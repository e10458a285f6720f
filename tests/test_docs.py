"""What the pages in docs/ point at is there, and what they put into a spec is accepted; tests/docs types the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ssbray import campaign

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
NAMES = [page.name for page in PAGES]


def blocks(page, kind):
    return re.findall(rf"```{kind}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)


@pytest.mark.parametrize("page", NAMES)
def test_links_and_pictures_are_there(page):
    for path in re.findall(r"\]\(((?!http|#)[^)#]+)(?:#[^)]*)?\)", (ROOT / "docs" / page).read_text()):
        assert (ROOT / "docs" / path).exists(), path


@pytest.mark.parametrize("page", NAMES)
def test_files_of_the_repository_that_a_page_names_are_there(page):
    text = (ROOT / "docs" / page).read_text()
    kinds = r"`((?:ssbray|serve|jobs|benchmarks|tests|docs)/[\w./-]+\.(?:py|yaml|md|sh|svg|png))`"
    for path in set(re.findall(kinds, text)):
        assert (ROOT / path).exists(), path


def test_what_extend_puts_into_a_spec_is_accepted():
    base = yaml.safe_load((ROOT / "jobs" / "llzo_nmc.yaml").read_text())
    found = blocks("extend.md", "yaml")
    assert len(found) == 2
    for block in found:
        extra = yaml.safe_load(block)
        if "search" in extra:
            extra["search"] = {**{name: entry for name, entry in base["search"].items() if name not in extra["search"]},
                               **extra["search"]}
        campaign.spec.parse({**base, **extra}).space  # noqa: B018


@pytest.mark.slow
def test_the_searcher_of_extend_finds_the_least(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("extend.md", "python")
    found: dict[str, object] = {"__name__": "extend"}
    exec(block, found)
    assert set(found["best"]) == {"x", "kind"}
