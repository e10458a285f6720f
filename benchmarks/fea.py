"""Seconds, memory and error of the finite-element solve, side by side with other packages where they are installed.

    python benchmarks/fea.py [--sides 256 512 1024] [--volumes 64 128] [--repeat 3] [--no-peers]

One thread, one process. Three phases with a contrast of 1e6 in random blobs (seed 0), between plates.
Ratios within one run are what to compare. Peers, each as its users would call it:

pyamg      the same Q1 elements assembled with SciPy, Ruge-Stuben multigrid, conjugate gradients
TauFactor  MultiPhaseSolver on the CPU: finite volumes, over-relaxation, single precision; stopped when it calls
           itself converged and its error is at most ours, or after `--patience` times our time

PoreSpy and OpenPNM take one conducting phase only: `porous.py` is what they can do.
"""

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from record import record  # noqa: E402
from scipy import ndimage, sparse  # noqa: E402

from ssbray import fea, rng  # noqa: E402
from ssbray.domain import PhaseMap, TransportSolution  # noqa: E402

SIGMA = {0: 1.0, 1: 1e-3, 2: 1e-6}


def blobs(side: int, ndim: int = 2) -> PhaseMap:
    """Three phases in equal parts, with features of about twelve pixels."""
    field = ndimage.gaussian_filter(rng.stream(0, "blobs", side).normal(size=(side,) * ndim), 6.0, mode="wrap")
    labels = np.digitize(field, np.quantile(field, [1 / 3, 2 / 3])).astype(np.uint8)
    return PhaseMap(labels=labels, phases=("a", "b", "c"), pixel_size_nm=1.0)


def with_pyamg(labels: np.ndarray, tolerance: float) -> tuple[float, float]:
    """Seconds and conductivity along the first axis with SciPy's assembly and pyamg."""
    import pyamg

    from ssbray.fea.forms import conduction_matrix, corners

    started = time.perf_counter()
    ndim, shape = labels.ndim, labels.shape
    vertices = np.arange(math.prod(n + 1 for n in shape)).reshape(tuple(n + 1 for n in shape))
    dofs = np.stack([vertices[tuple(slice(b, b + n) for b, n in zip(bits, shape, strict=True))].reshape(-1)
                     for bits in corners(ndim)], axis=1)
    sigma = np.array([SIGMA[k] for k in sorted(SIGMA)])[labels.reshape(-1)]
    k = dofs.shape[1]
    entries = (sigma[:, None] * conduction_matrix(ndim).reshape(1, -1)).reshape(-1)
    matrix = sparse.coo_matrix((entries, (np.repeat(dofs, k, axis=1).reshape(-1), np.tile(dofs, (1, k)).reshape(-1))),
                               shape=(vertices.size,) * 2).tocsr()
    values = np.zeros(vertices.size)
    values[vertices[0].reshape(-1)] = 1.0
    free = vertices[1:-1].reshape(-1)
    reduced = matrix[free][:, free]
    hierarchy = pyamg.ruge_stuben_solver(reduced)
    values[free] = hierarchy.solve(-(matrix @ values)[free], tol=tolerance, accel="cg")
    at = values[dofs]
    power = float(np.sum(sigma * np.einsum("ni,ij,nj->n", at, conduction_matrix(ndim), at, optimize=True)))
    return time.perf_counter() - started, power * shape[0] ** 2 / labels.size


def with_taufactor(labels: np.ndarray, exact: float, error: float, limit_s: float) -> tuple[float, float, int]:
    """Seconds, conductivity and sweeps until it says it converged and its error is ours, or the time is up."""
    import contextlib
    import io

    import taufactor

    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        solver = taufactor.MultiPhaseSolver(labels + 1, cond={k + 1: v for k, v in SIGMA.items()}, device="cpu")
        sweeps, value = 0, math.nan
        while time.perf_counter() - started < limit_s:
            sweeps += 200
            solver.converged = False
            solver.solve(iter_limit=sweeps, verbose=False, conv_crit=1e-2)  # its default: fluxes within 1 %
            value = float(np.ravel(solver.D_eff)[0])
            if solver.converged and abs(value / exact - 1) <= error:
                break
    return time.perf_counter() - started, value, sweeps


