"""What one driver can feed: solves that only sleep, kept in a real ledger, on solver actors.

    python benchmarks/orchestration.py [--pools 1,2,4,8,16] [--sleep 0.05] [--solves 200] [--steps 12]

feed       independent solves through desk, ledger and pool: solves per second, and the share of the actors' time
           that is spent solving. Actors ask for next to no CPU, so that a small machine holds many.
campaign   an annealing campaign of two solvers at 0.5 s per solve, on Tune: its phases of search against the
           time that its solves alone would take.
"""

import argparse
import os
import platform
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from ssbray import campaign, rng  # noqa: E402
from ssbray.campaign import Listeners, Outcome, Task, objective  # noqa: E402
from ssbray.campaign.desk import Desk  # noqa: E402
from ssbray.campaign.ledger import Ledger  # noqa: E402
from ssbray.campaign.spec import Spec  # noqa: E402
from ssbray.cluster.session import connect  # noqa: E402

SPEC = {"name": "orchestration", "seed": 1, "reference": {"coating": "bare"},
        "search": {"cosintering_temperature_C": {"low": 500, "high": 800}},
        "specimen": {"size_nm": [100, 100], "pixel_size_nm": 5, "replicates": 2},
        "confirm": {"designs": 1, "specimens": 3}}


def sleeper(seconds: float) -> Any:
    """A solve that takes that long and does nothing."""
    def solve(task: Task) -> Outcome:
        time.sleep(seconds)
        sigma = 1e-6 * (1 + rng.stream(task.seed, "sleeper").random()) * task.parameters["cosintering_temperature_C"]
        return Outcome(key=task.key, seconds=seconds, values={
            "sigma_eff_S_per_cm": sigma, "asr_ohm_cm2": 1e-5 / sigma, "percolates": True, "reason": None, "budget": {}})
    return solve


class Unlearned:
    """A learner that nobody asks: the sleeping solves have no graphs."""

    def train(self, *_: Any) -> dict[str, Any]:
        """Nothing."""
        raise RuntimeError("there are no graphs")

    predict = save = train


def feed(spec: Spec, pool: int, seconds: float, solves: int) -> tuple[float, float]:
    """Solves per second, and the share of the actors' time spent solving, once all actors are there."""
    from ssbray.cluster.workers import RayWorkers

    with tempfile.TemporaryDirectory() as place, Ledger(Path(place)) as ledger, closing(
            RayWorkers(solvers=pool, cpus_per_solver=0.01, evaluate=sleeper(seconds))) as workers:
        desk = Desk(ledger, workers)
        tasks = objective.tasks(spec, {"cosintering_temperature_C": 600.0}, count=solves + 4 * pool)
        _through(desk, tasks[: 4 * pool])
        began = time.perf_counter()
        _through(desk, tasks[4 * pool:])
        spent = time.perf_counter() - began
    return solves / spent, solves * seconds / (spent * pool)


def _through(desk: Desk, tasks: list[Task]) -> None:
    for number, task in enumerate(tasks):
        desk.accept(number, [task], list)
    done = 0
    while done < len(tasks):
        done += len(desk.pump(timeout_s=1.0))


def overhead(seconds: float, workers: int, steps: int) -> dict[str, float]:
    """Seconds of a campaign's search, those of its solves shared by the workers, and the share on top."""
    from ssbray.cluster.annealers import TuneAnnealers
    from ssbray.cluster.workers import RayWorkers

    spec = campaign.parse({**SPEC, "annealing": {"initial": 16, "chains": 4, "rounds": 2, "steps": steps}})
    with tempfile.TemporaryDirectory() as place, closing(
            RayWorkers(solvers=workers, evaluate=sleeper(seconds), cpus_per_solver=0.01)) as pool:
        summary = campaign.run(spec, Path(place), workers=pool, learner=Unlearned(), listener=Listeners(),
                               annealers=TuneAnnealers(Path(place)))
    wall, solving = summary["seconds"]["total"], summary["seconds"]["solving"] / workers
    return {"solves": summary["fe_solves"], "wall_s": wall, "solving_s": solving, "overhead": wall / solving - 1}


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pools", default="1,2,4,8,16")
    options.add_argument("--sleep", type=float, default=0.05)
    options.add_argument("--solves", type=int, default=200)
    options.add_argument("--steps", type=int, default=12)
    args = options.parse_args()
    print(f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} CPUs for everything\n")
    with connect(cpus=2):
        print(f"{'pool':>5} {'solves/s':>9} {'efficiency':>11}    at {args.sleep:g} s per solve")
        for pool in map(int, args.pools.split(",")):
            rate, efficiency = feed(campaign.parse(SPEC), pool, args.sleep, args.solves)
            print(f"{pool:5d} {rate:9.1f} {efficiency:11.3f}", flush=True)
        result = overhead(0.5, 2, args.steps)
        print(f"\ncampaign: {result['solves']} solves of 0.5 s on 2 solvers: {result['wall_s']:.1f} s, of which "
              f"{result['solving_s']:.1f} s solving; {100 * result['overhead']:.1f} % on top")


if __name__ == "__main__":
    main()
