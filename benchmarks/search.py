"""Regret of the search beside its peers at an equal number of evaluations, as tables in markdown.

    python benchmarks/search.py [--budget 300] [--seeds 20] [--methods NAME ...] [--out docs/search.md]

One thread, one process. Each run is one line of a JSONL file, so that it can be stopped and goes on where
it was; lines of another version of the search are run again. GP and BoTorch take seconds an evaluation and run only
where --methods has them; BoTorch needs the extra `bench`. Ends with 3 if
the search is not better than random everywhere, or its median regret is above 1.25 of TPE's on half or more.
"""

import argparse
import hashlib
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from landscapes import LANDSCAPES, Landscape  # noqa: E402
from record import record  # noqa: E402

import ssbray.annealing  # noqa: E402
from ssbray import rng  # noqa: E402
from ssbray.annealing import AdaptiveSimulatedAnnealing, Categorical, Float, Int, Point  # noqa: E402

NOISE = 0.05  #: standard deviation of the noise, in standard deviations of the function over its box
CHAINS = 4
LIMIT = 1.25  #: of the median regret of TPE
Objective = Callable[[Point], float]
Told = list[tuple[Point, float]]
HEAD = f"""# The search beside its peers

Made by `python benchmarks/search.py`. Median regret (true cost of the point that a method recommends, less the
least there is) over {{seeds}} seeds after {{budget}} evaluations; smaller is better. Each seed shifts the optimum.

The search has {CHAINS} chains, so {CHAINS} candidates are in flight, told in the order they were asked; all peers
are asked and told one by one, which is in their favour. `literal` is `x + T * gauss` without an acceptance test.
`TPE` is Optuna's default sampler; `dual annealing` is SciPy's, stopped at the budget. In noise of {NOISE:.0%} of
the function's standard deviation over its box, the search is told the standard error as a campaign would tell it,
except in the column `not told`; others recommend the point of their lowest observation. `mixed` has real,
logarithmic, whole and categorical parameters, one of which exists only beside three of four choices.
"""


def annealing(landscape: Landscape, objective: Objective, budget: int, seed: int, *, std: float = 0.0,
              schedule: Any = "adaptive") -> Point:
    """Our search, with `CHAINS` candidates in flight."""
    search = AdaptiveSimulatedAnnealing(landscape.space, seed=seed, chains=CHAINS, budget=budget, schedule=schedule)
    flying: list[Any] = []
    while True:
        while (candidate := search.ask()) is not None:
            flying.append(candidate)
        if not flying:
            return search.best[0]
        candidate = flying.pop(0)
        search.tell(candidate, objective(candidate.parameters), std)


def chance(landscape: Landscape, objective: Objective, budget: int, seed: int) -> Point:
    """Uniform random search."""
    generator = rng.stream(seed, "random search")
    points = (landscape.at(generator.random(len(landscape.space))) for _ in range(budget))
    return min(((objective(point), k, point) for k, point in enumerate(points)))[2]


def optuna(landscape: Landscape, objective: Objective, budget: int, seed: int, *, sampler: str) -> Point:
    """One of Optuna's samplers, on a space that is defined by running."""
    import optuna as peer

    peer.logging.set_verbosity(peer.logging.ERROR)
    warnings.filterwarnings("ignore", category=peer.exceptions.ExperimentalWarning)

    def run(trial: Any) -> float:
        point: Point = {}
        for name, dimension in landscape.space.items():
            if not all(point.get(parent) in choices for parent, choices in (dimension.when or {}).items()):
                continue
            if isinstance(dimension, Categorical):
                point[name] = trial.suggest_categorical(name, list(dimension.choices))
            elif isinstance(dimension, Int):
                point[name] = trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log)
            elif isinstance(dimension, Float):
                point[name] = trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
        trial.set_user_attr("point", point)
        return objective(point)

    study = peer.create_study(sampler=getattr(peer.samplers, sampler)(seed=seed))
    study.optimize(run, n_trials=budget)
    return dict(study.best_trial.user_attrs["point"])


