"""Errors of the finite-element solve where the answer is known, as a table in markdown.

    python benchmarks/fea_accuracy.py [--quick] [--only NAME ...] [--out docs/fea_accuracy.md]

One thread, one process; progress and seconds go to standard error. Ends with 1 if a certified bound
does not hold the exact value.
"""

import argparse
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from references import CASES, SUPER, Case  # noqa: E402
from scipy import ndimage  # noqa: E402

from ssbray import fea, rng  # noqa: E402
from ssbray.domain import PhaseMap, TransportSolution  # noqa: E402

ROUNDING = 1e-6  #: relative; an error below it says nothing of the order, and bounds may miss by as much
HEAD = f"""# Accuracy of the finite-element solve

Made by `python benchmarks/fea_accuracy.py` on {{machine}}.

Relative errors of the effective conductivity against values that are known in closed form or by
multipoles. `n` is the number of pixels along the cell's edge. Inclusions in a matrix of 1 S/m, of
fraction `f`, conductivity `s` ({SUPER:g} stands for a perfect conductor, and is compared with one) and
radius `a`; `R` is the resistance of their surface. Inclusions are filled from the centre
outwards, each pixel with its mirror images, to the count nearest to `f`; `fraction` is the relative
error that remains at the largest n. The hexagonal cell is n x 1.732143 n, which is 5e-5 off its shape.

The errors hold all that happens from the drawing to the number: the raster, the correction of its
area, and the elements. Without a resistance the raster has the greater part: a staircase acts like a
circle that is larger by about a tenth of a pixel, whether it conducts or blocks, so that errors are
positive for s > 1 and negative for s = 0; and narrow gaps come in whole pixels (f = 0.7). Errors
therefore scatter, and so does the order, which is from the last two columns alone; none is given
where an error is below {ROUNDING:g} or the sign changes.

`bounds` are the certified bounds at the largest n and `best` their geometric mean, relative to the exact
value. They hold the value of the raster, which for round inclusions is not that of the circle; in cases
marked with an asterisk the pixels are the geometry itself, and the exact value must lie between them.
"""
INTERVALS = """
## Certified intervals, refined uniformly and to a target gap

Three phases in blobs, {side} x {side} pixels (gaussian noise of {scale:g} pixels, seed 0), conductivities 1,
contrast^-1/2 and 1/contrast, plates along y. `cut` is the number of pieces per side that every pixel is cut
into; `target` refines where the local gap sits, with graded elements at the corners of the raster. `gap` is
upper minus lower bound over their geometric mean, which is `best`.

| contrast | cut | unknowns | lower | upper | gap | best |
|---:|---|---:|---:|---:|---:|---:|
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case at all its resolutions."""

    case: Case
    sizes: tuple[int, ...]
    errors: tuple[float, ...]  #: relative
    fraction_error: float | None  #: relative, of the raster at the last size
    lower: float | None  #: relative to the exact value, at the last size
    upper: float | None
    holds: bool  #: at all sizes the bounds hold the exact value, where there are any
    seconds: float

    @property
    def best(self) -> float | None:
        """Relative error of the geometric mean of the bounds at the last size."""
        if self.lower is None or self.upper is None:
            return None
        return math.sqrt((1 + self.lower) * (1 + self.upper)) - 1

    @property
    def order(self) -> float | None:
        """Power of 1/n with which the error falls from the last size but one to the last."""
        before, last = self.errors[-2:]
        if before * last <= 0 or min(abs(before), abs(last)) < ROUNDING:
            return None
        return math.log(before / last) / math.log(self.sizes[-1] / self.sizes[-2])


def run(case: Case, sizes: tuple[int, ...]) -> Row:
    """Solve a case at each of the sizes."""
    started = time.perf_counter()
    errors: list[float] = []
    holds, fraction_error = True, None
    lower = upper = None
    for n in sizes:
        problem = case.build(n)
        wanted = case.on_grid or n == sizes[-1]
        parts = [fea.solve(*problem, axis=case.axis, boundary=case.boundary, bounds=wanted)]
        if case.dual:
            parts.append(fea.solve(*case.dual(n), axis="y", boundary=case.boundary, bounds=wanted))
        errors.append(_mean([part.sigma_eff for part in parts]) / case.exact - 1)
        if wanted:
            lower, upper = _bounds(parts, case.exact)
        if case.on_grid:
            holds &= lower <= ROUNDING and upper >= -ROUNDING
        if case.fraction is not None:
            fraction_error = float(np.mean(problem[0].labels == 1)) / case.fraction - 1
    return Row(case=case, sizes=sizes, errors=tuple(errors), fraction_error=fraction_error, lower=lower, upper=upper,
               holds=holds, seconds=time.perf_counter() - started)


