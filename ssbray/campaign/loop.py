"""The campaign: plan, learn, anneal, confirm. Everything that runs elsewhere is handed in."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import rng, units
from ssbray.annealing import Point, Schedule
from ssbray.campaign import confirm, objective
from ssbray.campaign.bound import bound
from ssbray.campaign.confirm import Confirmed
from ssbray.campaign.dataset import TRAINING_FILE
from ssbray.campaign.desk import Desk
from ssbray.campaign.judge import Judge
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.listeners import Listener
from ssbray.campaign.meeting import Counter
from ssbray.campaign.objective import Evaluation
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.campaign.siblings import Siblings
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task, physics_version
from ssbray.campaign.walk import Plan, StepRecord
from ssbray.campaign.workers import Annealers, Learner, Workers
from ssbray.errors import InputError
from ssbray.files import write_json


def plan_of(spec: Spec) -> Plan:
    """What the chains are told."""
    settings = spec.annealing
    return Plan(space=spec.space, schedule=Schedule(steps=settings.rounds * settings.steps, rule=settings.schedule),
                seed=spec.seed, rounds=settings.rounds, steps=settings.steps, proposals=settings.proposals,
                unscreened=settings.unscreened, optimism=settings.optimism)


def solves_planned(spec: Spec) -> int:
    """Finite-element solves of a campaign in which no design comes twice."""
    return spec.evaluations * spec.specimen.replicates + (spec.confirm.designs + 3) * spec.confirm.specimens


def run(spec: Spec, directory: Path, *, workers: Workers, learner: Learner, annealers: Annealers, listener: Listener,
        cache: Path | None = None, conclude: Callable[[dict[str, Any]], None] = lambda summary: None
        ) -> dict[str, Any]:
    """Run a campaign in `directory`, or go on with one that was interrupted there; returns the summary.

    The same spec gives the same trajectory whatever the workers are. Solves that the directory's
    ledger already holds, or that of another campaign in `cache`, are not repeated. `conclude` gets the
    summary to write it and what goes with it, while the directory is still ours and the campaign still running.

    Raises
    ------
    Paused
        Somebody asked for it (`PauseRequest`); what was in flight is kept, and another run goes on from there.
    InputError
        The directory holds another campaign, is in use, or cannot be written; or no design conducts.
    """
    with Ledger(directory) as ledger, Siblings(cache, directory) as siblings:
        known = ledger.meta("spec_sha256", spec.digest)
        if known != spec.digest:
            raise InputError("name", spec.name, f"{directory} holds a campaign of another spec: give another --name or "
                             "--dir, or remove it")
        ledger.meta("spec", spec.model_dump_json())
        hold = PauseRequest(directory)
        hold.clear()
        ledger.begin(workers.capacity)
        try:
            desk = Desk(ledger, workers, on_outcome=listener.solved, siblings=siblings, hold=hold)
            summary = _search(spec, directory, ledger, desk, workers.capacity, learner, annealers, listener)
            conclude(summary)
        except BaseException as error:
            with suppress(InputError):  # the disk may be why it ends
                ledger.end(*_why(error))
            raise
        finally:
            hold.clear()
        ledger.end("completed")
    return summary


def _why(error: BaseException) -> tuple[str, str | None]:
    """Status and note of a session that something ended."""
    if isinstance(error, Paused):
        return "paused", None
    if isinstance(error, Exception):
        return "failed", " ".join(str(error).split()) or type(error).__name__
    return "interrupted", None


def _search(spec: Spec, directory: Path, ledger: Ledger, desk: Desk, capacity: int, learner: Learner,
            annealers: Annealers, listener: Listener) -> dict[str, Any]:
    """From the initial design to the summary. Events are told again from the solves that are kept."""
    started = time.perf_counter()
    ledger.clear_events()
    listener.started(spec, directory, solves_planned(spec))
    clock = _Clock()

    plan = plan_of(spec)
    with annealers.begin(plan, spec.annealing.chains) as walk_all:  # begins behind the initial design
        _enter("initial design", ledger, listener)
        judge = Judge(spec)
        initial = _initial(spec, desk, judge)
        for number, (point, result) in enumerate(initial):
            ledger.record("initial", str(number), {"parameters": point, **asdict(result)})
        clock.lap("initial")

        _enter("annealing", ledger, listener)
        counter = Counter(spec, plan, desk, learner, ledger, listener, judge, initial)
        walk_all(counter)
        clock.lap("annealing")

        _enter("confirmation", ledger, listener)
        designs = _confirm(spec, desk, counter.evaluated)
        clock.lap("confirmation")
    trained = bool(counter.cards)
    if trained:
        learner.save(str(directory / "model"))
        write_json(directory / "model" / TRAINING_FILE, {"store": str(directory.resolve()), "seed": spec.seed,
                                                         "keys": counter.learnt})
    seconds = _seconds(time.perf_counter() - started, desk, counter.training_s, capacity, clock)
    summary = _summary(spec, desk, counter, designs, _check_surrogate(learner, trained, designs), seconds)
    ledger.record("summary", summary["trajectory_sha256"], summary)
    return summary


def _enter(phase: str, ledger: Ledger, listener: Listener) -> None:
    ledger.record("phase", "now", {"phase": phase})
    listener.phase(phase)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now


def _gather(desk: Desk, requests: Sequence[list[Task]]) -> list[list[Outcome]]:
    """Solve several lists of tasks; outcomes in the order of the lists."""
    answers: dict[int, list[Outcome]] = {}
    for number, tasks in enumerate(requests):
        desk.accept(("gather", number), tasks, list)
    retried: set[int] = set()
    while len(answers) < len(requests):
        for (_, number), outcomes in desk.pump(timeout_s=1.0):
            if number not in retried and not all(outcome.ok for outcome in outcomes):
                retried.add(number)  # a machine may have failed, not the design
                desk.forget_failures()
                desk.accept(("gather", number), list(requests[number]), list)
            else:
                answers[number] = outcomes
    return [answers[number] for number in range(len(requests))]


def _initial(spec: Spec, desk: Desk, judge: Judge) -> list[tuple[Point, Evaluation]]:
    """The designs of the space-filling plan; those that break a constraint are not solved."""
    points = spec.space.spread(spec.annealing.initial, rng.subseed(spec.seed, "initial design"))
    refused = [judge.refused(point) for point in points]
    requests = [objective.tasks(spec, point) for point, no in zip(points, refused, strict=True) if no is None]
    solved = _gather(desk, requests)
    judge.learn([outcome for outcomes in solved for outcome in outcomes])
    answers = iter(solved)
    results = [no or judge.evaluation(next(answers)) for no in refused]
    if requests and all(result.value is None for result in results):
        why = next(result.failure for result, no in zip(results, refused, strict=True) if no is None)
        raise InputError("search", spec.name, f"no design of the initial plan conducts ({why}): widen the ranges")
    return list(zip(points, results, strict=True))


def _confirm(spec: Spec, desk: Desk, evaluated: Sequence[tuple[Any, Evaluation]]) -> list[Confirmed]:
    """Best design, reference, best without its coating; then the other finalists, best first.

    The winner is chosen on one set of fresh specimens and measured on another.
    """
    chosen = confirm.finalists(spec, evaluated)
    if not chosen:
        raise InputError("objective.constraints", spec.objective.constraints.model_dump(exclude_none=True),
                         "no design that keeps them and conducts was found: loosen them, or widen the ranges")
    runoff = [Confirmed(role="finalist", parameters=parameters, outcomes=tuple(outcomes)) for parameters, outcomes in
              zip(chosen, _gather(desk, [_fresh(spec, each, "runoff specimen") for each in chosen]), strict=True)]
    runoff.sort(key=lambda design: confirm.standing(spec, design))
    best = runoff[0].parameters
    final = {"best": best, "reference": spec.reference_design.model_dump(),
             "best without its coating": spec.design({**best, "coating": "bare"}).model_dump()}
    outcomes = _gather(desk, [_fresh(spec, parameters, "fresh specimen") for parameters in final.values()])
    measured = [Confirmed(role=role, parameters=parameters, outcomes=tuple(solved))
                for (role, parameters), solved in zip(final.items(), outcomes, strict=True)]
    return [*measured, *runoff[1:]]


def _fresh(spec: Spec, parameters: dict[str, Any], purpose: str) -> list[Task]:
    """A design on specimens that the search does not use."""
    return objective.tasks(spec, parameters, purpose=purpose, count=spec.confirm.specimens)


def _check_surrogate(learner: Learner, trained: bool, designs: Sequence[Confirmed]) -> dict[str, Any]:
    """Predictions for the fresh specimens, which the surrogate has not seen; chosen by the search, not at random."""
    pairs = [(design.role, outcome) for design in designs for outcome in design.outcomes
             if outcome.ok and outcome.graph is not None and outcome.values["percolates"]]
    if not pairs or not trained:
        return {"n": 0, "mape_percent": None, "nll": None, "coverage90": None, "specimens_sha256": None, "roles": [],
                "ln_sigma_S_per_m": [], "mean_ln": [], "std_ln": []}
    mean, std = learner.predict([outcome.graph for _, outcome in pairs if outcome.graph is not None])
    truth = np.log([units.S_per_m(outcome.values["sigma_eff_S_per_cm"]) for _, outcome in pairs])
    inside = np.abs(truth - mean) <= 1.6449 * std
    return {"n": len(pairs), "mape_percent": float(100 * np.mean(np.abs(np.expm1(mean - truth)))),
            "nll": float(np.mean(0.5 * ((truth - mean) / std) ** 2 + np.log(std) + 0.5 * math.log(2 * math.pi))),
            "coverage90": float(inside.mean()), "specimens_sha256": _digest([outcome.key for _, outcome in pairs]),
            "roles": [role for role, _ in pairs],
            "ln_sigma_S_per_m": truth.tolist(), "mean_ln": mean.tolist(), "std_ln": std.tolist()}


def _seconds(total: float, desk: Desk, training: float, capacity: int, clock: _Clock) -> dict[str, float]:
    """Wall time of this run and where it went; `solving` is summed over workers, `orchestration` is the rest."""
    return {"total": total, "solving": desk.busy_s, "training": training,
            "orchestration": max(0.0, total - desk.busy_s / capacity - training), **clock.laps}


def _summary(spec: Spec, desk: Desk, counter: Counter, designs: Sequence[Confirmed], check: dict[str, Any],
             seconds: dict[str, float]) -> dict[str, Any]:
    best, reference, uncoated = designs[:3]
    percent, interval = confirm.gain(best, reference)
    alone, alone_interval = confirm.gain(best, uncoated)
    return {
        "name": spec.name,
        "status": "completed",
        "evaluations": len(counter.evaluated),
        "fe_solves": sum(outcome.ok for outcome in desk.solves.values()),
        "fe_solves_this_run": desk.fresh,
        "cache_hits": desk.cache_hits,
        "screened": counter.screened,
        "best": confirm.describe(spec, best),
        "reference": confirm.describe(spec, reference),
        "finalists": [confirm.describe(spec, design) for design in designs[3:]],
        "best_without_coating": confirm.describe(spec, uncoated),
        "improvement_percent": percent,
        "improvement_interval90_percent": interval,
        "improvement_of": "sigma_eff of the best design over the reference, on the same fresh specimens",
        "noise": confirm.noise(spec, [design for design in designs if design.outcomes]),
        "bound": bound(spec, _fresh(spec, best.parameters, "fresh specimen")),
        "coating_improvement_percent": alone,
        "coating_improvement_interval90_percent": alone_interval,
        "trajectory_sha256": trajectory_sha256(counter.records),
        "surrogate": {"card": counter.cards[-1] if counter.cards else {}, "fresh_specimens": check},
        "model": spec.conditions.model,
        "spec_sha256": spec.digest,
        "physics_version": physics_version(),
        "mlflow_run_id": None,
        "seconds": seconds,
    }


def trajectory_sha256(records: Sequence[StepRecord]) -> str:
    """Digest of the ordered list of (chain, step, parameters, objective, accepted)."""
    ordered = sorted(records, key=lambda record: (record.step, record.chain))
    rows = [[record.chain, record.step, record.parameters, None if record.value is None else f"{record.value:.10g}",
             record.accepted] for record in ordered]
    return _digest(rows)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
