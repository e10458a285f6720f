"""Who walks a chain: its trial, and the driver while that is not there yet, or not any more."""

from __future__ import annotations

from typing import Any

from ssbray.campaign.walk import Meet, Plan, Request, walk
from ssbray.campaign.workers import Counter


class Lead:
    """The chains' walks, and which request of each is open.

    Trials take seconds to start. Until a chain's trial asks what the chain asks just now, the driver walks the chain
    itself; the trial, which asks everything from the beginning, is given the answers that were given already, and so
    catches up. The chain of a trial that is lost for good the driver walks again. A walk is a function of its answers
    alone: it does not matter who walks it, nor when the other takes over.
    """

    def __init__(self, plan: Plan, chains: int) -> None:
        self.left = chains  #: chains that have not been told the outcome of their last meeting
        self.ahead = dict.fromkeys(range(chains), 0)  #: per chain, answers with which the driver walked on
        self._plan = plan
        self._walks = {index: walk(index, plan) for index in range(chains)}  # of those that the driver walks
        self._open: dict[int, tuple[int, Request]] = {}  # number and request, per chain
        self._given: dict[int, list[Any]] = {index: [] for index in range(chains)}
        self._gone: set[int] = set()

    def begin(self, counter: Counter) -> None:
        """Hand in every chain's first request."""
        for index, steps in self._walks.items():
            self._ask(index, 0, next(steps), counter)

    def posted(self, index: int, number: int, request: Request, counter: Counter) -> None:
        """A trial asks: what is new, of a chain that it leads; or what the driver has asked already."""
        open_, _ = self._open[index]
        if number > open_:
            self._ask(index, number, request, counter)
        elif number == open_ and index in self._walks and index not in self._gone:
            self._walks.pop(index).close()  # from here on the trial leads

    def number(self, index: int) -> int:
        """Which request of a chain is open."""
        return self._open[index][0]

    def answered(self, index: int, answer: Any, counter: Counter) -> None:
        """The open request of a chain has its answer: where the driver leads, it asks on."""
        number, _ = self._open[index]
        self._given[index].append(answer)
        if self._at_its_end(index):
            self.left -= 1
        elif index in self._walks:
            self.ahead[index] += 1
            self._ask(index, number + 1, self._walks[index].send(answer), counter)

    def retake(self, index: int, counter: Counter) -> None:
        """A chain's trial is gone: from here on the driver walks it, with what was told so far."""
        self._gone.add(index)
        given = self._given[index]
        if index in self._walks or (self._at_its_end(index) and len(given) > self.number(index)):
            return
        steps = self._walks[index] = walk(index, self._plan)
        request = next(steps)
        for answer in given:
            request = steps.send(answer)
        if len(given) > self.number(index):  # the trial had its answer, and has not asked on
            self._ask(index, len(given), request, counter)

    def _at_its_end(self, index: int) -> bool:
        """Whether a chain's open request is its last."""
        _, request = self._open[index]
        return isinstance(request, Meet) and request.round == self._plan.rounds

    def _ask(self, index: int, number: int, request: Request, counter: Counter) -> None:
        self._open[index] = number, request
        counter.accept(index, request)
