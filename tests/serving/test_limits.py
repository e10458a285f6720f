"""Queues, rates, deadlines, and clients that come slowly or go early."""

from __future__ import annotations

import asyncio

import pytest

from serve.limits import Places, Rate
from ssbray.service import examples
from ssbray.service.refusal import Refusal
from tests.serving.asgi import form, predict, request
from tests.serving.fakes import Fake

JSON = {"content-type": "application/json"}


def design(app, **options):
    return request(app, "POST", "/v1/predict", headers={**JSON, **options.pop("headers", {})},
                   chunks=[b'{"parameters": {}}'], **options)


def test_two_hundred_at_once_are_answered_or_told_to_come_again(front):
    async def run():
        backend = Fake(delay=0.02)
        app = front(backend, limits={"ongoing": 2, "queued": 8})
        answers = await asyncio.gather(*(design(app) for _ in range(200)))
        after = await design(app)
        return backend, [answer.status for answer in answers], answers, after

    backend, statuses, answers, after = asyncio.run(run())
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == 10  # two at work, eight waiting, and the rest came while they did
    assert backend.most == 2
    assert all(answer.headers["retry-after"] == "2" for answer in answers if answer.status == 429)
    assert after.status == 200


def test_a_timeout_cannot_be_lifted_by_a_header(front):
    backend = Fake(delay=60)
    app = front(backend, limits={"timeout_s": 0.1})
    for value in ("0", "-1", "1000", "inf"):
        answer = asyncio.run(design(app, headers={"x-request-timeout-seconds": value}))
        assert (answer.status, answer.json["error"]["code"]) == (504, "timeout")
    assert backend.cancelled == 4
    assert backend.working == 0


def test_waiting_counts_towards_the_deadline(front):
    async def run():
        app = front(Fake(delay=60), limits={"timeout_s": 0.2, "ongoing": 1, "queued": 5})
        return await asyncio.gather(*(design(app) for _ in range(4)))

    assert [answer.status for answer in asyncio.run(run())] == [504] * 4


def test_who_leaves_takes_the_work_along(front):
    async def run():
        backend = Fake(delay=60)
        app = front(backend, limits={"ongoing": 1})
        leave = asyncio.Event()
        first = asyncio.create_task(design(app, leave=leave))
        second = asyncio.create_task(design(app, leave=leave))
        while not backend.working:
            await asyncio.sleep(0.01)
        leave.set()
        answers = await asyncio.gather(first, second)
        backend.delay = 0
        return backend, answers, await design(app)

    backend, answers, after = asyncio.run(run())
    assert answers == [None, None]
    assert backend.cancelled == 1  # the other one had not begun
    assert after.status == 200
    assert sum('"status": 499' in line for line in front.lines) == 2


def test_a_body_that_does_not_come_is_not_waited_for(front):
    headers, body = form(image=examples.png("bare"), pixel_size_nm=5)
    app = front(limits={"upload_s": 0.1})
    answer = asyncio.run(request(app, "POST", "/v1/predict", headers=headers, chunks=[body[:50], body[50:]], stall=60))
    assert (answer.status, answer.json["error"]["code"]) == (504, "timeout")


def test_slow_bodies_leave_room_for_others(front):
    """Uploads have places of their own, so those that hang there keep nobody from being predicted."""
    async def run():
        app = front(limits={"upload_s": 5, "uploads": 3, "ongoing": 1})
        headers, body = form(image=b"x", pixel_size_nm=5)
        slow = [asyncio.create_task(request(app, "POST", "/v1/predict", headers=headers, chunks=[body[:9], body[9:]],
                                            stall=0.4)) for _ in range(2)]
        await asyncio.sleep(0.05)
        quick = await design(app)
        slow.append(asyncio.create_task(request(app, "POST", "/v1/predict", headers=headers,
                                                chunks=[body[:9], body[9:]], stall=0.4)))
        await asyncio.sleep(0.05)
        full = await design(app)
        await asyncio.gather(*slow)
        return quick, full, await design(app)

    assert [answer.status for answer in asyncio.run(run())] == [200, 429, 200]


def test_a_rate_is_kept_for_each_client(front):
    app = front(limits={"per_minute": 3})
    statuses = [asyncio.run(design(app)).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    answer = asyncio.run(design(app))
    assert answer.json["error"]["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 21
    assert asyncio.run(request(app, "GET", "/v1/health/live")).status == 200


def test_tokens_come_back_evenly_and_clients_do_not_share():
    rate = Rate(60)
    for _ in range(60):
        rate.spend("a", now=0.0)
    with pytest.raises(Refusal) as caught:
        rate.spend("a", now=0.5)
    assert caught.value.retry_after_s == 1
    rate.spend("b", now=0.5)
    rate.spend("a", now=1.5)
    with pytest.raises(Refusal):
        rate.spend("a", now=1.6)


def test_bodies_are_held_within_bounds_and_let_go(front):
    """Three of 40 000 bytes wait for a model where 100 000 may be held: the third is told to come again."""
    headers, body = form(image=b"x" * 40_000, pixel_size_nm=5)

    async def run():
        app = front(limits={"held_bytes": 100_000, "upload_s": 20})
        send = {"headers": headers, "chunks": [body[:39_000], body[39_000:]]}
        slow = [asyncio.create_task(request(app, "POST", "/v1/predict", stall=1.0, headers=headers,
                                            chunks=[body[:39_000], body[39_000:]])) for _ in range(2)]
        await asyncio.sleep(0.05)
        third = await request(app, "POST", "/v1/predict", **send)
        small = await design(app)
        done = await asyncio.gather(*slow)
        after = await request(app, "POST", "/v1/predict", headers=headers, chunks=[body])
        return third, small, done, after

    third, small, done, after = asyncio.run(run())
    assert (third.status, third.json["error"]["code"], third.headers["retry-after"]) == (429, "busy", "2")
    assert small.status == 200
    assert {answer.status for answer in [*done, after]} == {415}  # all arrived: it is no image


def test_a_place_is_given_back_whatever_happens():
    async def run():
        places = Places(1, 1)

        async def fail():
            async with places.one():
                await asyncio.sleep(0.01)
                raise ValueError

        async def hold():
            async with places.one():
                await asyncio.sleep(60)

        await asyncio.gather(fail(), fail(), return_exceptions=True)
        task = asyncio.create_task(hold())
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal):
            async with places.one():
                pass
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
        async with places.one():
            return places.working, places.waiting

    assert asyncio.run(run()) == (1, 0)


def test_an_image_that_takes_long_is_cut_too(front):
    answer = asyncio.run(predict(front(Fake(delay=60), limits={"timeout_s": 2}), image=examples.png("bare"),
                                 pixel_size_nm=5, headers={"x-request-timeout-seconds": "0"}))
    assert answer.status == 504
