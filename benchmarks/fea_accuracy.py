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

from ssbray import fea  # noqa: E402
from ssbray.domain import TransportSolution  # noqa: E402

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

In cases marked with an asterisk the pixels are the geometry itself. There, `bounds` are the certified
bounds at the largest n, relative to the exact value, which must lie between them.
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
        parts = [fea.solve(*problem, axis=case.axis, boundary=case.boundary, bounds=case.on_grid)]
        if case.dual:
            parts.append(fea.solve(*case.dual(n), axis="y", boundary=case.boundary, bounds=case.on_grid))
        errors.append(_mean([part.sigma_eff for part in parts]) / case.exact - 1)
        if case.on_grid:
            lower, upper = _bounds(parts, case.exact)
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
    lines = ["| case | d | exact | n | " + " | ".join(names) + " | order | fraction | bounds | source |",
             "|---|---|---|---|" + "---:|" * count + "---:|---:|---:|---|"]
    for row in rows:
        case = row.case
        bounds = "" if row.lower is None or row.upper is None else f"{_signed(row.lower)} .. {_signed(row.upper)}"
        cells = [f"{case.name}{'*' if case.on_grid else ''}".replace("|", "/"), f"{case.dimension}",
                 f"{case.exact:.6f}", ", ".join(map(str, row.sizes)), *map(_signed, row.errors),
                 "" if row.order is None else f"{row.order:.1f}",
                 "" if row.fraction_error is None else _signed(row.fraction_error),
                 bounds + ("" if row.holds else " **violated**"), case.source]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


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
    text = HEAD.format(machine=machine()) + "\n" + table(rows)
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
