"""One searched parameter: its values, their map to the unit interval, and when it exists at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssbray.errors import InputError, nearest

When = Mapping[str, Sequence[str]]  #: name of a categorical -> its choices with which a parameter exists


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; `log` searches its logarithm."""

    low: float
    high: float
    log: bool = False
    when: When | None = None

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def decode(self, u: float) -> float:
        """Value at u in [0, 1]."""
        if self.log:
            return min(max(float(self.low * (self.high / self.low) ** u), self.low), self.high)
        return min(max(float(self.low + (self.high - self.low) * u), self.low), self.high)

    def encode(self, value: float | str) -> float:
        """Place of a value in [0, 1]."""
        x = _number(value)
        if not self.low <= x <= self.high:
            raise InputError("parameters", value, f"must lie in [{self.low}, {self.high}]")
        if self.log:
            return math.log(x / self.low) / math.log(self.high / self.low)
        return (x - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high], both included; each takes an equal share of the unit interval.

    With `log` the shares are equal on a logarithmic axis, from low to high + 1.
    """

    low: int
    high: int
    log: bool = False
    when: When | None = None

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def decode(self, u: float) -> int:
        """Value at u in [0, 1]."""
        if self.log:
            return min(max(int(self.low * ((self.high + 1) / self.low) ** u), self.low), self.high)
        return min(self.low + int(u * (self.high - self.low + 1)), self.high)

    def encode(self, value: float | str) -> float:
        """Middle of a value's share of [0, 1]."""
        x = _number(value)
        if not (self.low <= x <= self.high and x == int(x)):
            raise InputError("parameters", value, f"must be a whole number in [{self.low}, {self.high}]")
        if self.log:
            return math.log((x + 0.5) / self.low) / math.log((self.high + 1) / self.low)
        return (x - self.low + 0.5) / (self.high - self.low + 1)


@dataclass(frozen=True)
class Categorical:
    """One of several names, without order."""

    choices: Sequence[str]
    when: When | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise InputError("choices", list(self.choices), "name at least one choice, each once")

    def decode(self, u: float) -> str:
        """Choice at u in [0, 1]."""
        return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]

    def encode(self, value: float | str) -> float:
        """Middle of a choice's share of [0, 1]."""
        if value not in self.choices:
            raise InputError("parameters", value, nearest(str(value), self.choices))
        return (self.choices.index(str(value)) + 0.5) / len(self.choices)


Dimension = Float | Int | Categorical


def _number(value: float | str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError("parameters", value, "must be a number") from None


def _check_range(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError("range", [low, high], "low must be below high, both finite")
    if log and low <= 0:
        raise InputError("range", [low, high], "a logarithmic range must be above zero")
