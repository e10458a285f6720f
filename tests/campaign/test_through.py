"""A data set through the microscope: what an oracle of a segmenter finds must solve like the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssbray import campaign, materials
from ssbray.campaign import dataset, through
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.task import evaluate, section
from ssbray.campaign.workers import SerialWorkers
from ssbray.errors import InputError
from ssbray.microscope import visible
from ssbray.segmentation.segmentation import Segmentation

SMOKE = Path(__file__).parents[2] / "jobs" / "smoke.yaml"


class Oracle:
    """Knows the map that the next micrograph shows, grains aside."""

    version = "oracle"

    def __init__(self, task) -> None:
        self.task = task

    def segment(self, micrograph):
        labels, names = visible(section(self.task), materials.load())
        share = np.stack([labels == k for k in range(len(names))]).astype(np.float32)
        nothing = np.zeros(labels.shape, np.float32)
        return Segmentation(probability=share, classes=names, pixel_size_nm=micrograph.pixel_size_nm,
                            heads=dict.fromkeys(("grain boundary", "dislocation"), nothing),
                            doubt=nothing, calibrated=True, nets=1)


@pytest.fixture
def seen(monkeypatch):
    task = dataset.tasks(campaign.load(SMOKE), 1, 3)[0]
    task = replace(task, materials={"interfaces": {"grain boundary": {"asr_25C_ohm_cm2": {
        "value": 0.0, "standing": "assumption", "source": "an oracle sees no grains"}}}})
    oracle = Oracle(task)
    monkeypatch.setattr(through, "_loaded", lambda place: oracle)
    return through.through(task, campaign.load(SMOKE), oracle), task


def test_the_map_of_an_oracle_conducts_like_the_truth(seen):
    task, true = seen
    found = through.Seen("anywhere")(task)
    assert found.key == task.key != true.key
    expected = evaluate(true)
    assert found.values["sigma_eff_S_per_cm"] == pytest.approx(expected.values["sigma_eff_S_per_cm"], rel=1e-9)
    assert found.values["true_fractions"] == pytest.approx(
        {name: share for name, share in expected.values["fractions"].items()}, abs=1e-12)


def test_another_segmenter_than_the_task_names_is_refused(seen):
    task, _ = seen
    other = replace(task, seen={**task.seen, "segmenter": "another"})
    with pytest.raises(InputError, match="--segmenter"):
        through.Seen("anywhere")(other)


def test_tasks_that_see_nothing_are_solved_as_they_are_and_keep_their_keys(seen):
    _, true = seen
    assert through.Seen("anywhere")(true).key == true.key
    assert "seen" not in true.content


def test_a_ledger_gives_such_tasks_back(seen, tmp_path):
    task, _ = seen
    dataset.build(campaign.load(SMOKE), tmp_path, [task], SerialWorkers(through.Seen("anywhere")))
    with Ledger(tmp_path, write=False) as ledger:
        ((kept, outcome),) = ledger.outcomes()
    assert kept == task
    assert kept.key == outcome.key
    with pytest.raises(InputError, match="another seen"):
        dataset.build(campaign.load(SMOKE), tmp_path, [seen[1]], SerialWorkers())


def test_the_error_of_the_labels_is_not_asked_of_images(seen, tmp_path):
    task, _ = seen
    dataset.build(campaign.load(SMOKE), tmp_path, [task], SerialWorkers(through.Seen("anywhere")))
    assert dataset.floor(tmp_path, {task.key}, 3) is None


def test_the_command_needs_a_segmenter_for_micrographs(cli):
    code, _, err = cli("dataset", "build", SMOKE, "--count", 1, "--seed", 1, "--out", "x", "--through", "micrograph")
    assert code == 2
    assert "--segmenter" in err
    assert err.count("\n") == 1