def memory(side: int, ndim: int) -> float:
    """Bytes per unknown that a solve needs at its peak beyond the interpreter, in a process of its own."""
    code = ("import re, sys; sys.path.insert(0, sys.argv[1]); import fea as bench; from ssbray import fea\n"
            "side, ndim = int(sys.argv[2]), int(sys.argv[3])\n"
            "fea.solve(bench.blobs(16, ndim), bench.SIGMA, axis='yz'[ndim - 2])\n"
            "made = bench.blobs(side, ndim)\n"
            "kB = lambda field: int(re.search(field + r':\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
            "open('/proc/self/clear_refs', 'w').write('5')\n"  # the peak begins anew
            "before = kB('VmRSS')\n"
            "dofs = fea.solve(made, bench.SIGMA, axis='yz'[ndim - 2]).dofs\n"
            "print((kB('VmHWM') - before) * 1024 / dofs)")
    place = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, "-c", code, place, str(side), str(ndim)], capture_output=True, text=True,
                          check=True)
    return float(done.stdout)


def ours(phase_map: PhaseMap, repeat: int) -> tuple[TransportSolution, float, float]:
    """A solution, the median of its seconds, and their spread."""
    axis = "yz"[phase_map.labels.ndim - 2]
    runs = [fea.solve(phase_map, SIGMA, axis=axis) for _ in range(repeat)]
    seconds = [run.seconds["total"] for run in runs]
    middle = sorted(runs, key=lambda run: run.seconds["total"])[len(runs) // 2]
    return middle, statistics.median(seconds), max(seconds) - min(seconds)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[256, 512, 1024])
    parser.add_argument("--volumes", type=int, nargs="*", default=[64])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--patience", type=float, default=20.0, help="times our time that TauFactor may take")
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, PETSc {fea.packages()['version']}, one thread, "
          f"medians of {args.repeat}")
    print(f"{'case':>7} {'unknowns':>9} {'total s':>8} {'+-':>5} {'mesh':>5} {'assemble':>8} {'setup':>6} {'solve':>6} "
          f"{'iter':>4} {'B/unk.':>6} | {'pyamg s':>7} {'ratio':>5} {'error':>8} | {'TauFactor s':>11} {'ratio':>6} "
          "error")
    for ndim, sizes in ((2, args.sides), (3, args.volumes)):
        for n in (16, 16):
            ours(blobs(n, ndim), 1)  # imports and first calls
        for side in sizes:
            made = blobs(side, ndim)
            solution, seconds, spread = ours(made, args.repeat)
            exact = fea.solve(made, SIGMA, axis="yz"[ndim - 2], rtol=1e-13).sigma_eff
            line = (f"{side:>5}^{ndim} {solution.dofs:9d} {seconds:8.2f} {spread:5.2f} " + " ".join(
                f"{solution.seconds[part]:{width}.2f}" for part, width in
                (("mesh", 5), ("assemble", 8), ("setup", 6), ("solve", 6)))
                + f" {solution.iterations:4d} {memory(side, ndim):6.0f} |")
            text, others = ("", {}) if args.no_peers else peers(made, exact, seconds, args)
            print(line + text, flush=True)
            record("finite elements", f"{side}^{ndim}, contrast 1e6", "seconds", seconds, others,
                   spread=f"± {spread:.2g}", note="TauFactor: until its error is ours, or 8 times our time"
                   if "TauFactor" in others else "")


def peers(made: PhaseMap, exact: float, seconds: float, args: argparse.Namespace) -> tuple[str, dict[str, float]]:
    """The rest of a line, and seconds by name."""
    others: dict[str, float] = {}
    try:
        theirs, sigma = with_pyamg(made.labels, 1e-6)
        others["pyamg"] = theirs
        text = f" {theirs:7.2f} {theirs / seconds:5.1f} {sigma / exact - 1:8.0e} |"
    except ImportError:
        text = f" {'-':>7} {'-':>5} {'-':>8} |"
    try:
        axis = "yz"[made.labels.ndim - 2]
        solution = fea.solve(made, SIGMA, axis=axis, bounds=True)
        error = (solution.upper - solution.lower) / solution.best / 2
        theirs, sigma, sweeps = with_taufactor(made.labels, solution.best, error, args.patience * seconds)
        reached = abs(sigma / solution.best - 1)
        others["TauFactor"] = theirs
        return text + (f" {theirs:11.1f} {theirs / seconds:6.1f} {reached:.1%} after {sweeps} sweeps (ours within "
                       f"{error:.1%})"), others
    except ImportError:
        return text + f" {'-':>11} {'-':>6}", others


if __name__ == "__main__":
    main()
