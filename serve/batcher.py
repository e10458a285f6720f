"""Requests that come while others are worked on, taken together when those are done."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(eq=False)
class _Waiting(Generic[Item, Answer]):
    item: Item
    size: int
    answer: "asyncio.Future[Answer | Exception]"


class Batcher(Generic[Item, Answer]):
    """One batch at a time, in a thread: all that waits, in its order, up to a size in all; what is larger comes alone.

    Nothing waits for company. Ray Serve's own batches are closed before the one at work is done, so under load
    they hold one request each.

    Parameters
    ----------
    work : answers for items, in their order; an exception among them is one item's own.
    size : of an item, in pixels or regions.
    most : size of a batch.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Answer | Exception]], size: Callable[[Item], int],
                 most: int) -> None:
        self._work, self._size, self._most = work, size, most
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._one = ThreadPoolExecutor(1)  # not a lock: what nobody waits for any more is still worked on
        self._busy: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer | Exception:
        """The answer to an item, or what went wrong with it."""
        waiting: _Waiting[Item, Answer] = _Waiting(item, self._size(item), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._busy is None:
            self._busy = asyncio.create_task(self._run())
        return await waiting.answer

    def _batch(self) -> list[_Waiting[Item, Answer]]:
        """Take the first that wait; those who have left are forgotten."""
        batch: list[_Waiting[Item, Answer]] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= self._most):
            one = self._waiting.popleft()
            if not one.answer.cancelled():
                batch.append(one)
                size += one.size
        return batch

    async def _run(self) -> None:
        """Work until nobody waits."""
        try:
            while batch := self._batch():
                items = [one.item for one in batch]
                answers: Sequence[Answer | Exception]
                try:
                    answers = await asyncio.get_running_loop().run_in_executor(self._one, self._work, items)
                except Exception as error:  # of the batch as a whole: whoever is alone in it gets it told
                    answers = [error] if len(items) == 1 else await self._singly(items)
                for one, answer in zip(batch, answers, strict=True):
                    if not one.answer.done():
                        one.answer.set_result(answer)
        finally:
            self._busy = None

    async def _singly(self, items: Sequence[Item]) -> list[Answer | Exception]:
        """Each item by itself, so that the one at fault fails alone."""
        answers: list[Answer | Exception] = []
        for item in items:
            try:
                answers += await asyncio.get_running_loop().run_in_executor(self._one, self._work, [item])
            except Exception as error:
                answers.append(error)
        return answers
