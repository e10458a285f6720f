"""What docs/endpoint.md tells a user to type, against an endpoint in this process."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from serve.backend import LocalBackend
from serve.front import create
from ssbray.service.settings import Limits, Settings
from tests.serving.conftest import SMOKE
from tests.serving.test_page import served

PAGE = Path(__file__).parents[2] / "docs" / "endpoint.md"


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.S)


def lines(command):
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(command)]


@pytest.fixture
def place(tmp_path, models, monkeypatch):
    """A folder with the models where the page has them."""
    monkeypatch.chdir(tmp_path)
    for name in ("segmenter", "surrogate"):
        shutil.copytree(models[0][name], tmp_path / "models" / name)
    for name in ("runs", "incoming"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.serving
def test_curl_and_the_python_client_get_answers(place, models):
    if shutil.which("curl") is None:
        pytest.skip("no curl here")

    def type_them(url):
        for line in lines("curl"):
            done = subprocess.run(shlex.split(line.replace("http://127.0.0.1:8000", url)), capture_output=True,
                                  timeout=200)
            assert done.returncode == 0, done.stderr
            if "-o" not in line.split():
                assert "error" not in json.loads(done.stdout), line
        (block,) = blocks("python")
        found = {}
        exec(block.replace("http://127.0.0.1:8000", url), found)
        assert found["answer"]["image"]["pixel_size_nm"] == 5
        assert json.loads(urlopen(f"{url}/openapi.json"))["paths"].keys() >= {
            name for name in re.findall(r"`(?:GET|POST) (/v1/[a-z]+|/metrics|/)`", PAGE.read_text())}

    def urlopen(url):
        import urllib.request

        with urllib.request.urlopen(url) as answer:
            return answer.read()

    async def run():
        settings = Settings(**models[0], spec=str(SMOKE), decoders=1, limits=Limits(timeout_s=200))
        async with served(create(LocalBackend(settings), settings, log=lambda _: None)) as url:
            await asyncio.to_thread(type_them, url)

    asyncio.run(run())


def test_commands_that_end_by_themselves_work(place, cli):
    found = [line for line in lines(".venv/bin/ssbray") if "--once" in line or "--new-key" in line]
    assert len(found) == 2
    for line in found:
        code, _, err = cli(*shlex.split(line)[1:])
        assert code == 0, err


def test_options_and_limits_are_as_the_page_says(cli):
    text = PAGE.read_text()
    code, out, _ = cli("serve", "--help")
    assert code == 0
    typed = " ".join(line for line in text.splitlines() if "ssbray serve" in line)
    for option in set(re.findall(r"--[a-z][a-z-]+", typed)):
        assert option in out, option
    limits = Limits()
    assert (limits.body_bytes, limits.pixels, limits.decode_s, limits.decode_bytes) == (32 * 2**20, 2**22, 10, 2**30)
    assert (limits.upload_s, limits.timeout_s, limits.ongoing, limits.queued, limits.per_minute) == (20, 60, 2, 32, 120)
