"""Every line on a page is typed by a test, or it is said why not. Here: what is quick, each page in its order."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

import pytest

from ssbray.cli.main import parser
from tests.cli.test_campaign_look import toy
from tests.docs.test_sessions import SESSIONS
from tests.docs.typed import ELSEWHERE, PAGES, ROOT, elsewhere, furnish, lines

TOYS = ("campaign compare", "campaign status", "campaign export", "campaign verify", "models list")


@pytest.mark.parametrize("page", PAGES)
def test_every_line_is_typed_by_a_test_or_it_is_said_why_not(page):
    for line in lines(page):
        assert elsewhere(line) or page in SESSIONS, f"{page}: {line}"
        if line.startswith(".venv/bin/ssbray "):
            parser().parse_args(shlex.split(line, comments=True)[1:])


def test_no_exception_outlives_its_line():
    every = [line for page in PAGES for line in lines(page)]
    for beginning, _ in ELSEWHERE:
        assert any(line.startswith(beginning) for line in every), beginning


def test_a_line_of_ssbray_begins_where_set_up_has_put_it():
    """Nobody has `ssbray` on the path after `make setup`."""
    for page in PAGES.keys() - {"study.md"}:  # which a command writes
        assert not [line for line in lines(page) if line.startswith(("ssbray ", "mlflow "))], page


def run_all(cli, typed):
    for line in typed:
        code, _, err = cli(*shlex.split(line, comments=True)[1:])
        assert code == 0, f"{line}\n{err}"


def test_looking_at_campaigns_as_the_pages_say(cli, tmp_path, monkeypatch):
    """On toys in the place of the campaigns."""
    monkeypatch.chdir(furnish(tmp_path))
    typed = [line for page in ("README.md", "cluster.md", "compare.md") for line in lines(page)
             if line.startswith(tuple(f".venv/bin/ssbray {what}" for what in TOYS[:4]))]
    assert len(typed) > 5
    toy(tmp_path, "toy")
    for line in typed:
        args = parser().parse_args(shlex.split(line, comments=True)[1:])
        for name in getattr(args, "names", None) or [args.name]:
            shutil.copytree(tmp_path / "toy", tmp_path / args.dir / name, dirs_exist_ok=True)
    run_all(cli, typed)


def test_what_a_campaign_costs_as_the_pages_say(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(furnish(tmp_path))
    typed = {line for page in PAGES for line in lines(page) if " campaign plan " in line}
    assert typed
    run_all(cli, typed)


@pytest.mark.parametrize("script", ["campaign.py", "compare.py"])
def test_what_a_job_runs_is_the_command(script):
    """`ray job submit ... -- python jobs/campaign.py` cannot be typed without a cluster; what it starts can."""
    done = subprocess.run([sys.executable, ROOT / "jobs" / script, "--help"], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"ssbray campaign {'run' if script == 'campaign.py' else 'compare'}" in done.stdout
