"""The campaign beside random search and Optuna's samplers on its own finite-element objective, at equal solves.

    python benchmarks/equal_budget.py [--spec jobs/llzo_nmc.yaml] [--seeds 5] [--methods NAME ...]
        [--sizes full few] [--home build/equal] [--workers W] [--out docs/equal_budget.md]

Every method evaluates as many designs as the campaign's search does, on the same specimens (one set per seed), and
recommends the design of its lowest cost; the campaign's own run-off on fresh specimens is not used. What is
recommended is then scored on fresh specimens, the same for all methods of a seed. A design that does not conduct
is told to a peer as the worst cost seen so far.

Everything is kept in ledgers under --home: stopped and started again, it goes on where it was, and a solve that one
method has made is not repeated for another. Sizes: full is the spec as it is; few has fewer designs (34, so 102
solves); quick has a smaller field of view as well (600 nm x 400 nm in pixels of 5 nm, 2 specimens, 60 designs).
--workers above 1 solves on Ray. Ends with 3 if the campaign is ahead of random search or
of TPE in fewer than four of five seeds.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from record import record  # noqa: E402
from scipy.stats import t as student  # noqa: E402

from ssbray import campaign, rng  # noqa: E402
from ssbray.annealing import Point  # noqa: E402
from ssbray.campaign import Listeners, SerialAnnealers, SerialWorkers, Spec, Workers, objective  # noqa: E402
from ssbray.campaign.desk import Desk  # noqa: E402
from ssbray.campaign.judge import Judge  # noqa: E402
from ssbray.campaign.learner import LocalLearner  # noqa: E402
from ssbray.campaign.ledger import Ledger  # noqa: E402
from ssbray.campaign.siblings import Siblings  # noqa: E402
from ssbray.campaign.task import physics_version  # noqa: E402
from ssbray.codeversion import code_version  # noqa: E402

ROOT = Path(__file__).parents[1]
QUICK: dict[str, Any] = {
    "specimen": {"size_nm": [600, 400], "pixel_size_nm": 5.0, "replicates": 2},
    "annealing": {"initial": 20, "chains": 4, "rounds": 2, "steps": 5, "proposals": 6},
    "surrogate": {"members": 2, "map_steps": 200, "vi_steps": 50}}
FEW: dict[str, Any] = {"annealing": {"initial": 10, "chains": 4, "rounds": 3, "steps": 2, "proposals": 6}}
SIZES: dict[str, dict[str, Any]] = {"full": {}, "few": FEW, "quick": QUICK}
BROKEN_PROMISE = 3  #: exit code
SCORED = 12  #: fresh specimens
SAMPLERS = {"TPE": "TPESampler", "GP": "GPSampler"}
METHODS = ("campaign", "random", *SAMPLERS)


class Bench:
    """Solves for one seed, in one ledger, with those of the whole home at hand."""

    def __init__(self, spec: Spec, ledger: Ledger, siblings: Siblings, workers: Workers) -> None:
        self.spec, self.judge = spec, Judge(spec)
        self._desk = Desk(ledger, workers, siblings=siblings)

    def cost(self, point: Point, **which: Any) -> float | None:
        """Of a design, as the campaign sees it; None if it fails."""
        self._desk.accept("one", objective.tasks(self.spec, point, **which), self.judge.evaluation)
        while not (answers := self._desk.pump(1.0)):
            pass
        return float(answers[0][1].value) if answers[0][1].value is not None else None

    def score(self, point: Point) -> float | None:
        """Cost on specimens that no search has seen."""
        return self.cost(point, purpose="score specimen", count=SCORED)


def annealed(spec: Spec, home: Path, workers: Workers) -> Point:
    """What the campaign's search recommends."""
    directory = home / f"campaign-{spec.name}"
    campaign.run(spec, directory, workers=workers, learner=LocalLearner(spec.surrogate), listener=Listeners(),
                 annealers=SerialAnnealers(), cache=home)
    with Ledger(directory, write=False) as ledger:
        events = [*ledger.events("initial"), *ledger.events("step")]
    return dict(min((each for each in events if each["value"] is not None), key=lambda each: each["value"]
                    )["parameters"])