def _mean(values: list[float]) -> float:
    return math.prod(values) ** (1 / len(values))


def _bounds(parts: list[TransportSolution], exact: float) -> tuple[float, float]:
    lower = [part.lower for part in parts if part.lower is not None]
    upper = [part.upper for part in parts if part.upper is not None]
    if not len(lower) == len(upper) == len(parts):
        raise SystemExit("error: asked for bounds, got none")
    return _mean(lower) / exact - 1, _mean(upper) / exact - 1


def table(rows: list[Row]) -> str:
    """Lay the rows out in markdown."""
    count = len(rows[0].errors)
    names = ["coarse", "middle", "fine"][:count]
    lines = ["| case | d | exact | n | " + " | ".join(names) + " | order | fraction | bounds | best | source |",
             "|---|---|---|---|" + "---:|" * count + "---:|---:|---:|---:|---|"]
    for row in rows:
        case = row.case
        bounds = "" if row.lower is None or row.upper is None else f"{_signed(row.lower)} .. {_signed(row.upper)}"
        cells = [f"{case.name}{'*' if case.on_grid else ''}".replace("|", "/"), f"{case.dimension}",
                 f"{case.exact:.6f}", ", ".join(map(str, row.sizes)), *map(_signed, row.errors),
                 "" if row.order is None else f"{row.order:.1f}",
                 "" if row.fraction_error is None else _signed(row.fraction_error),
                 bounds + ("" if row.holds else " **violated**"), "" if row.best is None else _signed(row.best),
                 case.source]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def intervals(side: int = 128, scale: float = 2.0) -> str:
    """The second table."""
    field = ndimage.gaussian_filter(rng.stream(0, "blobs", side).normal(size=(side, side)), scale, mode="wrap")
    labels = np.digitize(field, np.quantile(field, [1 / 3, 2 / 3])).astype(np.uint8)
    lines = []
    for contrast in (10.0, 1e3, 1e6):
        sigma = {0: 1.0, 1: contrast**-0.5, 2: 1 / contrast}
        for cut in (1, 2, 4, 8, None):
            made = PhaseMap(labels=np.kron(labels, np.ones((cut or 1,) * 2, dtype=np.uint8)), phases=("a", "b", "c"),
                            pixel_size_nm=1.0)
            found = fea.solve(made, sigma, bounds=True, target_gap=None if cut else 0.02)
            unknowns = found.dofs if found.refinement is None else found.refinement["unknowns"]
            lines.append(f"| {contrast:g} | {cut or 'target 0.02'} | {unknowns} | {found.lower:.5g} "
                         f"| {found.upper:.5g} | {found.gap:.2%} | {found.best:.5g} |")
    return INTERVALS.format(side=side, scale=scale) + "\n".join(lines) + "\n"


def _signed(error: float) -> str:
    return "0" if abs(error) < 1e-8 else f"{error:+.1e}"


def machine() -> str:
    """Kind of machine and versions, as far as they bear on the numbers."""
    petsc: Mapping[str, object] = fea.packages()
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("ssbray", "numpy", "scipy"))
    return (f"{platform.system()} {platform.machine()}, one thread, Python {platform.python_version()}, {versions}, "
            f"PETSc {petsc['version']}")


def main() -> int:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases with one of these in their name")
    parser.add_argument("--quick", action="store_true", help="the lower two resolutions")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to standard output")
    args = parser.parse_args()
    chosen = [case for case in CASES if not args.only or any(part in case.name for part in args.only)]
    if not chosen:
        parser.error(f"no case is called like this; there are {', '.join(case.name for case in CASES)}")
    rows = []
    for case in chosen:
        rows.append(run(case, case.sizes[:2] if args.quick else case.sizes))
        print(f"{rows[-1].seconds:7.1f} s  {rows[-1].errors[-1]:+.1e}  {case.name}", file=sys.stderr, flush=True)
    text = HEAD.format(machine=machine()) + "\n" + table(rows) + ("" if args.only else intervals())
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    if violated := [row.case.name for row in rows if not row.holds]:
        print(f"error: bounds that do not hold the exact value: {', '.join(violated)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
