"""Seconds and error of the solve beside PoreSpy, on what PoreSpy can do: one phase conducts, the rest blocks.

    python benchmarks/porous.py [--sides 256 512] [--volumes 48] [--repeat 3]

One thread, one process; the maps are those of `fea.py`, whose third phase blocks here. PoreSpy's `tortuosity_fd` as its
users would call it: finite differences between voxel centres on an OpenPNM network, multigrid, its default tolerance.
Errors are against the map with each pixel cut into 4 x 4 (2 x 2 x 2 in volumes), midway between its two bounds; how
far these are apart, by half, is what the reference itself may err.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import statistics
import time
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from fea import blobs  # noqa: E402
from record import record  # noqa: E402

from ssbray import fea  # noqa: E402
from ssbray.domain import PhaseMap  # noqa: E402

SIGMA = {0: 1.0, 1: 0.0}


def porous(side: int, ndim: int) -> PhaseMap:
    """Two thirds conduct."""
    return PhaseMap(labels=(blobs(side, ndim).labels == 2).astype(np.uint8), phases=("conducts", "blocks"),
                    pixel_size_nm=1.0)


def cut(made: PhaseMap) -> PhaseMap:
    """The same map on a finer grid."""
    times = 4 if made.labels.ndim == 2 else 2
    return PhaseMap(labels=np.kron(made.labels, np.ones((times,) * made.labels.ndim, dtype=np.uint8)),
                    phases=made.phases, pixel_size_nm=made.pixel_size_nm / times)


def with_porespy(labels: np.ndarray, repeat: int) -> tuple[float, float]:
    """Seconds (the median, after a first call that compiles) and conductivity along the first axis."""
    import porespy

    logging.disable(logging.WARNING)
    seconds: list[float] = []
    for _ in range(1 + repeat):
        began = time.perf_counter()
        found: Any = porespy.simulations.tortuosity_fd(im=labels == 0, axis=0)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:]), 1 / float(found.formation_factor)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--volumes", type=int, nargs="*", default=[48])
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    print(f"{'case':>7} {'seconds':>8} {'error':>14} | {'PoreSpy s':>9} {'ratio':>5} {'error':>7}")
    for ndim, sizes in ((2, args.sides), (3, args.volumes)):
        axis = "yz"[ndim - 2]
        fea.solve(porous(16, ndim), SIGMA, axis=axis)  # imports and first calls
        for side in sizes:
            made = porous(side, ndim)
            finer = fea.solve(cut(made), SIGMA, axis=axis, bounds=True)
            exact, doubt = finer.best, (finer.upper - finer.lower) / 2 / finer.best
            runs = [fea.solve(made, SIGMA, axis=axis) for _ in range(args.repeat)]
            each = [run.seconds["total"] for run in runs]
            seconds, error = statistics.median(each), runs[0].sigma_eff / exact - 1
            line = f"{side:>5}^{ndim} {seconds:8.3f} {error:+7.1%} ± {doubt:.1%} |"
            others, note = {}, f"ssbray {error:+.1%} off"
            if all(map(importlib.util.find_spec, ("porespy", "openpnm"))):
                others["PoreSpy"], sigma = with_porespy(made.labels, args.repeat)
                line += f" {others['PoreSpy']:9.3f} {others['PoreSpy'] / seconds:5.1f} {sigma / exact - 1:+7.1%}"
                note += f", PoreSpy {sigma / exact - 1:+.1%}; both ± {doubt:.1%}"
            else:
                line += "  PoreSpy and OpenPNM are not installed"
            print(line, flush=True)
            record("finite elements", f"{side}^{ndim}, one phase conducts", "seconds", seconds, others,
                   spread=f"± {max(each) - min(each):.2g}", note=note)


if __name__ == "__main__":
    main()
