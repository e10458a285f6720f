"""The search space: named dimensions, some of which exist only beside certain choices of others."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from ssbray.annealing.dimension import Categorical, Dimension, Int
from ssbray.domain import FloatArray
from ssbray.errors import InputError, nearest

Point = dict[str, float | int | str]


class Space:
    """Named dimensions in a fixed order. A point holds the parameters that exist at it, and no others."""

    def __init__(self, dimensions: Mapping[str, Dimension]) -> None:
        if not dimensions:
            raise InputError("space", {}, "name at least one parameter to search")
        self.dimensions = dict(dimensions)
        self.names = tuple(self.dimensions)
        kinds = self.dimensions.values()
        self.categorical = np.array([isinstance(each, Categorical) for each in kinds])  #: (n,)
        #: (n,) number of choices; 1 where it is not categorical
        self.choices = np.array([len(each.choices) if isinstance(each, Categorical) else 1 for each in kinds])
        #: (n,) share of the unit interval that one value takes; 0 for real numbers
        self.cell = np.array([1.0 / (each.high - each.low + 1) if isinstance(each, Int) else 0.0 for each in kinds])
        self._order = self._parents_first()

    def __len__(self) -> int:
        return len(self.names)

    def decode(self, u: FloatArray) -> Point:
        """Point at u, (n,) in [0, 1]; what does not exist there is left out."""
        place = dict(zip(self.names, u, strict=True))
        found: Point = {}
        for name in self._order:
            if self._exists(name, found):
                found[name] = self.dimensions[name].decode(float(place[name]))
        return {name: found[name] for name in self.names if name in found}

    def encode(self, point: Mapping[str, float | int | str], memory: Mapping[str, float | int | str] | None = None
               ) -> FloatArray:
        """Place of a point in the unit cube, (n,).

        A parameter that does not exist at the point has its place by `memory`, values that it had
        elsewhere; NaN if it is not there either.
        """
        active = [name for name in self._order if self._exists(name, point)]
        if missing := [name for name in active if name not in point]:
            raise InputError("parameters", dict(point), f"lacks {', '.join(missing)}")
        values = {**(memory or {}), **{name: point[name] for name in active}}
        return np.array([self.dimensions[name].encode(values[name]) if name in values else math.nan
                         for name in self.names])

    def exists(self, u: FloatArray) -> NDArray[np.bool_]:
        """(n,) which parameters exist at u."""
        point = self.decode(u)
        return np.array([name in point for name in self.names])

    def spread(self, count: int, seed: int) -> list[Point]:
        """Points that cover the space evenly (scrambled Sobol sequence)."""
        sobol = qmc.Sobol(len(self), rng=np.random.default_rng(seed))
        u = sobol.random_base2(math.ceil(math.log2(max(count, 2))))
        return [self.decode(row) for row in u[:count]]

    def _exists(self, name: str, point: Mapping[str, float | int | str]) -> bool:
        """Whether the parents of a parameter are at the point, with choices that it goes with."""
        when = self.dimensions[name].when or {}
        return all(self._exists(parent, point) and point.get(parent) in choices for parent, choices in when.items())

    def _parents_first(self) -> tuple[str, ...]:
        """Names in an order in which conditions can be decided."""
        for name, dimension in self.dimensions.items():
            for parent, choices in (dimension.when or {}).items():
                known = self.dimensions.get(parent)
                if not isinstance(known, Categorical):
                    names = [other for other, each in self.dimensions.items() if isinstance(each, Categorical)]
                    raise InputError(f"{name}.when", parent, f"is no categorical: {nearest(parent, names)}")
                if isinstance(choices, str) or not set(choices) <= set(known.choices):
                    raise InputError(f"{name}.when", choices, f"must list choices of {parent}, {list(known.choices)}")
        ordered: list[str] = []
        while len(ordered) < len(self.names):
            free = [name for name in self.names if name not in ordered
                    and all(parent in ordered for parent in self.dimensions[name].when or {})]
            if not free:
                circle = [name for name in self.names if name not in ordered]
                raise InputError("when", circle, "depend on one another in a circle")
            ordered += free
        return tuple(ordered)
