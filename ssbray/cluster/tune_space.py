"""Ray Tune's search spaces in terms of ours."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.search.sample import Categorical as Choice
from ray.tune.search.sample import Domain, Float, Integer, LogUniform, Quantized, Uniform
from ray.tune.search.variant_generator import parse_spec_vars
from ray.tune.utils.util import flatten_dict

from ssbray import annealing
from ssbray.annealing import Dimension, Point
from ssbray.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TuneSpace:
    """Dimensions by path ("a/b" for nested keys), and how their values read in a configuration."""

    dimensions: dict[str, Dimension]
    step: dict[str, float]  #: of quantised parameters, which are searched as whole multiples of it
    choices: dict[str, list[Any]]  #: of categorical parameters, which are searched by index

    @staticmethod
    def searched(config: Mapping[str, Any]) -> bool:
        """Whether there is anything to search in a configuration."""
        _, domains, grids = parse_spec_vars(dict(config))
        return bool(domains or grids)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> TuneSpace:
        """Take the domains of a configuration; constants are left to Tune."""
        _, _, grids = parse_spec_vars(dict(config))
        if grids:
            raise InputError("/".join(map(str, grids[0][0])), "grid_search", "cannot be searched: use tune.choice")
        _, domains, _ = parse_spec_vars(flatten_dict(dict(config), prevent_delimiter=True))
        space = cls(dimensions={}, step={}, choices={})
        for path, domain in domains:
            space._take("/".join(map(str, path)), domain)
        return space

    def config(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Configuration of a point, flat."""
        return {name: self.choices[name][int(value)] if name in self.choices
                else _multiple(int(value), self.step[name]) if name in self.step else value
                for name, value in point.items()}

    def point(self, config: Mapping[str, Any]) -> Point:
        """Point of a configuration, flat or nested; what is not searched is left out."""
        flat = flatten_dict(dict(config))
        if missing := [name for name in self.dimensions if name not in flat]:
            raise InputError("config", sorted(flat), f"lacks {', '.join(missing)}")
        point: Point = {}
        for name, dimension in self.dimensions.items():
            value = flat[name]
            if name in self.choices:
                if value not in self.choices[name]:
                    raise InputError(name, value, f"must be one of {self.choices[name]}")
                value = str(self.choices[name].index(value))
            elif name in self.step:
                value = round(value / self.step[name])
            dimension.encode(value)
            point[name] = value
        return point

    def fits(self, config: Mapping[str, Any]) -> bool:
        """Whether a configuration lies in the space."""
        try:
            self.point(config)
        except InputError:
            return False
        return True

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"step": self.step, "choices": self.choices,
                "dimensions": {name: [type(each).__name__, each.low, each.high, each.log]
                               for name, each in self.dimensions.items()
                               if not isinstance(each, annealing.Categorical)},
                "order": list(self.dimensions)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TuneSpace:
        """Undo `plain`."""
        kinds: dict[str, type[annealing.Float] | type[annealing.Int]] = {"Float": annealing.Float, "Int": annealing.Int}
        made: dict[str, Dimension] = {}
        for name in plain["order"]:
            if name in plain["choices"]:
                made[name] = _by_index(plain["choices"][name])
            else:
                kind, *ends = plain["dimensions"][name]
                made[name] = kinds[kind](*ends)
        return cls(dimensions=made, step=dict(plain["step"]), choices=dict(plain["choices"]))

    def _take(self, name: str, domain: Domain) -> None:
        sampler = domain.get_sampler()
        step = sampler.q if isinstance(sampler, Quantized) else None
        inner = sampler.get_sampler() if isinstance(sampler, Quantized) else sampler
        if isinstance(domain, Choice) and isinstance(inner, Uniform):
            self._choose(name, list(domain.categories))
        elif not isinstance(domain, (Float, Integer)) or not isinstance(inner, (Uniform, LogUniform)):
            raise InputError(name, f"{type(domain).__name__}, {type(inner).__name__}",
                             "cannot be searched: use uniform, loguniform, randint, choice or their quantised forms")
        elif not (math.isfinite(domain.lower) and math.isfinite(domain.upper)):
            raise InputError(name, [domain.lower, domain.upper], "must have finite bounds")
        else:
            self._range(name, domain, step, isinstance(inner, LogUniform))

    def _choose(self, name: str, values: list[Any]) -> None:
        try:
            kept = json.loads(json.dumps(values, allow_nan=False)) == values
        except (TypeError, ValueError):
            kept = False
        if not kept:
            raise InputError(name, values, "choices must be numbers, text, true, false, null, or lists of these")
        self.choices[name], self.dimensions[name] = values, _by_index(values)

    def _range(self, name: str, domain: Domain, step: float | None, log: bool) -> None:
        if isinstance(domain, Float) and step is None:
            self.dimensions[name] = annealing.Float(float(domain.lower), float(domain.upper), log)
            return
        if isinstance(domain, Integer) and step in (None, 1):  # only here is the upper end excluded
            low, high = domain.lower, domain.upper - 1
        else:
            unit = self.step[name] = step if step and isinstance(domain, Integer) else float(step or 1.0)
            low, high = math.ceil(domain.lower / unit - 1e-9), math.floor(domain.upper / unit + 1e-9)
        if low < high:
            self.dimensions[name] = annealing.Int(int(low), int(high), log)
        else:
            self.step.pop(name, None)
            self._choose(name, [_multiple(int(low), step or 1)])


def _by_index(values: list[Any]) -> annealing.Categorical:
    return annealing.Categorical([str(k) for k in range(len(values))])


def _multiple(count: int, step: float) -> float | int:
    return count * step if isinstance(step, int) else float(f"{count * step:.12g}")
