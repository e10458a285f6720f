"""Between the chains, which ask from where they run, and the driver, who answers: an actor beside the driver.

Letters stay sealed on the way, so that the actor need not import what they are made of: a second, and 100 MB. The seal
is Ray's own, pickle, and no file format: a letter lives in the memory of this cluster's processes and never on disk.
"""

from __future__ import annotations

import asyncio
import pickle
from typing import Any


def seal(content: Any) -> bytes:
    """Make a letter of a request or an answer."""
    return pickle.dumps(content)


def opened(letter: bytes) -> Any:
    """What is in a letter, of another process of this campaign."""
    return pickle.loads(letter)


class Mailbox:
    """Requests of the chains in, answers out; every answer is kept for a trial that must start again."""

    def __init__(self) -> None:
        self._requests: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self._asked: set[tuple[int, int]] = set()
        self._answers: dict[tuple[int, int], bytes] = {}
        self._news = asyncio.Condition()
        self._over = False

    async def post(self, index: int, number: int, request: bytes) -> bytes | None:
        """Hand in a chain's request of that number, once however often it is posted, and wait for its answer.

        A request that is answered already does not go to the driver. None when the campaign has stopped.
        """
        if (index, number) not in self._asked and (index, number) not in self._answers:
            self._asked.add((index, number))
            self._requests.put_nowait((index, number, request))
        async with self._news:
            await self._news.wait_for(lambda: self._over or (index, number) in self._answers)
        return None if self._over else self._answers[index, number]

    async def take(self) -> list[tuple[int, int, bytes]]:
        """All requests that are there, at least one."""
        taken = [await self._requests.get()]
        while not self._requests.empty():
            taken.append(self._requests.get_nowait())
        return taken

    async def reply(self, index: int, number: int, answer: bytes) -> None:
        """Answer a chain's request of that number, posted or not."""
        self._answers[index, number] = answer
        async with self._news:
            self._news.notify_all()

    async def close(self) -> None:
        """The campaign stops: send everybody home."""
        self._over = True
        async with self._news:
            self._news.notify_all()
