"""Each page typed into a shell as it stands, from top to bottom; what serves is asked something, and ended."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssbray.tracking import SURROGATE, Scores, promote, register
from tests.docs.typed import elsewhere, furnish, is_server, lines, serving, type_in
from tests.serving.conftest import models, outcomes  # noqa: F401  # fixtures: models that have learnt next to nothing

#: pages with lines of their own
SESSIONS = ("README.md", "cluster.md", "compare.md", "micrographs.md", "endpoint.md", "extend.md")


def asked(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("page", ["README.md", "cluster.md", "compare.md", "extend.md"])
def test_a_page_works_as_it_stands(page, tmp_path):
    place = furnish(tmp_path)
    typed = [line for line in lines(page) if not elsewhere(line)]
    for line in typed:
        if not is_server(line):
            type_in(place, line)
    for line in filter(is_server, typed):
        with serving(place, line, "/health") as url:
            assert "<title>MLflow</title>" in asked(url)
            found = json.loads(asked(f"{url}/api/2.0/mlflow/experiments/search?max_results=10"))
            assert len(found["experiments"]) > 1  # Default, and the campaigns'


def own_data(place, seed, images):
    """A few images of two materials, in a folder as the page has it."""
    random = np.random.default_rng(seed)
    for kind in ("images", "masks"):
        (place / kind).mkdir(parents=True)
    for number in range(images):
        mask = np.zeros((64, 64), np.uint8)
        mask[20 + number:34 + number] = 1
        image = (90.0 + 80 * mask + random.normal(0, 8, mask.shape)).clip(0, 255).astype(np.uint8)
        name = f"piece-{seed}{number}"
        Image.fromarray(image).save(place / "images" / f"{name}.png")
        (place / "images" / f"{name}.yaml").write_text("pixel_size_nm: 5\ndetector: haadf\n")
        Image.fromarray(mask).save(place / "masks" / f"{name}.png")
        with (place / "groups.yaml").open("a") as groups:
            groups.write(f"{name}: specimen {seed}{number}\n")
    (place / "classes.yaml").write_text("0: matrix\n1: layer\n")


@pytest.mark.slow
def test_a_material_of_ones_own_as_the_page_says(tmp_path):
    """With seconds of training where the page has a quarter of an hour."""
    place = furnish(tmp_path)
    own_data(place / "mydata", 1, 6)
    own_data(place / "testdata", 2, 2)
    typed = [line for line in lines("micrographs.md") if not elsewhere(line)]
    assert len(typed) == 2
    for line in typed:
        type_in(place, line.replace("--minutes 15", "--steps 4"))


@pytest.mark.slow
@pytest.mark.serving
@pytest.mark.timeout(1500)
def test_the_endpoint_is_served_as_its_page_says(tmp_path, models, monkeypatch):  # noqa: F811
    """By paths, and by the registry, with models that have learnt next to nothing in the places of the page."""
    place = furnish(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # where fetched models are kept
    for name, where in (("segmenter", "models/segmenter"), ("surrogate", "campaigns/llzo-nmc/model")):
        shutil.copytree(models[0][name], place / where)
    uri = f"sqlite:///{place / 'campaigns' / 'mlflow.db'}"
    register(uri, SURROGATE, Path(models[0]["surrogate"]), Scores(nll=-1.0, coverage90=0.9, n=100, data="same"))
    assert promote(uri, SURROGATE, 1).promoted
    typed = [line for line in lines("endpoint.md") if line.startswith(".venv/bin/")]
    for line in typed:
        if " models " in line:
            type_in(place, line)
    served = [line for line in typed if is_server(line)]
    assert len(served) == 2
    for line in served:
        with serving(place, line, "/v1/health/ready") as url:
            told = json.loads(asked(f"{url}/v1/model"))
            assert told["segmenter"]["classes"]
            assert told["registry"] == {name: f"models:/ssbray-{name}/1" if "models:/" in line else None
                                        for name in ("segmenter", "surrogate")}