def drawn(bench: Bench) -> Point:
    """Best of uniform draws."""
    space, generator = bench.spec.space, rng.stream(bench.spec.seed, "random search")
    points = [space.decode(generator.random(len(space))) for _ in range(bench.spec.evaluations)]
    found = [(cost, k) for k, point in enumerate(points) if (cost := bench.cost(point)) is not None]
    return points[min(found)[1]]


def sampled(bench: Bench, sampler: str) -> Point:
    """Best of a sampler of Optuna's."""
    import optuna as peer

    peer.logging.set_verbosity(peer.logging.ERROR)
    warnings.filterwarnings("ignore", category=peer.exceptions.ExperimentalWarning)
    worst: list[float] = []

    def run(trial: Any) -> float:
        point: Point = {}
        for name, entry in bench.spec.search.items():
            if all(point.get(parent) in choices for parent, choices in (entry.when or {}).items()):
                point[name] = (trial.suggest_categorical(name, list(entry.choices)) if hasattr(entry, "choices")
                               else trial.suggest_float(name, entry.low, entry.high, log=entry.log))
        trial.set_user_attr("point", point)
        cost = bench.cost(point)
        trial.set_user_attr("failed", cost is None)
        if cost is None and not worst:
            raise peer.TrialPruned  # nothing to liken it to yet
        worst[:] = [max([*worst, *([] if cost is None else [cost])])]
        return worst[0] if cost is None else cost

    study = peer.create_study(sampler=getattr(peer.samplers, sampler)(seed=bench.spec.seed))
    study.optimize(run, n_trials=bench.spec.evaluations)
    good = [trial for trial in study.trials if not trial.user_attrs["failed"]]
    return dict(min(good, key=lambda trial: trial.value).user_attrs["point"])


def measure(method: str, spec: Spec, home: Path, workers: Workers) -> dict[str, Any]:
    """What a method recommends for a seed, and its score."""
    with Ledger(home / f"{method}-{spec.name}-solves") as ledger, Siblings(home, ledger.directory) as siblings:
        bench = Bench(spec, ledger, siblings, workers)
        if method == "campaign":
            point = annealed(spec, home, workers)
        else:
            point = drawn(bench) if method == "random" else sampled(bench, SAMPLERS[method])
        cost, reference = bench.score(point), bench.score(spec.reference)
    return {"method": method, "seed": spec.seed, "spec": spec.digest, "code": version(method), "point": point,
            "designs": spec.evaluations, "cost": cost, "reference": reference}


def version(method: str) -> str:
    """Of what a method's row depends on."""
    return physics_version() + (code_version(("campaign", "annealing"), ()) if method == "campaign" else "")


def gained(row: dict[str, Any]) -> float:
    """Gain in conductivity over the reference [%]; NaN where what was recommended fails."""
    return float("nan") if row["cost"] is None else float(100 * np.expm1(row["reference"] - row["cost"]))


