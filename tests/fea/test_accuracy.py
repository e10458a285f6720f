"""What the accuracy table must show, at the resolutions that the documentation speaks of."""

from __future__ import annotations

import pytest

from benchmarks.references import CASES, Case
from ssbray import fea

LIMITS = [  # part of the name, pixels, error of sigma_eff, error of the geometric mean of the bounds
    ("square f=0.3", 512, 0.01, 0.01), ("square f=0.5", 512, 0.01, 0.01), ("hexagonal f=0.5", 448, 0.01, 0.01),
    ("neutral square", 256, 0.005, 0.005), ("neutral SC", 48, 0.005, 0.01), ("slit", 256, 0.01, 0.005),
    ("spheres", 48, 0.04, 0.03), ("1 5 | 2 0.5", 128, 0.002, 0.0005)]
CHOSEN = [(case, n, q1, best) for part, n, q1, best in LIMITS for case in CASES if part in case.name]


def test_every_limit_has_a_case():
    assert {part for part, *_ in LIMITS if any(part in case.name for case in CASES)} == {part for part, *_ in LIMITS}


@pytest.mark.parametrize(("case", "n", "q1", "best"), CHOSEN, ids=[case.name for case, *_ in CHOSEN])
def test_reference_solutions(case: Case, n: int, q1: float, best: float):
    n = min(case.sizes, key=lambda size: abs(size - n))
    solution = fea.solve(*case.build(n), axis=case.axis, boundary=case.boundary, bounds=True)
    assert solution.sigma_eff == pytest.approx(case.exact, rel=q1)
    assert solution.best == pytest.approx(case.exact, rel=best)
