"""Seconds and errors of the finite-element solve, beside pyamg's Ruge-Stuben CG where it is installed.

    python benchmarks/fea.py [--sides 256 512 1024]

One thread, one process, three phases with a contrast of 1e6 in random blobs (seed 0). Ratios within
one run are what to compare; a peer that is not installed, or fails, is reported as nan.
"""

import argparse
import math
import os
import platform
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from scipy import ndimage  # noqa: E402

from ssbray import fea, rng  # noqa: E402
from ssbray.domain import PhaseMap  # noqa: E402

SIGMA = {0: 1.0, 1: 1e-3, 2: 1e-6}


def blobs(side: int, ndim: int = 2) -> PhaseMap:
    """Three phases in equal parts, with features of about twelve pixels."""
    field = ndimage.gaussian_filter(rng.stream(0, "blobs", side).normal(size=(side,) * ndim), 6.0, mode="wrap")
    labels = np.digitize(field, np.quantile(field, [1 / 3, 2 / 3])).astype(np.uint8)
    return PhaseMap(labels=labels, phases=("a", "b", "c"), pixel_size_nm=1.0)


def with_pyamg(phase_map: PhaseMap) -> tuple[float, float]:
    """Total seconds and conductivity with the same matrix, set up and solved by pyamg."""
    try:
        import pyamg
    except ImportError:
        return math.nan, math.nan
    from ssbray.fea import assemble, losses, mesh
    from ssbray.raster import facets

    started = time.perf_counter()
    labels = phase_map.labels
    faces = facets(labels)
    elements = mesh.build(np.ones_like(labels, dtype=bool), faces.select(np.zeros(len(faces), dtype=bool)))
    sigma = np.array([SIGMA[k] for k in range(3)])[labels.reshape(-1)]
    none = assemble.Joints(dofs=np.zeros((0, 2, 2 ** (labels.ndim - 1)), np.int32), conductance=np.zeros(0),
                           pair=np.zeros((0, 2), np.int64))
    system = assemble.system(elements, sigma, none, 0)
    hierarchy = pyamg.ruge_stuben_solver(system.matrix)
    values = hierarchy.solve(system.load, tol=1e-8, accel="cg")
    loss, _ = losses.dissipated(elements, sigma, none, system.expand(values))
    return time.perf_counter() - started, float(loss.sum()) * labels.shape[0] ** 2 / labels.size


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, PETSc {fea.packages()['version']}, one thread")
    print(f"{'side':>6} {'unknowns':>9} {'total s':>8} {'mesh':>6} {'assemble':>8} {'setup':>6} {'solve':>6} "
          f"{'iter':>5} {'pyamg s':>8} {'ratio':>6} {'difference':>10}")
    fea.solve(blobs(32), SIGMA)  # imports and first calls
    for side in args.sides:
        phase_map = blobs(side)
        ours = fea.solve(phase_map, SIGMA)
        seconds, sigma = with_pyamg(phase_map)
        print(f"{side:6d} {ours.dofs:9d} {ours.seconds['total']:8.2f} {ours.seconds['mesh']:6.2f} "
              f"{ours.seconds['assemble']:8.2f} {ours.seconds['setup']:6.2f} {ours.seconds['solve']:6.2f} "
                  f"{ours.iterations:5d} {seconds:8.2f} {seconds / ours.seconds['total']:6.1f} "
              f"{sigma / ours.sigma_eff - 1:10.1e}")


if __name__ == "__main__":
    main()
