"""What the README tells a user to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S)
            for line in block.replace("\\\n", " ").splitlines() if line.startswith(".venv/bin/ssbray ")]


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 8


def test_every_command_of_the_readme_works_in_its_order(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    for line in COMMANDS:
        arguments = shlex.split(line)[1:]
        if arguments[0] in ("campaign", "study"):  # minutes to half an hour; tested by themselves
            continue
        if arguments[0] == "dataset":  # fewer of them; the command is the same
            arguments[arguments.index("--count") + 1] = "14"
        if arguments[:2] == ["train", "segmenter"]:
            arguments[arguments.index("--steps") + 1] = "6"
        code, _, err = cli(*arguments)
        assert code == 0, f"{line}\n{err}"
    assert (tmp_path / "runs" / "solve.png").exists()


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http)[^)]+)\)", README))
def test_links_and_pictures_are_there(path):
    assert (ROOT / path).exists()
