"""What one driver can feed: solves that only sleep, kept with a real graph in a real ledger, on solver actors.

    python benchmarks/orchestration.py [--pools 1,2,4,8,16] [--sleep 0.5] [--solves 40] [--steps 3,12,36] [--long 500]

feed       independent solves through desk, ledger and pool: solves per second, and the share of the actors' time
           that is spent solving. Actors ask for next to no CPU, so that a small machine holds many.
campaign   annealing campaigns of two solvers, chains on Tune: their time against what their solves alone take. The
           line through them says what is paid once for a campaign, what with each solve, and from how many solves
           on both together are 5 %.
long       a campaign of that many designs, two solves each, of 0.02 s: memory, processes and open files of the
           driver after a quarter of them, and at the end.

Each measurement is one line of a JSONL file, so that it can be stopped and goes on where it was; those of another
version of the code are made again. `loaded` is the machine's load average over its CPUs when it began: beyond one,
the actors wait for a CPU even to sleep, and what they sleep over their time counts as solving. Ends with 3 if a
campaign of 200 solves or more costs more than 5 % on top, or two solvers are busy less than 90 % of the time.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from record import record  # noqa: E402

from ssbray import campaign, rng  # noqa: E402
from ssbray.campaign import Listeners, Outcome, Task, evaluate, objective  # noqa: E402
from ssbray.campaign.desk import Desk  # noqa: E402
from ssbray.campaign.ledger import Ledger  # noqa: E402
from ssbray.cluster.session import connect  # noqa: E402
from ssbray.codeversion import code_version  # noqa: E402
from ssbray.domain import FeatureGraph  # noqa: E402

ROOT = Path(__file__).parents[1]
SPEC = {"name": "orchestration", "seed": 1, "reference": {"coating": "bare"},
        "search": {"cosintering_temperature_C": {"low": 500, "high": 800}},
        "specimen": {"size_nm": [100, 100], "pixel_size_nm": 5, "replicates": 2},
        "confirm": {"designs": 1, "specimens": 3}}
SHORT_S = 0.02  #: a solve of the long campaign
MOST, ENOUGH = 0.05, 200  #: of solving may come on top, in a campaign of so many solves


def sleeper(seconds: float, graph: FeatureGraph | None) -> Callable[[Task], Outcome]:
    """A solve that takes that long and does nothing."""
    def solve(task: Task) -> Outcome:
        if task.kind == "graph":
            return Outcome(key=task.key, graph=graph)
        began = time.perf_counter()
        time.sleep(seconds)
        sigma = 1e-6 * (1 + rng.stream(task.seed, "sleeper").random()) * task.parameters["cosintering_temperature_C"]
        return Outcome(key=task.key, seconds=time.perf_counter() - began, graph=graph, values={
            "sigma_eff_S_per_cm": sigma, "asr_ohm_cm2": 1e-5 / sigma, "percolates": True, "reason": None, "budget": {}})
    return solve


def real_graph() -> FeatureGraph:
    """That of a specimen of the main campaign."""
    spec = campaign.load(ROOT / "jobs" / "llzo_nmc.yaml")
    graph = evaluate(objective.tasks(spec, spec.reference, count=1, kind="graph")[0]).graph
    assert graph is not None
    return graph


class Indifferent:
    """A learner that takes no time and holds all designs alike."""

    def train(self, graphs: Any, *_: Any) -> dict[str, Any]:
        """Look at nothing."""
        return {"graphs": len(graphs)}

    def predict(self, graphs: Any) -> tuple[np.ndarray, np.ndarray]:
        """One value for all."""
        return np.full(len(graphs), -7.0), np.ones(len(graphs))

    def save(self, directory: str) -> None:
        """Keep nothing."""


def feed(graph: FeatureGraph, pool: int, seconds: float, solves: int) -> dict[str, float]:
    """Solves per second, and the share of the actors' time spent solving, once all actors are there."""
    from ssbray.cluster.workers import RayWorkers

    spec = campaign.parse(SPEC)
    with tempfile.TemporaryDirectory() as place, Ledger(Path(place)) as ledger, closing(
            RayWorkers(solvers=pool, cpus_per_solver=0.01, evaluate=sleeper(seconds, graph))) as workers:
        desk = Desk(ledger, workers)
        point = {"cosintering_temperature_C": 600.0}
        warm = [replace(task, seed=k) for k, task in enumerate(objective.tasks(spec, point, count=4 * pool))]
        _through(desk, warm)
        began = time.perf_counter()
        _through(desk, objective.tasks(spec, point, count=solves * pool))
        spent = time.perf_counter() - began
    return {"solves_per_s": solves * pool / spent, "efficiency": solves * seconds / spent}


