"""How many, how much, and how often: places, bytes, and a bucket of tokens for each client."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from ssbray.service.refusal import Refusal

CLIENTS = 10_000  #: buckets that are kept; the one not used for longest goes first


class Places:
    """So many at work, so many waiting; more are turned away at once."""

    def __init__(self, ongoing: int, queued: int) -> None:
        self._work = asyncio.Semaphore(ongoing)
        self._queued = queued
        self.waiting = 0
        self.working = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place; 429 where the queue is full. Whoever leaves the queue gives up the place."""
        if self._work.locked() and self.waiting >= self._queued:
            raise Refusal(429, "busy", None, "too many are waiting: try again", retry_after_s=2)
        self.waiting += 1
        try:
            await self._work.acquire()
        finally:
            self.waiting -= 1
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1
            self._work.release()


class Memory:
    """Bytes of the bodies that are held, all of them together."""

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0

    @contextmanager
    def one(self) -> Iterator[Callable[[int], None]]:
        """Count what one request holds, piece by piece, until it ends; 429 where there is no room for a piece."""
        own = 0

        def more(size: int) -> None:
            nonlocal own
            if self.held + size > self._most:
                raise Refusal(429, "busy", None, "too much is held for others: try again", retry_after_s=2)
            own += size
            self.held += size

        try:
            yield more
        finally:
            self.held -= own


class Rate:
    """A bucket for each client: `per_minute` tokens, that come back evenly."""

    def __init__(self, per_minute: int) -> None:
        self._size, self._per_second = float(per_minute), per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, client: str, now: float | None = None) -> None:
        """Take a token, or refuse with the seconds until there is one."""
        now = time.monotonic() if now is None else now
        level, then = self._buckets.pop(client, (self._size, now))
        level = min(self._size, level + (now - then) * self._per_second)
        if level < 1:
            self._buckets[client] = (level, now)
            wait = int((1 - level) / self._per_second) + 1
            raise Refusal(429, "rate_limited", None, f"more than {self._size:g} requests in a minute", wait)
        self._buckets[client] = (level - 1, now)
        while len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
