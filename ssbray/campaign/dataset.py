"""Data sets: designs drawn over a spec's search space, one specimen each, solved and kept in a ledger."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import rng, units
from ssbray.campaign.desk import Desk
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, Task, physics_version, solve_again
from ssbray.campaign.workers import Workers
from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.files import dump_json

TRAINING_FILE = "training.json"  #: in a model's directory: where its data is, and the keys of what it has learnt from
Row = tuple[str, str, FeatureGraph, float]  #: key, group, graph, conductivity [S/m]


def tasks(spec: Spec, count: int, seed: int) -> list[Task]:
    """Independent random designs, each with a specimen of its own. The first of more are the same."""
    if count < 1:
        raise InputError("--count", count, "must be at least 1")
    if seed < 0:
        raise InputError("--seed", seed, "must be zero or more")
    space = spec.space
    return [Task(kind="solve", parameters=spec.design(space.decode(rng.stream(seed, "design", k).random(len(space)))
                                                      ).model_dump(),
                 seed=rng.subseed(seed, "data set specimen", k), size_nm=spec.specimen.size_nm,
                 pixel_size_nm=spec.specimen.pixel_size_nm, temperature_C=spec.conditions.temperature_C,
                 rtol=spec.truth.rtol, materials=spec.materials, laws=spec.laws) for k in range(count)]


def build(spec: Spec, store: Path, wanted: list[Task], workers: Workers,
          on_outcome: Callable[[Outcome, bool], None] | None = None) -> dict[str, Any]:
    """Solve what the store does not hold yet."""
    with Ledger(store) as ledger:
        content = spec.model_dump(mode="json", include={"process", "search", "conditions", "materials", "laws",
                                                        "truth"})
        made_by = {"spec": dump_json({**content, "size_nm": spec.specimen.size_nm,
                                      "pixel_size_nm": spec.specimen.pixel_size_nm}), "physics": physics_version(),
                   "seen": dump_json(dict(wanted[0].seen))}
        for name, value in made_by.items():
            if ledger.meta(name, value) != value:
                raise InputError("--out", str(store), f"holds specimens of another {name}: name another directory")
        desk = Desk(ledger, workers, on_outcome)
        outcomes = desk.outcomes(wanted)
        failures = [outcome.failure for outcome in outcomes if not outcome.ok]
        return {"specimens": len(wanted), "fe_solves": desk.fresh, "cache_hits": desk.cache_hits,
                "failed": len(failures), "failures": failures[:5],
                "non_percolating": sum(each.ok and not each.values["percolates"] for each in outcomes),
                "stored": ledger.count()}


def read(store: Path) -> list[Row]:
    """(key, group, graph, conductivity in S/m) of each solved specimen, in the order of keys.

    Specimens of one design are one group: they must not straddle training and test.
    """
    with Ledger(store, write=False) as ledger:
        rows = [(outcome.key, repr(sorted(task.parameters.items())), outcome.graph,
                 100.0 * outcome.values["sigma_eff_S_per_cm"])
                for task, outcome in ledger.outcomes() if outcome.ok and outcome.graph is not None]
    if not rows:
        raise InputError("--data", str(store), "holds no solved specimen: run `ssbray dataset build` first")
    return rows


def losses(store: Path) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Key -> share of the finite-element loss in each node and edge of the graph, of specimens solved with them."""
    with Ledger(store, write=False) as ledger:
        shares = {outcome.key: outcome.values["loss"] for _, outcome in ledger.outcomes()
                  if outcome.ok and "loss" in outcome.values}
    return {key: (np.array(each["nodes"]), np.array(each["edges"])) for key, each in shares.items()}


def parameters(store: Path) -> dict[str, Mapping[str, Any]]:
    """Key -> process parameters of each solved specimen."""
    with Ledger(store, write=False) as ledger:
        return {outcome.key: task.parameters for task, outcome in ledger.outcomes() if outcome.ok}


def floor(store: Path, keys: Collection[str], count: int, seed: int = 0) -> dict[str, Any] | None:
    """How far the finite-element answers themselves change if specimens are cut and solved at half the pixel.

    No model that learns from the coarser answers can be trusted to less than about this; the error of
    the finer ones comes on top, and is not in it.

    Parameters
    ----------
    store : where the specimens are.
    keys : those to choose from.
    count : how many to solve again, chosen at random; zero for none.
    seed : decides which.

    Returns
    -------
    percent, the mean |sigma(half) / sigma - 1|; interval95 of it by bootstrap; n. None if there is nothing to solve.
    """
    with Ledger(store, write=False) as ledger:
        known = [(task, outcome.values["sigma_eff_S_per_cm"]) for task, outcome in ledger.outcomes()
                 if outcome.key in keys and outcome.ok and outcome.values["percolates"]
                 and not task.seen]  # an image has the pixels that it has
    chosen = rng.stream(seed, "floor").permutation(len(known))[:count]
    change = []
    for k in chosen:
        task, sigma = known[k]
        finer = solve_again(replace(task, pixel_size_nm=task.pixel_size_nm / 2))[1]
        change.append(100 * abs(units.S_per_cm(finer.sigma_eff) / sigma - 1))
    if not change:
        return None
    draws = rng.stream(seed, "floor bootstrap").integers(0, len(change), (2000, len(change)))
    low, high = np.percentile(np.asarray(change)[draws].mean(axis=1), [2.5, 97.5])
    return {"percent": float(np.mean(change)), "interval95": [float(low), float(high)], "n": len(change)}


def held_out(groups: list[str], share: float, seed: int) -> np.ndarray:
    """Mark a share of the groups, (n,) True where held out."""
    if not 0 <= share < 1:
        raise InputError("--hold-out", share, "must lie between 0 and 1")
    names = sorted(set(groups))
    chosen = set(rng.stream(seed, "hold out").permutation(names)[: math.ceil(share * len(names))]) if share else set()
    return np.array([group in chosen for group in groups])