def _through(desk: Desk, tasks: list[Task]) -> None:
    for number, task in enumerate(tasks):
        desk.accept(number, [task], list)
    done = 0
    while done < len(tasks):
        done += len(desk.pump(timeout_s=1.0))


def search(graph: FeatureGraph, seconds: float, workers: int, annealing: dict[str, int]) -> dict[str, float]:
    """Seconds of a campaign, those of its solves shared by the workers, and the share on top; and what it holds."""
    from ssbray.cluster.annealers import TuneAnnealers
    from ssbray.cluster.workers import RayWorkers

    spec = campaign.parse({**SPEC, "annealing": annealing})
    with tempfile.TemporaryDirectory() as place, closing(
            RayWorkers(solvers=workers, evaluate=sleeper(seconds, graph), cpus_per_solver=0.01)) as pool:
        with Ledger(Path(place) / "warm") as ledger:  # actors that start are no part of a campaign's running cost
            _through(Desk(ledger, pool), [replace(task, seed=k) for k, task in enumerate(objective.tasks(
                spec, {"cosintering_temperature_C": 600.0}, count=4 * workers))])
        with watched() as held:
            summary = campaign.run(spec, Path(place) / "campaign", workers=pool, learner=Indifferent(),
                                   listener=Listeners(), annealers=TuneAnnealers(Path(place)))
        files = sum(1 for path in Path(place).rglob("*") if path.is_file())
    wall, solving = summary["seconds"]["total"], summary["seconds"]["solving"] / workers
    early = held[len(held) // 4]
    laps = {f"{name}_s": summary["seconds"][name] for name in ("initial", "annealing", "confirmation")}
    laps["end_s"] = wall - sum(laps.values())  # a short campaign waits for trials that are only just coming up
    return {**laps, "solves": summary["fe_solves"], "wall_s": wall, "solving_s": solving,
            "overhead": wall / solving - 1, "files_on_disk": files,
            **{f"early_{name}": value for name, value in early.items()},
            **{f"late_{name}": value for name, value in held[-1].items()}}


@contextmanager
def watched() -> Iterator[list[dict[str, float]]]:
    """Memory, processes and open files, every half a second."""
    held: list[dict[str, float]] = []
    over, me = threading.Event(), psutil.Process()

    def look() -> None:
        while not over.wait(0.5):
            held.append({"memory_MB": me.memory_info().rss / 2**20, "processes": len(me.children(recursive=True)),
                         "open_files": me.num_fds(), "threads": me.num_threads()})

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()


def wanted(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The measurements, by what decides them."""
    feeds = [{"what": "feed", "pool": int(pool), "sleep": args.sleep, "solves": args.solves}
             for pool in args.pools.split(",")]
    return [*feeds, *({"what": "campaign", "pool": 2, "sleep": 0.5, "steps": int(steps)}
                      for steps in args.steps.split(",")),
            {"what": "long", "pool": 2, "sleep": SHORT_S, "designs": args.long}]


def measure(graph: FeatureGraph, case: dict[str, Any]) -> dict[str, float]:
    """One of them."""
    if case["what"] == "feed":
        return feed(graph, case["pool"], case["sleep"], case["solves"])
    steps = case["steps"] if case["what"] == "campaign" else max(1, (case["designs"] - 16) // 16)
    rounds = 2 if case["what"] == "campaign" else 4
    return search(graph, case["sleep"], case["pool"], {"initial": 16, "chains": 4, "rounds": rounds, "steps": steps})


def tell(row: dict[str, Any]) -> str:
    """A measurement in one line."""
    loaded = f"(loaded {row['loaded']:.1f})"
    if row["what"] == "feed":
        return (f"feed     pool {row['pool']:3d}, {row['sleep']:g} s per solve: {row['solves_per_s']:7.2f} solves/s, "
                f"efficiency {row['efficiency']:.3f} {loaded}")
    grown = ", ".join(f"{name.replace('_', ' ')} {row[f'early_{name}']:.0f} -> {row[f'late_{name}']:.0f}"
                      for name in ("memory_MB", "processes", "open_files", "threads"))
    return (f"{row['what']:<8} {row['solves']} solves of {row['sleep']:g} s on {row['pool']} solvers: "
            f"{row['wall_s']:.1f} s, of which {row['solving_s']:.1f} s solving, {row['overhead']:.1%} on top (initial "
            f"{row['initial_s']:.1f} s, annealing {row['annealing_s']:.1f} s, confirmation "
            f"{row['confirmation_s']:.1f} s, end {row['end_s']:.1f} s); {grown}; "
            f"{row['files_on_disk']} files on disk {loaded}")


def line(rows: list[dict[str, Any]]) -> str:
    """What campaigns cost beyond their solves: once, and with each solve."""
    solves = np.array([row["solves"] for row in rows], dtype=float)
    share, fixed = np.polyfit(solves, [row["wall_s"] - row["solving_s"] for row in rows], 1)
    alone = float(np.mean([row["solving_s"] / row["solves"] for row in rows]))
    room = MOST * alone - max(0.0, share)
    reached = f"from {max(0.0, fixed) / room:.0f} solves on" if room > 0 else "with no number of solves"
    return (f"campaign {fixed:.2f} s for each campaign and {share / alone:.1%} of solving; both together are at most "
            f"{MOST:.0%} {reached}")


def main() -> int:
    """Measure what is not there yet, and tell all."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pools", default="1,2,4,8,16")
    options.add_argument("--sleep", type=float, default=0.5)
    options.add_argument("--solves", type=int, default=40, help="per actor")
    options.add_argument("--steps", default="3,12,36", help="of a chain in each of two rounds")
    options.add_argument("--long", type=int, default=500, help="designs, two solves each")
    options.add_argument("--results", type=Path, default=Path("build/orchestration.jsonl"))
    args = options.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    code = code_version(("campaign", "cluster", "annealing"), ())
    known = [json.loads(line) for line in args.results.read_text().splitlines()] if args.results.exists() else []
    known = [row for row in known if row["code"] == code]
    rows, graph = [], real_graph()
    with connect(cpus=2):
        for case in wanted(args):
            row = next((each for each in known if case.items() <= each.items()), None)
            if row is None:
                loaded = os.getloadavg()[0] / (os.cpu_count() or 1)
                row = {**case, "code": code, "loaded": loaded, **measure(graph, case)}
                with args.results.open("a") as out:
                    out.write(json.dumps(row) + "\n")
            rows.append(row)
            print(tell(row), flush=True)
            if row["what"] == "feed":
                record("orchestration", f"{row['pool']} solvers of {row['sleep']:g} s", "efficiency",
                       row["efficiency"], {}, less_is_better=False, note=f"{row['solves_per_s']:.3g} solves a second")
            elif row["what"] == "campaign":
                record("orchestration", f"campaign of {row['solves']} solves", "% on top of solving",
                       100 * row["overhead"], {}, note=f"{row['pool']} solvers of {row['sleep']:g} s")
    campaigns = [row for row in rows if row["what"] == "campaign"]
    if len(campaigns) > 1:
        print(line(campaigns))
    good = all(row["overhead"] <= MOST for row in campaigns if row["solves"] >= ENOUGH) and all(
        row["efficiency"] >= 0.9 for row in rows if row["what"] == "feed" and row["pool"] == 2)
    return 0 if good else 3


if __name__ == "__main__":
    sys.exit(main())
