"""Several chains behind one ask and tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ssbray import rng
from ssbray.annealing import chain as chains_
from ssbray.annealing.space import Dimension, Point, Space
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
    in flight each, and meet every `meet_every` steps, where the worst continues from the best.
    `ask` gives None when every chain waits for a tell. The trajectory depends on the seed and the
    told values alone, not on the order of the tells.

    Parameters
    ----------
    space : name -> Float, Int or Categorical.
    seed : of all randomness.
    chains : number of chains, and so of candidates in flight.
    budget : evaluations in all.

    >>> from ssbray.annealing import Float
    >>> search = AdaptiveSimulatedAnnealing({"x": Float(0, 1)}, seed=0, chains=2, budget=40)
    >>> while (candidate := search.ask()) is not None:
    ...     search.tell(candidate, (candidate.parameters["x"] - 0.3) ** 2)
    >>> round(search.best[0]["x"], 1)
    0.3
    """

    def __init__(self, space: Mapping[str, Dimension], *, seed: int, chains: int = 4, budget: int = 300,
                 meet_every: int = 8) -> None:
        for name, value in (("chains", chains), ("budget", budget), ("meet_every", meet_every)):
            if value < 1:
                raise InputError(name, value, "must be at least 1")
        self.space = Space(space)
        self._seed, self._n, self._budget, self._meet_every = seed, chains, budget, meet_every
        n_initial = min(budget, max(chains, min(2 * len(self.space) + chains, budget // 3)))
        self._initial = self.space.spread(n_initial, rng.subseed(seed, "initial design"))
        self._schedule = chains_.Schedule(steps=max(1, (budget - n_initial) // chains))
        self._in_flight: dict[int, Candidate] = {}
        self._told: dict[tuple[int, int], tuple[Point, float, float, bool]] = {}
        self._issued = [0] * chains
        self._chains: list[chains_.Chain] = []
        self._scale = 1.0

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

    def tell(self, candidate: Candidate, value: float | None, std: float = 0.0) -> None:
        """Report a candidate's cost and its standard error; None or NaN: it failed, and is never accepted."""
        if self._in_flight.get(candidate.chain) != candidate:
            raise InputError("candidate", candidate.id, "was not asked for, or was told already")
        del self._in_flight[candidate.chain]
        cost = math.inf if value is None or not math.isfinite(value) else float(value)
        accepted = math.isfinite(cost)
        if self._chains:
            moved, accepted = chains_.decide(self._chains[candidate.chain], candidate.parameters, cost, std,
                                             scale=self._scale, schedule=self._schedule, seed=self._seed)
            self._chains[candidate.chain] = moved
        self._told[candidate.chain, candidate.step] = (candidate.parameters, cost, std, accepted)
        self._meet()

    @property
    def best(self) -> tuple[Point, float]:
        """Best point so far and its told cost."""
        point, cost, _ = self._best()
        return point, cost

    @property
    def trajectory(self) -> list[tuple[int, int, Point, float, bool]]:
        """(chain, step, parameters, cost, accepted), ordered by step, then chain."""
        ordered = sorted(self._told.items(), key=lambda item: (item[0][1], item[0][0]))
        return [(chain, step, point, cost, accepted) for (chain, step), (point, cost, _, accepted) in ordered]

    def state_dict(self) -> dict[str, Any]:
        """Everything told so far, as plain data. Candidates in flight are asked again after loading."""
        return {"seed": self._seed, "chains": self._n, "budget": self._budget, "meet_every": self._meet_every,
                "told": [[chain, step, None if math.isinf(cost) else cost, self._told[chain, step][2]]
                         for chain, step, _, cost, _ in self.trajectory]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replay a state into a fresh search of the same making."""
        mine = {"seed": self._seed, "chains": self._n, "budget": self._budget, "meet_every": self._meet_every}
        for name, value in mine.items():
            if state[name] != value:
                raise InputError(name, state[name], f"this search was made with {value}")
        if self._told or self._in_flight:
            raise InputError("state", len(self._told), "load into a search that has not been used")
        for chain, step, cost, std in state["told"]:
            candidate = self.ask(chain)
            if candidate is None or candidate.step != step:
                raise InputError("state", f"{chain}-{step}", "does not follow from this search: wrong space or seed")
            self.tell(candidate, cost, std)

    def _next(self, index: int) -> Point | None:
        if not self._chains:
            card = index + self._n * self._issued[index]
            return self._initial[card] if card < len(self._initial) else None
        chain = self._chains[index]
        if chain.step >= self._quota(index) or self._waits(chain):
            return None
        return chains_.propose(self.space, chain, self._schedule, self._seed)[0]

    def _quota(self, index: int) -> int:
        """Steps of a chain after the initial design: fixed beforehand, so that no race decides who gets the last."""
        share, rest = divmod(self._budget - len(self._initial), self._n)
        return share + (index < rest)

    def _waits(self, chain: chains_.Chain) -> bool:
        """A chain at a meeting waits for those behind it."""
        least = min(other.step for other in self._chains)
        return chain.step % self._meet_every == 0 and chain.step > least

    def _meet(self) -> None:
        if not self._chains:
            if len(self._told) == len(self._initial):
                self._start()
            return
        steps = {chain.step for chain in self._chains}
        if len(steps) == 1 and steps.pop() % self._meet_every == 0:
            self._chains = chains_.exchange(self._chains, self._best(), self._schedule)

    def _start(self) -> None:
        ranked = sorted(self._told.items(), key=lambda item: (item[1][1], item[0]))
        self._scale = chains_.scale([told[1] for _, told in ranked])
        self._chains = [chains_.start(index, told[0], told[1], self._schedule, told[2])
                        for index, (_, told) in enumerate(ranked[k % len(ranked)] for k in range(self._n))]

    def _best(self) -> tuple[Point, float, float]:
        if not self._told:
            raise InputError("best", None, "nothing was told yet")
        _, (point, cost, std, _) = min(self._told.items(), key=lambda item: (item[1][1], item[0][1], item[0][0]))
        return point, cost, std
