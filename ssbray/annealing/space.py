"""The search space: named dimensions, and their map to the unit interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from ssbray.errors import InputError, nearest

Point = dict[str, float | int | str]


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; `log` searches its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def decode(self, u: float) -> float:
        """Value at u in [0, 1]."""
        if self.log:
            return float(np.clip(self.low * (self.high / self.low) ** u, self.low, self.high))
        return float(np.clip(self.low + (self.high - self.low) * u, self.low, self.high))

    def encode(self, value: float | str) -> float:
        """Place of a value in [0, 1]."""
        x = float(value)
        if not self.low <= x <= self.high:
            raise InputError("parameters", value, f"must lie in [{self.low}, {self.high}]")
        if self.log:
            return math.log(x / self.low) / math.log(self.high / self.low)
        return (x - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high], both included; each takes an equal share of the unit interval."""

    low: int
    high: int

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, False)

    def decode(self, u: float) -> int:
        """Value at u in [0, 1]."""
        return min(self.low + int(u * (self.high - self.low + 1)), self.high)

    def encode(self, value: float | str) -> float:
        """Middle of a value's share of [0, 1]."""
        if int(value) != float(value) or not self.low <= int(value) <= self.high:
            raise InputError("parameters", value, f"must be a whole number in [{self.low}, {self.high}]")
        return (int(value) - self.low + 0.5) / (self.high - self.low + 1)


class Categorical:
    """One of several names, without order."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.choices = tuple(choices)
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise InputError("choices", list(choices), "name at least one choice, each once")

    def decode(self, u: float) -> str:
        """Choice at u in [0, 1]."""
        return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]

    def encode(self, value: float | str) -> float:
        """Middle of a choice's share of [0, 1]."""
        if value not in self.choices:
            raise InputError("parameters", value, nearest(str(value), self.choices))
        return (self.choices.index(str(value)) + 0.5) / len(self.choices)


Dimension = Float | Int | Categorical


class Space:
    """Named dimensions in a fixed order."""

    def __init__(self, dimensions: Mapping[str, Dimension]) -> None:
        if not dimensions:
            raise InputError("space", {}, "name at least one parameter to search")
        self.dimensions = dict(dimensions)
        self.names = tuple(self.dimensions)

    def __len__(self) -> int:
        return len(self.names)

    def decode(self, u: np.ndarray) -> Point:
        """Point at u, (n,) in [0, 1]."""
        return {name: self.dimensions[name].decode(float(x)) for name, x in zip(self.names, u, strict=True)}

    def encode(self, point: Mapping[str, float | int | str]) -> np.ndarray:
        """Place of a point in the unit cube, (n,)."""
        if missing := [name for name in self.names if name not in point]:
            raise InputError("parameters", dict(point), f"lacks {', '.join(missing)}")
        return np.array([self.dimensions[name].encode(point[name]) for name in self.names])

    def spread(self, count: int, seed: int) -> list[Point]:
        """Points that cover the space evenly (scrambled Sobol sequence)."""
        sobol = qmc.Sobol(len(self), rng=np.random.default_rng(seed))
        u = sobol.random_base2(math.ceil(math.log2(max(count, 2))))
        return [self.decode(row) for row in u[:count]]


def _check_range(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError("range", [low, high], "low must be below high, both finite")
    if log and low <= 0:
        raise InputError("range", [low, high], "a logarithmic range must be above zero")
