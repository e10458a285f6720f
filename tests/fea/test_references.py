"""The table of reference values, against multipoles, bounds and relations that need no solver."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import references


def lattice_sums(kind, largest):
    """Sums of z**-k over a lattice of unit spacing for k <= largest; the one for k = 2 along the field."""
    c = {2: 0.0, 3: 0.0}  # (k - 1) S_k by k / 2, from the recurrence of the Weierstrass function
    if kind == "square":
        c[2] = 3 * math.gamma(1 / 4) ** 8 / (960 * math.pi**2)
    else:
        c[3] = 5 * math.gamma(1 / 3) ** 18 / (8960 * math.pi**6)
    for j in range(4, largest // 2 + 1):
        c[j] = 3 / ((2 * j + 1) * (j - 3)) * sum(c[m] * c[j - m] for m in range(2, j - 1))
    return {2: math.pi / AREA[kind]} | {2 * j: value / (2 * j - 1) for j, value in c.items()}


AREA = {"square": 1.0, "hexagonal": math.sqrt(3) / 2}


def cylinders(kind, fraction, s, resistance=0.0, order=81):
    """Rayleigh's method: the multipoles of all discs polarise each disc, which polarise ..."""
    radius = math.sqrt(fraction * AREA[kind] / math.pi)
    sums = lattice_sums(kind, 2 * order)
    odd = np.arange(1, order + 1, 2)
    seen = [(1 / n / resistance if resistance else math.inf) if math.isinf(s) else s / (1 + n * resistance * s)
            for n in odd.tolist()]
    chi = np.array([1.0 if math.isinf(value) else (value - 1) / (value + 1) for value in seen])
    others = np.array([[math.comb(n + m - 1, n) * sums[n + m] * radius ** (n + m) for m in odd.tolist()]
                       for n in odd.tolist()])
    # b = chi (field - others @ b), and chi may vanish
    strength = np.linalg.solve(np.eye(len(odd)) - chi[:, None] * others, chi * (odd == 1) * radius)
    return 1 + 2 * math.pi * radius * strength[0] / AREA[kind]


@pytest.mark.parametrize(("kind", "table"), [
    ("square", references.SQUARE), ("square", references.SQUARE_INTERFACE),
    ("hexagonal", references.HEXAGONAL), ("hexagonal", references.HEXAGONAL_INTERFACE)])
def test_cylinders_by_multipoles(kind, table):
    for (fraction, *inside), value in table.items():
        assert cylinders(kind, fraction, *inside) == pytest.approx(value, abs=2e-6), (fraction, inside)


def test_cylinders_are_dual():
    for (fraction, s), value in references.SQUARE.items():
        assert cylinders("square", fraction, 0.0 if math.isinf(s) else 1 / s if s else math.inf) * value == (
            pytest.approx(1.0, rel=1e-5))


# Sangani and Acrivos 1983: -1/(...) as a series in f with lattice coefficients, good to 1e-4 at f = 0.3
SERIES = {"SC": (1.305, 0.231, 0.405, 0.0723, 0.153, 0.0105), "BCC": (0.129, -0.413, 0.764, 0.257, 0.0113, 0.00562),
          "FCC": (0.0753, 0.697, -0.741, 0.0420, 0.0231, 9.14e-7)}


def test_spheres_by_series():
    for (kind, f, s), value in references.SPHERE.items():
        polar = {n: (s - 1) / (s + (n + 1) / n) for n in (1, 3, 5, 7, 9)}
        c1, c2, c3, c4, c5, c6 = SERIES[kind]
        below = (-1 / polar[1] + f + c1 * polar[3] * f ** (10 / 3) * (1 + c2 * polar[5] * f ** (11 / 3))
                 / (1 - c3 * polar[3] * f ** (7 / 3)) + c4 * polar[5] * f ** (14 / 3) + c5 * polar[7] * f**6
                 + c6 * polar[9] * f ** (22 / 3))
        assert 1 - 3 * f / below == pytest.approx(value, rel=1e-3), (kind, s)


def test_spheres_with_interfaces_fall_from_perfect_to_insulating():
    perfect, insulating = references.SPHERE["SC", 0.3, 10.0], references.SPHERE["SC", 0.3, 0.0]
    values = [perfect, *references.SPHERE_INTERFACE.values(), insulating]
    assert values == sorted(values, reverse=True)
    for (_, f, s, resistance), value in references.SPHERE_INTERFACE.items():
        dipole = s / (1 + resistance * s)  # all that Maxwell's formula sees
        maxwell = (dipole + 2 + 2 * f * (dipole - 1)) / (dipole + 2 - f * (dipole - 1))
        assert value == pytest.approx(maxwell, rel=0.02)


def test_four_squares():
    a, b, c, d = 1.0, 5.0, 0.5, 2.0  # clockwise
    p = (a * b * c + a * b * d + a * c * d + b * c * d) / (a + b + c + d)
    exact = {"x": math.sqrt(p * (a + d) * (b + c) / ((a + b) * (c + d))),
             "y": math.sqrt(p * (a + b) * (c + d) / ((a + d) * (b + c)))}
    stored = {case.axis: case.exact for case in references.CASES if case.name.startswith("checkerboard 1 5")}
    assert stored == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("case", references.CASES, ids=lambda case: case.name)
def test_problems_are_what_they_say(case):
    n = case.sizes[0]
    phase_map, conductivity, interfaces = case.build(n)
    assert phase_map.labels.ndim == case.dimension
    assert set(np.unique(phase_map.labels)) <= set(conductivity)
    assert all(set(pair) <= set(conductivity) for pair in interfaces)
    if case.fraction is not None:
        tolerance = 1e-3 if case.dimension == 2 else 0.025  # half of the 4 x 48 images of a voxel among few
        assert np.mean(phase_map.labels == 1) == pytest.approx(case.fraction, rel=tolerance)
        for axis in range(case.dimension):
            assert (phase_map.labels == np.flip(phase_map.labels, axis=axis)).all()


def test_names_are_unique():
    names = [case.name for case in references.CASES]
    assert len(set(names)) == len(names)