def table(rows: list[dict[str, Any]], methods: list[str], seeds: list[int]) -> tuple[str, bool]:
    """Gain over the reference by seed and method, and whether the campaign is ahead often enough."""
    gain = {(row["method"], row["seed"]): gained(row) for row in rows}
    lines = ["| seed | " + " | ".join(methods) + " |", "|" + " --- |" * (len(methods) + 1)]
    lines += [f"| {seed} | " + " | ".join(f"{gain[method, seed]:+.1f} %" for method in methods) + " |"
              for seed in seeds]
    mean = {method: np.mean([gain[method, seed] for seed in seeds]) for method in methods}
    lines += ["| mean | " + " | ".join(f"{mean[method]:+.1f} %" for method in methods) + " |", ""]
    holds = True
    for peer in methods:
        if peer == "campaign" or "campaign" not in methods:
            continue
        ahead = sum(gain["campaign", seed] > gain[peer, seed] or np.isnan(gain[peer, seed]) for seed in seeds)
        lead = np.array([gain["campaign", seed] - gain[peer, seed] for seed in seeds])
        half = float(student.ppf(0.95, len(lead) - 1) * lead.std(ddof=1) / np.sqrt(len(lead))) if len(lead) > 1 else 0.0
        lines += [f"- Ahead of {peer} in {ahead} of {len(seeds)} seeds, by {lead.mean():+.1f} points in the mean "
                  f"(90 % interval {lead.mean() - half:+.1f} to {lead.mean() + half:+.1f})."]
        holds = holds and (peer == "GP" or ahead >= 0.8 * len(seeds))
    return "\n".join(lines), holds


@contextmanager
def solvers(count: int) -> Iterator[Workers]:
    """In this process, or on Ray."""
    if count == 1:
        yield SerialWorkers()
        return
    from ssbray.cluster.session import connect

    with connect(cpus=count):
        from ssbray.cluster.workers import RayWorkers

        pool = RayWorkers(solvers=count)
        try:
            yield pool
        finally:
            pool.close()


def main() -> int:
    """Measure what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, default=ROOT / "jobs" / "llzo_nmc.yaml")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["full"])
    parser.add_argument("--home", type=Path, default=Path("build/equal"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    base = campaign.load(args.spec)
    pages, ahead = [], True
    with solvers(args.workers) as workers:
        for size in args.sizes:
            text, holds = compare(base, size, list(range(args.seeds)), args.methods, args.home / size, workers)
            print(f"{text}\n", flush=True)
            pages.append(text)
            ahead = ahead and holds
    if args.out:
        args.out.write_text("# The campaign beside its peers, on its own objective\n\n" + "\n\n".join(pages) + "\n")
    return 0 if ahead else BROKEN_PROMISE


def compare(base: Spec, size: str, seeds: list[int], methods: list[str], home: Path, workers: Workers
            ) -> tuple[str, bool]:
    """Measure what is not there yet; the table in words, and whether the campaign is ahead often enough."""
    content = {**base.model_dump(mode="json", exclude_none=True), **SIZES[size]}
    home.mkdir(parents=True, exist_ok=True)
    results = home / "results.jsonl"
    known = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    rows = []
    for seed in seeds:
        spec = campaign.parse({**content, "seed": seed, "name": f"equal-{seed}"})
        for method in methods:
            wanted = (method, spec.digest, version(method))
            row = next((each for each in known if (each["method"], each["spec"], each.get("code")) == wanted), None)
            if row is None:
                row = measure(method, spec, home, workers)
                with results.open("a") as out:
                    out.write(json.dumps(row) + "\n")
            rows.append(row)
            print(f"{size}, seed {seed}, {method}: cost {row['cost']}, reference {row['reference']}", file=sys.stderr,
                  flush=True)
    text, holds = table(rows, methods, seeds)
    mean = {method: float(np.mean([gained(row) for row in rows if row["method"] == method])) for method in methods}
    if "campaign" in mean:
        own = [gained(row) for row in rows if row["method"] == "campaign"]
        record("search", f"{base.name}, {spec.evaluations} designs", "gain over the reference [%]",
               mean.pop("campaign"), mean, less_is_better=False, spread=f"({min(own):.1f} to {max(own):.1f})",
               note=f"{len(seeds)} seeds")
    about = (f"Made by `python benchmarks/equal_budget.py --sizes {size}`: {base.name}, {spec.evaluations} designs of "
             f"{spec.specimen.replicates} specimens each, gain in conductivity over the reference on {SCORED} fresh "
             "specimens. The graphs of proposals that the campaign ranks and does not solve are not counted.")
    return f"{about}\n\n{text}", holds


if __name__ == "__main__":
    sys.exit(main())
