"""The lines that README and the pages tell a user to type, a place to type them in, and those that no test types."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": ROOT / "README.md", **{page.name: page for page in sorted((ROOT / "docs").glob("*.md"))}}

#: (beginning of a line, why no test here types it); one that fits no line any more is a mistake
ELSEWHERE = (
    ("make test", "is what runs this"),
    ("make campaign", "is `campaign run jobs/llzo_nmc.yaml`: minutes; the same with jobs/smoke.yaml is typed"),
    ("make segmenter", "is two commands that README types with less data: a quarter of an hour"),
    (".venv/bin/ssbray study run jobs/study.yaml", "takes half an hour; tests/study does each stage in small"),
    ("ssbray study run jobs/study.yaml", "the same, on the page that it wrote itself"),
    ("ray get-auth-token", "would put a token into the home of who runs the tests"),
    ("ray up", "starts machines that cost money; tests/test_repository.py has Ray's own validation of the file"),
    ("ray dashboard", "needs that cluster"),
    ("RAY_AUTH_MODE=token ray job submit", "needs that cluster; what it runs is in test_lines.py"),
    ("ray rsync-down", "needs that cluster"),
    ("ray down", "needs that cluster"),
    ("curl ", "asks an endpoint: tests/serving/test_docs.py types those of the endpoint's page at one"))
SERVERS = (".venv/bin/mlflow ui", ".venv/bin/ssbray serve --segmenter", ".venv/bin/ssbray serve --model")


def blocks(page, kind="sh"):
    """Contents of the fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGES[page].read_text(), re.S | re.M)


def lines(page):
    """What a page tells a user to type, continued lines joined, comments left out."""
    joined = [line.strip() for block in blocks(page) for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return [line for line in joined if line and not line.startswith("#")]


def elsewhere(line):
    """Whether no test of these pages types it."""
    return any(line.startswith(beginning) for beginning, _ in ELSEWHERE)


def is_server(line):
    """Whether it goes on until it is told to end."""
    return line.startswith(SERVERS) and "--new-key" not in line


def furnish(place):
    """A folder in which a line works as it stands: the files of a checkout, and its .venv/bin."""
    for name in ("jobs", "serve", "docs", "benchmarks"):
        (place / name).symlink_to(ROOT / name)
    (place / ".venv").mkdir()
    (place / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return place


def type_in(place, line, seconds=900):
    """Type a line into a shell; it must end well. Returns what it printed."""
    done = subprocess.run(["bash", "-euc", line], cwd=place, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{line}\n{done.stderr[-3000:]}"
    return done.stdout


@contextmanager
def serving(place, line, path, seconds=300):
    """Type a line that serves, at a port of its own, wait for an answer of its `path`, and end it with TERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (place / "server.log").open("w") as log:
        process = subprocess.Popen(["bash", "-euc", f"exec {line} --port {port}"], cwd=place, stdout=log, stderr=log)
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + seconds
        while not answers(url + path):
            assert process.poll() is None, f"{line}\n{(place / 'server.log').read_text()[-3000:]}"
            assert time.monotonic() < end, f"{line}: no answer in {seconds} s"
            time.sleep(0.3)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def answers(url):
    """Whether somebody answers there, and is content."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