def dual_annealing(landscape: Landscape, objective: Objective, budget: int, seed: int) -> Point:
    """SciPy's generalised annealing with its local search, in the unit cube."""
    from scipy.optimize import dual_annealing as peer

    told: Told = []

    class Spent(Exception):
        """The budget is."""

    def run(u: np.ndarray) -> float:
        if len(told) == budget:
            raise Spent
        point = landscape.at(np.clip(u, 0.0, 1.0))
        told.append((point, objective(point)))
        return told[-1][1]

    try:
        while True:
            peer(run, [(0.0, 1.0)] * len(landscape.space), rng=np.random.default_rng(seed), maxfun=budget)
    except Spent:
        return min(told, key=lambda each: each[1])[0]


def botorch(landscape: Landscape, objective: Objective, budget: int, seed: int) -> Point:
    """A Gaussian process with log expected improvement, by BoTorch as its own tutorials have it, in the unit cube."""
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    warnings.filterwarnings("ignore", module="botorch|linear_operator|gpytorch")
    torch.manual_seed(rng.subseed(seed, "botorch") % 2**31)
    n = len(landscape.space)
    u = torch.quasirandom.SobolEngine(n, scramble=True, seed=seed).draw(min(budget, 2 * n + 4), dtype=torch.float64)
    points = [landscape.at(row.numpy()) for row in u]
    costs = [objective(point) for point in points]
    while len(costs) < budget:
        gain = -torch.tensor(costs, dtype=torch.float64)[:, None]
        model = SingleTaskGP(u, gain, outcome_transform=Standardize(1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        found, _ = optimize_acqf(LogExpectedImprovement(model, best_f=gain.max()), q=1, num_restarts=5, raw_samples=128,
                                 bounds=torch.tensor([[0.0] * n, [1.0] * n], dtype=torch.float64))
        u = torch.cat([u, found.detach()])
        points.append(landscape.at(u[-1].numpy()))
        costs.append(objective(points[-1]))
    return points[int(np.argmin(costs))]


METHODS: dict[str, Callable[[Landscape, Objective, int, int, float], Point]] = {
    "ssbray": lambda f, y, n, seed, std: annealing(f, y, n, seed, std=std),
    "not told": lambda f, y, n, seed, std: annealing(f, y, n, seed),
    "literal": lambda f, y, n, seed, std: annealing(f, y, n, seed, std=std, schedule="literal"),
    "random": lambda f, y, n, seed, std: chance(f, y, n, seed),
    "TPE": lambda f, y, n, seed, std: optuna(f, y, n, seed, sampler="TPESampler"),
    "dual annealing": lambda f, y, n, seed, std: dual_annealing(f, y, n, seed),
    "GP": lambda f, y, n, seed, std: optuna(f, y, n, seed, sampler="GPSampler"),
    "BoTorch": lambda f, y, n, seed, std: botorch(f, y, n, seed),
}
SLOW = ("GP", "BoTorch")  #: seconds an evaluation, when there are many: only where they are asked for
OURS = ("ssbray", "not told", "literal")


@cache
def code() -> str:
    """Digest of the search, so that lines of another version are told apart."""
    folder = Path(ssbray.annealing.__file__).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()[:12]


def measure(method: str, function: str, noisy: bool, seed: int, budget: int) -> dict[str, Any]:
    """One run."""
    landscape = LANDSCAPES[function](seed)
    std = NOISE * landscape.spread if noisy else 0.0
    noise = rng.stream(seed, "noise", function)
    count, began = 0, time.perf_counter()

    def objective(point: Point) -> float:
        nonlocal count
        count += 1
        return landscape(point) + std * float(noise.normal())

    best = METHODS[method](landscape, objective, budget, seed, std)
    assert count == budget, f"{method} took {count} evaluations of {budget}"
    return {"method": method, "function": function, "noisy": noisy, "seed": seed, "budget": budget,
            "code": code() if method in OURS else "", "regret": landscape(best), "seconds": time.perf_counter() - began}


def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a run is known by."""
    return tuple(row[name] for name in ("method", "function", "noisy", "seed", "budget", "code"))


def ratio(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Ratio of medians, with its 5 % and 95 % points when the seeds are drawn again with replacement."""
    drawn = rng.stream(0, "bootstrap").integers(len(ours), size=(2000, len(ours)))
    least = 1e-12  # regrets below are round-off
    again = np.median(np.maximum(ours, least)[drawn], axis=1) / np.median(np.maximum(theirs, least)[drawn], axis=1)
    return (float(np.median(np.maximum(ours, least)) / np.median(np.maximum(theirs, least))),
            *(float(each) for each in np.quantile(again, [0.05, 0.95])))


def report(rows: Iterable[dict[str, Any]], methods: list[str], seeds: list[int], budget: int,
           functions: list[str]) -> tuple[str, bool]:
    """Tables, and whether what is promised holds."""
    regret: dict[tuple[str, str, bool], np.ndarray] = {}
    table = {key(row): row["regret"] for row in rows}
    lines = [HEAD.format(seeds=len(seeds), budget=budget),
             "| function | noise | " + " | ".join(methods) + " | ssbray / TPE (5 % to 95 %) |",
             "|" + " --- |" * (len(methods) + 3)]
    within, better, cases = 0, True, 0
    for noisy in (False, True):
        for function in functions:
            for method in methods:
                tag = code() if method in OURS else ""
                regret[method, function, noisy] = np.array(
                    [table.get((method, function, noisy, seed, budget, tag), math.nan) for seed in seeds])
            medians = {method: float(np.median(regret[method, function, noisy])) for method in methods}
            compared = ""
            if "ssbray" in methods:
                record("search", f"{function}, {budget} evaluations, noise {NOISE if noisy else 0:.0%}",
                       "median regret", medians["ssbray"], note=f"{len(seeds)} seeds", peers={
                           method: value for method, value in medians.items() if method not in OURS})
            if {"ssbray", "TPE"} <= set(methods):
                middle, low, high = ratio(regret["ssbray", function, noisy], regret["TPE", function, noisy])
                compared = f"{middle:.2g} ({low:.2g} to {high:.2g})"
                cases, within = cases + 1, within + (middle <= LIMIT)
            if {"ssbray", "random"} <= set(methods):
                better = better and medians["ssbray"] < medians["random"]
            cells = ["" if math.isnan(median) else f"{median:.2g}" for median in medians.values()]
            lines.append(f"| {function} | {NOISE if noisy else 0:.0%} | " + " | ".join([*cells, compared]) + " |")
    lines += ["", (f"Better than random everywhere: {'yes' if better else 'no'}. " if "random" in methods else "")
              + f"Within {LIMIT} of TPE: {within} of {cases}."]
    return "\n".join(lines), better and within * 2 >= cases + (cases > 0)


def main() -> int:
    """Run what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS),
                        default=[name for name in METHODS if name not in SLOW])
    parser.add_argument("--functions", nargs="+", choices=list(LANDSCAPES), default=list(LANDSCAPES))
    parser.add_argument("--results", type=Path, default=Path("build/search.jsonl"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if "BoTorch" in options.methods and find_spec("botorch") is None:
        print("BoTorch is not installed (extra bench), and left out", file=sys.stderr)
        options.methods.remove("BoTorch")
    options.results.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    done = {key(row) for row in rows}
    seeds = list(range(options.first_seed, options.first_seed + options.seeds))
    wanted = [(method, function, noisy, seed) for seed in seeds for method in options.methods
              for noisy in (False, True) if noisy or method != "not told" for function in options.functions]
    with options.results.open("a") as out:
        for number, (method, function, noisy, seed) in enumerate(wanted, 1):
            if (method, function, noisy, seed, options.budget, code() if method in OURS else "") in done:
                continue
            rows.append(measure(method, function, noisy, seed, options.budget))
            out.write(json.dumps(rows[-1]) + "\n")
            out.flush()
            print(f"{number}/{len(wanted)} {method}, {function}, seed {seed}: {rows[-1]['regret']:.3g} "
                  f"({rows[-1]['seconds']:.1f} s)", file=sys.stderr)
    text, holds = report(rows, options.methods, seeds, options.budget, options.functions)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main())
