"""Test functions of known least cost (zero), their optimum shifted by a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ssbray import rng
from ssbray.annealing import Categorical, Float, Int, Point, Space
from ssbray.annealing.dimension import Dimension

HARTMANN_A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
                       [17, 8, 0.05, 10, 0.1, 14]])
HARTMANN_P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                              [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])
HARTMANN_C = np.array([1, 1.2, 3, 3.2])
HARTMANN_LEAST = -3.322368011415515


@dataclass(frozen=True, eq=False)
class Landscape:
    """A cost over a space; its spread is the standard deviation over the unit cube."""

    space: dict[str, Dimension]
    cost: Callable[[Point], float]

    def __call__(self, point: Point) -> float:
        """Cost of a point."""
        return self.cost(point)

    def at(self, u: np.ndarray) -> Point:
        """Point at u in the unit cube, (n,)."""
        return self._space.decode(u)

    @cached_property
    def _space(self) -> Space:
        return Space(self.space)

    @property
    def spread(self) -> float:
        """Standard deviation over the unit cube, from 2000 points."""
        generator = rng.stream(0, "spread")
        return float(np.std([self(self.at(generator.random(len(self.space)))) for _ in range(2000)]))


def _shifted(f: Callable[[np.ndarray], float], n: int, low: float, high: float, shift: float
             ) -> Callable[[int], Landscape]:
    def make(seed: int) -> Landscape:
        offset = rng.stream(seed, "shift", f.__name__).uniform(-shift, shift, n)
        return Landscape({f"x{k}": Float(low, high) for k in range(n)},
                         lambda point: f(np.array([point[f"x{k}"] for k in range(n)], dtype=float) - offset))
    return make


def hartmann(x: np.ndarray) -> float:
    """Hartmann's function of six variables, with a local minimum 0.12 above the least."""
    return float(-HARTMANN_C @ np.exp(-np.sum(HARTMANN_A * (x - HARTMANN_P) ** 2, axis=1)) - HARTMANN_LEAST)


def ackley(x: np.ndarray) -> float:
    """Ackley's: a funnel with dimples."""
    funnel, dimples = math.exp(-0.2 * math.sqrt(np.mean(x**2))), math.exp(np.mean(np.cos(2 * np.pi * x)))
    return 20 + math.e - 20 * funnel - dimples


def rosenbrock(x: np.ndarray) -> float:
    """Rosenbrock's curved valley."""
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def levy(x: np.ndarray) -> float:
    """Levy's: waves on a bowl."""
    w = 1 + (x - 1) / 4
    return float(np.sin(np.pi * w[0]) ** 2 + np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2))
                 + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def mixed(seed: int) -> Landscape:
    """Like a process: temperature and time trade off, a coating helps at the right thickness, cycles and gas matter."""
    generator = rng.stream(seed, "shift", "mixed")
    heat, time_, thick = generator.uniform(0.2, 0.8, 3)
    cycles, passes = int(generator.integers(1, 10)), int(generator.integers(1, 6))
    coatings, gases = generator.permutation(["bare", "LiNbO3", "Li3BO3", "LCBO"]), generator.permutation(
        ["O2", "Ar", "air"])
    penalty = dict(zip([str(each) for each in coatings], [0.0, 0.25, 0.5, 0.6], strict=True))
    coated = tuple(name for name in penalty if name != "bare")
    space: dict[str, Dimension] = {
        "temperature_C": Float(500, 900), "time_h": Float(0.1, 10, log=True), "cycles": Int(1, 9),
        "passes": Int(1, 5), "coating": Categorical(("bare", "LiNbO3", "Li3BO3", "LCBO")),
        "thickness_nm": Float(1, 30, log=True, when={"coating": coated}), "gas": Categorical(("O2", "Ar", "air"))}

    def cost(point: Point) -> float:
        u = {name: dimension.encode(point[name]) for name, dimension in space.items() if name in point}
        x, y = u["temperature_C"] - heat, u["time_h"] - time_
        total = (10 * x**2 + 10 * (y + 0.5 * x) ** 2 + 0.05 * (int(point["cycles"]) - cycles) ** 2
                 + 0.15 * (int(point["passes"]) - passes) ** 2 + penalty[str(point["coating"])]
                 + (0.0 if point["gas"] == gases[0] else 0.3))
        if "thickness_nm" in u:
            z = u["thickness_nm"] - (thick + 0.1 * coated.index(str(point["coating"])) - 0.1)
            total += 6 * z**2 + 0.3 * (1 - math.cos(12 * z))
        return float(total)

    return Landscape(space, cost)


LANDSCAPES: dict[str, Callable[[int], Landscape]] = {
    "Hartmann6": _shifted(hartmann, 6, 0.0, 1.0, 0.15), "Ackley5": _shifted(ackley, 5, -32.768, 32.768, 16.0),
    "Rosenbrock4": _shifted(rosenbrock, 4, -2.048, 2.048, 0.6), "Levy5": _shifted(levy, 5, -10.0, 10.0, 4.0),
    "mixed": mixed}
