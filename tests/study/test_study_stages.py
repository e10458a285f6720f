"""Which stages are done again when something changes: all that it decides, and nothing else."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ssbray import study

stages = importlib.import_module("ssbray.study.run")  # the package's own name for it is its function
CONTENT = yaml.safe_load((Path(__file__).parents[2] / "jobs" / "study.yaml").read_text())
LEARNT = {"surrogate", "prediction"}
SEARCHED = {"aware", "blind", "gain", "priors"}
IMAGED = {"micrographs", "segmenter", "segmentation", "transport", "voltage"}


@pytest.fixture
def done(monkeypatch, tmp_path):
    """Runs a study in which every stage is a constant, and tells which were done."""
    parts = {"train": ["sample-000-00"], "calibrate": ["sample-001-00"], "test": ["sample-002-00"]}
    nothing = lambda *arguments, **options: {}  # noqa: E731
    for module, names in ((stages.images, ("take", "judge")), (stages.transport, ("voltages",)),
                          (stages.prediction, ("learn", "judge", "of")), (stages.layer, ("find",)),
                          (stages.gains, ("compare", "sensitivity"))):
        for name in names:
            monkeypatch.setattr(module, name, nothing)
    monkeypatch.setattr(stages.images, "learn", lambda *arguments: {"parts": parts})
    monkeypatch.setattr(stages.transport, "solve", lambda *arguments: {"seen": {}, "true": {}})
    monkeypatch.setattr(stages.prediction, "solve_fresh", lambda *arguments: {"rows": {}})
    for name in ("Segmenter", "Surrogate"):
        monkeypatch.setattr(stages, name, SimpleNamespace(load=lambda place: SimpleNamespace(version="1")))
    tools = SimpleNamespace(campaign=lambda spec, home: {"best": {"parameters": {"of": spec.name}}})

    def run(**changes):
        return set(stages.run(study.parse({**CONTENT, **changes}), tmp_path, tools)["about"]["again"])

    return run


def test_a_study_that_is_done_is_not_done_again(done):
    assert done() == IMAGED | LEARNT | SEARCHED | {"fresh", "layer"}
    assert done() == set()


@pytest.mark.parametrize(("section", "change", "again"), [
    ("images", {"temperature_C": [25, 60]}, {"micrographs", "fresh"}),
    ("segmenter", {"minutes": 11}, {"segmenter"}),
    ("voltage", {"images": 3}, {"voltage"}),
    ("surrogate", {"trials": 9}, {"surrogate"}),
    ("surrogate", {"fresh": 61}, {"fresh"}),
    ("surrogate", {"config": {"hidden": 20}}, {"surrogate", "layer"}),
    ("layer", {"judged": 61}, {"layer"}),
    ("campaign", {"confirm": {"designs": 3, "specimens": 9}}, {"layer", "aware", "blind", "gain", "priors"}),
    ("blind", {"layer_per_diffusion_length": 2.0e-6}, {"layer", "blind", "gain"}),
    ("priors", {"specimens": 4}, {"priors"}),
])
def test_a_change_redoes_what_it_decides(done, section, change, again):
    """Later stages follow only where what came before them has become another: here nothing has."""
    done()
    assert done(**{section: {**CONTENT[section], **change}}) >= again
    assert not done(**{section: {**CONTENT[section], **change}})


def test_what_follows_goes_by_what_came_before(done, monkeypatch):
    done()
    parts = {"train": ["sample-000-01"], "calibrate": ["sample-001-00"], "test": ["sample-002-00"]}
    monkeypatch.setattr(stages.images, "learn", lambda *arguments: {"parts": parts})
    assert done(segmenter={"minutes": 11}) == {"segmenter", "segmentation", "transport", "voltage"} | LEARNT


def test_another_seed_redoes_everything(done):
    everything = done()
    assert done(seed=3) == everything
