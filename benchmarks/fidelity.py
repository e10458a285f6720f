"""Whether a solve on a coarser grid pays as a cheap stand-in: its error and its time beside those of the graph.

    python benchmarks/fidelity.py [--spec jobs/llzo_nmc.yaml] [--designs 40] [--seed 5]

The surrogate needs the graph of a specimen and no solve. A coarser grid has to be nearer to the truth than the
surrogate, or cheaper than the graph, to have a place between both.
"""

import argparse
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from record import record  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from ssbray import campaign, rng  # noqa: E402
from ssbray.campaign import objective  # noqa: E402
from ssbray.campaign.task import Task, evaluate  # noqa: E402

ROOT = Path(__file__).parents[1]


def timed(task: Task) -> tuple[float, float]:
    """ln sigma (NaN where nothing percolates, or nothing was solved), and seconds of processor time."""
    began = time.process_time()
    outcome = evaluate(task)
    spent = time.process_time() - began
    solved = outcome.ok and task.kind == "solve" and outcome.values["percolates"]
    return math.log(outcome.values["sigma_eff_S_per_cm"]) if solved else math.nan, spent


def main() -> int:
    """Measure random designs, one specimen each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, default=ROOT / "jobs" / "llzo_nmc.yaml")
    parser.add_argument("--designs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    spec = campaign.load(args.spec)
    random = rng.stream(args.seed, "fidelity")
    rows = []
    for _ in range(args.designs):
        task = objective.tasks(spec, spec.space.decode(random.random(len(spec.space))), count=1)[0]
        full, coarse = timed(task), timed(replace(task, pixel_size_nm=2 * task.pixel_size_nm))
        rows.append((*full, *coarse, timed(replace(task, kind="graph"))[1]))
    table = np.array(rows)
    kept = table[np.isfinite(table[:, 0] + table[:, 2])]
    off = kept[:, 2] - kept[:, 0]
    seconds = np.median(table[:, [1, 3, 4]], axis=0)
    print(f"{len(kept)} designs that conduct on both grids; ln sigma is spread by {kept[:, 0].std():.2f}")
    print(f"every second pixel: {100 * np.abs(off).mean():.1f} % off in the mean, {100 * off.std():.1f} % rms about "
          f"{100 * off.mean():+.1f} %, rank correlation {spearmanr(kept[:, 0], kept[:, 2]).statistic:.4f}")
    print(f"processor time in the median: {seconds[0]:.3f} s a solve, {seconds[1] / seconds[0]:.2f} of it on every "
          f"second pixel, {seconds[2] / seconds[0]:.2f} for the graph alone")
    record("orchestration", f"{args.designs} designs of {spec.name}", "cost of a graph, in solves",
           float(seconds[2] / seconds[0]), {"solve on every second pixel": float(seconds[1] / seconds[0])},
           note=f"every second pixel: {100 * np.abs(off).mean():.1f} % off")
    return 0


if __name__ == "__main__":
    sys.exit(main())
