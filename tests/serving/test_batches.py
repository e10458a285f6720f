"""What comes together is worked on together, and each gets what it would have got alone."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.batcher import Batcher
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.segmentation.together import segment_all
from ssbray.service.asked import Wishes
from ssbray.service.models import Eye, Oracle
from ssbray.service.refusal import Refusal, portable


def frame(seed, *shape):
    pixels = np.random.default_rng(seed).integers(0, 255, shape).astype(np.float32)
    return Micrograph(images={"haadf": pixels}, pixel_size_nm=5.0)


@pytest.fixture(scope="module")
def eye(models):
    return Eye(models[0]["segmenter"])


def test_frames_segmented_together_are_as_alone(eye):
    frames = [frame(0, 48, 48), frame(1, 48, 48), frame(2, 40, 57), frame(3, 48, 48)]
    coarse = replace(frames[1], pixel_size_nm=10.0)  # is resampled for the model, and brought back
    wrong = Micrograph(images={"bf": frames[0].images["haadf"]}, pixel_size_nm=5.0)
    together = segment_all(eye.model, [*frames, coarse, wrong, coarse])
    assert isinstance(together[5], InputError)
    for found, micrograph in zip([*together[:5], together[6]], [*frames, coarse, coarse], strict=True):
        alone = eye.model.segment(micrograph)
        assert found.probability.shape == alone.probability.shape
        np.testing.assert_allclose(found.probability, alone.probability, atol=1e-6)
        assert found.notes == alone.notes
        for name, plane in alone.heads.items():
            np.testing.assert_allclose(found.heads[name], plane, atol=1e-3)  # they are kept in half precision


def test_answers_to_frames_together_are_as_alone(eye, models):
    oracle = Oracle(models[0]["surrogate"])
    asked = [(frame(seed, 48, 48), Wishes(coating=coating)) for seed, coating in ((0, None), (1, "Li3BO3"), (2, None))]
    together = oracle.foretell([seen.question for seen in eye.see_all(asked)])
    for told, one in zip(together, asked, strict=True):
        (alone,) = oracle.foretell([eye.see(*one).question])
        assert told["sigma_eff_S_per_cm"]["mean"] == pytest.approx(alone["sigma_eff_S_per_cm"]["mean"], rel=1e-6)
        assert told["sigma_eff_S_per_cm"]["std"] == pytest.approx(alone["sigma_eff_S_per_cm"]["std"], rel=1e-5)


def test_a_mistake_with_one_frame_is_its_own(eye, monkeypatch):
    from ssbray.service import seeing

    describe = seeing.describe

    def broken(micrograph, *others, **more):
        if micrograph.shape == (40, 40):
            raise ZeroDivisionError("ours")
        return describe(micrograph, *others, **more)

    monkeypatch.setattr(seeing, "describe", broken)
    found = eye.see_all([(frame(0, 48, 48), Wishes()), (frame(1, 40, 40), Wishes()), (frame(2, 48, 48), Wishes())])
    assert [isinstance(one, ZeroDivisionError) for one in found] == [False, True, False]
    sent = portable(found[1])
    assert type(sent) is RuntimeError
    assert "ZeroDivisionError: ours" in str(sent)
    assert portable(refused := Refusal(503, "x", None, "y")) is refused


def asked(batcher, items):
    async def run():
        return await asyncio.gather(*(batcher.ask(item) for item in items))

    return asyncio.run(run())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=20), most=st.integers(1, 12))
def test_batches_keep_order_and_size(sizes, most):
    batches = []

    def work(items):
        batches.append(list(items))
        return [("done", item) for item in items]

    items = list(enumerate(sizes))
    assert asked(Batcher(work, lambda item: item[1], most), items) == [("done", item) for item in items]
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == 1 or sum(size for _, size in batch) <= most for batch in batches)
    for batch, following in zip(batches, batches[1:], strict=False):  # none is closed before it is full
        assert sum(size for _, size in batch) + following[0][1] > most


def test_what_comes_meanwhile_is_taken_together_and_who_left_is_not_worked_on():
    batches, go, begun = [], threading.Event(), threading.Event()

    def work(items):
        batches.append(list(items))
        begun.set()
        go.wait(20)
        return items

    async def run():
        batcher = Batcher(work, lambda _: 1, 10)
        tasks = [asyncio.create_task(batcher.ask(0))]
        await asyncio.to_thread(begun.wait, 20)
        tasks += [asyncio.create_task(batcher.ask(k)) for k in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(run())
    assert batches == [[0], [1, 3]]
    assert [answers[k] for k in (0, 1, 3)] == [0, 1, 3]
    assert isinstance(answers[2], asyncio.CancelledError)


def test_a_batch_that_fails_is_done_again_one_by_one():
    def work(items):
        if 2 in items:
            raise MemoryError(f"{len(items)} at once")
        return items

    found = asked(Batcher(work, lambda _: 1, 10), [0, 1, 2, 3])
    assert found[:2] + found[3:] == [0, 1, 3]
    assert str(found[2]) == "1 at once"
