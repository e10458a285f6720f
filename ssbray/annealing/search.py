"""Several chains behind one ask and tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ssbray import rng
from ssbray.annealing import chain as chains_
from ssbray.annealing.archive import Archive, Record
from ssbray.annealing.chain import Chain, Schedule
from ssbray.annealing.dimension import Dimension
from ssbray.annealing.space import Point, Space
from ssbray.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something to evaluate. `step` counts a chain's candidates, the initial design included."""

    id: str
    chain: int
    step: int
    parameters: Point


class AdaptiveSimulatedAnnealing:
    """Interacting annealing chains that minimise.

    The initial design covers the space and is dealt to the chains like cards; when all of it is
    told, each chain starts from one of the best points. Chains then walk on their own, one candidate
    in flight each. Before its step s a chain knows its own past and what the others had told before
    their step s - lag, no more and no less; so it may run `lag` steps ahead of the slowest, and then
    waits. Every `exchange_every` steps the chain that stood worst goes on from the best point.
    `ask` gives None when every chain waits for a tell. The trajectory depends on the seed and the
    told values alone, not on the order of the tells.

    Parameters
    ----------
    space : name -> Float, Int or Categorical.
    seed : of all randomness.
    chains : number of chains, and so of candidates in flight.
    budget : evaluations in all.
    lag : steps that a chain may run ahead of the others; the fewer, the fresher what it learns from.
    exchange_every : steps between exchanges.
    schedule : "adaptive", or "literal": x + T * gauss and nothing else.

    >>> from ssbray.annealing import Float
    >>> search = AdaptiveSimulatedAnnealing({"x": Float(0, 1)}, seed=0, chains=2, budget=40)
    >>> while (candidate := search.ask()) is not None:
    ...     search.tell(candidate, (candidate.parameters["x"] - 0.3) ** 2)
    >>> round(search.best[0]["x"], 2)
    0.3
    """

    def __init__(self, space: Mapping[str, Dimension], *, seed: int, chains: int = 4, budget: int = 300, lag: int = 1,
                 exchange_every: int = 32, schedule: Literal["adaptive", "literal"] = "adaptive") -> None:
        for name, value, least in (("chains", chains, 1), ("budget", budget, 1), ("lag", lag, 0),
                                   ("exchange_every", exchange_every, 1)):
            if value < least:
                raise InputError(name, value, f"must be at least {least}")
        self.space = Space(space)
        self._making = {"seed": seed, "chains": chains, "budget": budget, "lag": lag, "exchange_every": exchange_every,
                        "schedule": schedule}
        self._seed, self._n, self._budget, self._lag, self._exchange = seed, chains, budget, lag, exchange_every
        n_initial = min(budget, max(chains, min(2 * len(self.space) + chains, budget // 3), budget // 8))
        self._initial = self.space.spread(n_initial, rng.subseed(seed, "initial design"))
        self._schedule = Schedule(steps=max(1, (budget - n_initial) // chains), rule=schedule)
        self._in_flight: dict[int, Candidate] = {}
        self._told: dict[tuple[int, int], tuple[Record, bool]] = {}  # (chain, step) -> record, whether accepted
        self._added: list[tuple[int, Record]] = []  # step from which chains see it, record
        self._issued = [0] * chains
        self._walks: list[list[Chain]] = []  # per chain, where it stood after each of its steps
        self._sight: dict[int, Archive] = {}  # per chain, what it knew before its last step
        self._known: list[Record] = []  # before the walks began
        self._first: list[int] = []  # per chain, candidates of the initial design

    def ask(self, chain: int | None = None) -> Candidate | None:
        """Next candidate (of one chain, if given); None when it must wait, or when the budget is spent."""
        for index in range(self._n) if chain is None else [chain]:
            if index not in self._in_flight and (parameters := self._next(index)) is not None:
                step = self._issued[index]
                candidate = Candidate(id=f"{index}-{step}", chain=index, step=step, parameters=parameters)
                self._in_flight[index] = candidate
                self._issued[index] += 1
                return candidate
        return None

    def tell(self, candidate: Candidate, value: float | None, std: float = 0.0, violation: float = 0.0) -> None:
        """Report a candidate's cost, its standard error, and by how much it breaks the constraints.

        A value of None or NaN: it failed, and is never accepted. Where constraints are broken the
        violation alone counts, and the value may be None.
        """
        if self._in_flight.get(candidate.chain) != candidate:
            raise InputError("candidate", candidate.id, "was not asked for, or was told already")
        record = Record.of(self.space, candidate.parameters, value, std, violation)
        del self._in_flight[candidate.chain]
        accepted = math.isfinite(record.rank[0])
        if self._walks:
            walk = self._walks[candidate.chain]
            moved, accepted = chains_.decide(
                walk[-1], record.point, record.cost, record.std, scale=self._sight[candidate.chain].unit,
                schedule=self._schedule, seed=self._seed, violation=record.violation)
            walk.append(self._exchanged(moved))
        self._told[candidate.chain, candidate.step] = record, accepted
        if not self._walks and len(self._told) == len(self._initial):
            self._start()

    def add(self, parameters: Mapping[str, float | int | str], value: float | None, std: float = 0.0,
            violation: float = 0.0) -> None:
        """Make known a point that was evaluated elsewhere; it costs no budget.

        Chains learn from it from the next step on that none of them has begun, so that the
        trajectory depends on when it was added, but still not on the order of the tells in flight.
        """
        point = {name: parameters[name] for name in self.space.decode(self.space.encode(parameters))}
        begun = [len(walk) - 1 + (index in self._in_flight) for index, walk in enumerate(self._walks)]
        self._added.append((max(1, *begun) if begun else 0, Record.of(self.space, point, value, std, violation)))

    @property
    def remaining(self) -> int:
        """Candidates still to be asked for."""
        return self._budget - sum(self._issued)

    @property
    def best(self) -> tuple[Point, float]:
        """Best point so far and its told cost; of points that noise does not tell apart, the one in their middle."""
        records = [self._told[key][0] for key in self._keys()] + [record for _, record in self._added]
        if not records:
            raise InputError("best", None, "nothing was told yet")
        archive = Archive.of(self.space, records)
        best = archive.best() if archive.records else records[0]
        return dict(best.point), best.cost

    @property
    def trajectory(self) -> list[tuple[int, int, Point, float, bool]]:
        """(chain, step, parameters, cost, accepted), ordered by step, then chain."""
        return [(*key, self._told[key][0].point, self._told[key][0].cost, self._told[key][1]) for key in self._keys()]

    def state_dict(self) -> dict[str, Any]:
        """Everything told and added so far, as plain data. Candidates in flight are asked again after loading."""
        return {**self._making, "added": [[since, each.point, *_plain(each)] for since, each in self._added],
                "told": [[*key, *_plain(self._told[key][0])] for key in self._keys()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replay a state into a fresh search of the same making."""
        for name, value in self._making.items():
            if state.get(name) != value:
                raise InputError(name, state.get(name), f"this search was made with {value}")
        if self._told or self._in_flight or self._added:
            raise InputError("state", len(self._told), "load into a search that has not been used")
        self._added = [(since, Record.of(self.space, point, *plain)) for since, point, *plain in state["added"]]
        for chain, step, *plain in state["told"]:
            candidate = self.ask(chain)
            if candidate is None or candidate.step != step:
                raise InputError("state", f"{chain}-{step}", "does not follow from this search: wrong space or seed")
            self.tell(candidate, *plain)

    def _next(self, index: int) -> Point | None:
        if not self._walks:
            card = index + self._n * self._issued[index]
            return self._initial[card] if card < len(self._initial) else None
        chain = self._walks[index][-1]
        slowest = min(len(walk) - 1 for walk in self._walks)
        if chain.step >= self._quota(index) or chain.step > slowest + self._lag:
            return None
        if self._schedule.rule == "adaptive":
            self._sight[index] = Archive.of(self.space, self._visible(index, chain.step))
        return chains_.propose(self.space, chain, self._schedule, self._seed, archive=self._sight[index])[0]

    def _visible(self, index: int, step: int) -> Iterator[Record]:
        """What a chain may know before its step: its own past, that of the others up to the lag, and what was added."""
        yield from self._known
        for past in range(step):
            for other in range(self._n):
                if (other == index or past < step - self._lag) and past < len(self._walks[other]) - 1:
                    yield self._told[other, past + self._first[other]][0]
        yield from (record for since, record in self._added if 0 < since <= step)

    def _quota(self, index: int) -> int:
        """Steps of a chain after the initial design: fixed beforehand, so that no race decides who gets the last."""
        share, rest = divmod(self._budget - len(self._initial), self._n)
        return share + (index < rest)

    def _start(self) -> None:
        """Put each chain on one of the best points that are known."""
        self._known = [self._told[key][0] for key in self._keys()] + [
            record for since, record in self._added if since == 0]
        self._first = list(self._issued)
        ranked = sorted(self._known, key=lambda record: record.rank)
        for index in range(self._n):
            record = ranked[index % len(ranked)]
            self._sight[index] = Archive(self.space, ())
            self._walks.append([chains_.start(index, record.point, record.cost, self._schedule, record.std,
                                              record.violation)])

    def _exchanged(self, moved: Chain) -> Chain:
        """The chain, or at an exchange the best point known to it, if it was the worst of all a lag ago."""
        if moved.step % self._exchange or not self._sight[moved.index].records:
            return moved
        best = self._sight[moved.index].best()
        then = [walk[max(0, moved.step - 1 - self._lag)] for walk in self._walks]
        after = chains_.exchange(then, (best.point, best.cost, best.std), self._schedule)[moved.index]
        if best.violation > 0 or after is then[moved.index]:
            return moved
        return replace(after, step=moved.step, accepted=moved.accepted, memory={**moved.memory, **after.memory})

    def _keys(self) -> list[tuple[int, int]]:
        return sorted(self._told, key=lambda key: (key[1], key[0]))


def _plain(record: Record) -> list[float | None]:
    """Cost, standard error and violation as JSON holds them."""
    return [record.cost if math.isfinite(record.cost) else None, record.std, record.violation]
