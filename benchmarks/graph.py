"""Seconds of a feature graph of a 4096 x 4096 map, stage by stage, and the memory that it takes at its peak.

    python benchmarks/graph.py [--side 4096] [--grains 20000] [--repeat 3]

One thread, one process; processor seconds, the best of the repeats. Three maps:

specimen   a virtual LLZO | NMC811 bilayer, 2 nm pixels, with grains
specks     the same as a poor segmentation would have it: no grains, 1 % of the pixels in blots of a wrong phase
grains     a Poisson-Voronoi tessellation of so many grains of two phases
"""

import argparse
import inspect
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from record import record  # noqa: E402
from scipy import ndimage, spatial  # noqa: E402

from ssbray import graph, rng, specimen  # noqa: E402
from ssbray.domain import FeatureGraph, PhaseMap  # noqa: E402
from ssbray.graph import construct  # noqa: E402

PIXEL_NM = 2.0
CONDUCTIVITIES = (1.0, 0.3, 0.01, 0.0)  #: of the phases in the order of the map [S/m]
RESISTANCES = {(0, 0): 1e-8, (0, 1): 1e-8}  #: [ohm m2]


def maps(side: int, count: int) -> Iterator[tuple[str, PhaseMap]]:
    """The three, by name."""
    bilayer = specimen.make(specimen.ProcessParameters(), seed=1, size_nm=(side * PIXEL_NM,) * 2).section(PIXEL_NM)
    yield "specimen", bilayer
    blots = ndimage.gaussian_filter(rng.stream(0, "blots").standard_normal((side, side), dtype=np.float32), 1.5)
    wrong = blots > np.quantile(blots[::8, ::8], 0.99)
    labels = np.where(wrong, (bilayer.labels + 1) % len(bilayer.phases), bilayer.labels).astype(np.uint8)
    yield "specks", PhaseMap(labels=labels, phases=bilayer.phases, pixel_size_nm=PIXEL_NM)
    random = rng.stream(0, "sites")
    sites = spatial.cKDTree(random.random((count, 2)) * side)
    centre = np.arange(side) + 0.5
    grains = np.empty((side, side), dtype=np.int32)
    for row, y in enumerate(centre):
        grains[row] = sites.query(np.stack([np.full(side, y), centre], axis=1))[1]
    phase = (random.random(count) < 0.3).astype(np.uint8)
    yield "grains", PhaseMap(labels=phase[grains], grains=grains + 1, phases=("a", "b"), pixel_size_nm=PIXEL_NM)


def build(phase_map: PhaseMap) -> FeatureGraph:
    """The graph along y."""
    return graph.build(phase_map, dict(enumerate(CONDUCTIVITIES[:len(phase_map.phases)])), RESISTANCES)


def kilobytes(field: str) -> int:
    """A field of this process's status."""
    found = re.search(field + r":\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def watch(stages: dict[str, float]) -> None:
    """Have every stage of `graph.build` add its seconds to a table."""

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            began = time.process_time()
            result = function(*args, **options)
            stages[stage] = stages.get(stage, 0.0) + time.process_time() - began
            return result
        return call

    for stage, function in list(vars(construct).items()):
        if inspect.isfunction(function) and function.__module__.startswith("ssbray.graph.") \
                and function.__module__ != construct.__name__:
            setattr(construct, stage, timed(stage, function))


def main() -> None:
    """Print a line per map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--grains", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one thread, "
          f"best of {args.repeat}, {args.side} x {args.side} pixels")
    stages: dict[str, float] = {}
    watch(stages)
    for name, phase_map in maps(args.side, args.grains):
        print(f"{name}: drawn", file=sys.stderr)
        runs = []
        for _ in range(args.repeat):
            stages.clear()
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            before = kilobytes("VmRSS")
            began = time.process_time()
            made = build(phase_map)
            runs.append((time.process_time() - began, (kilobytes("VmHWM") - before) / 1024, dict(stages)))
        seconds, mebibytes, parts = min(runs, key=lambda run: run[0])
        print(f"{name:>9}: {made.size[0]:6d} regions {made.size[1]:6d} boundaries {seconds:6.3f} s = "
              + " + ".join(f"{part} {spent:.3f}" for part, spent in parts.items())
              + f" + rest {seconds - sum(parts.values()):.3f}; {mebibytes:.0f} MiB", flush=True)
        record("graph", f"{args.side}^2, {name}: {made.size[0]} regions", "processor seconds", seconds, {},
               note=f"{mebibytes:.0f} MiB")


if __name__ == "__main__":
    main()
