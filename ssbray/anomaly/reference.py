"""The maps that are known, how far another one is from them, and in what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ssbray.anomaly.reasons import BROKEN, PERCENTILE, PHRASES, Finding, compare, say, sentences
from ssbray.anomaly.scores import novelty
from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.rng import stream

#: sort -> least difference that counts as one, on the scale of `_scaled`: deviations below it are no yardstick
LEAST = {"area": 0.02, "loss": 0.03, "thickness": 0.15, "regions": 0.15, "largest": 0.02, "length": 0.1,
         "slenderness": 0.2, "width": 0.15, "contact": 0.05}
FOLDS = 10  #: of the known maps, for their own novelty
RIDGE = 0.01  #: variance, of one, that no direction falls below when correlations are taken out


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """Descriptions of n known maps."""

    names: tuple[str, ...]  #: d names of `describe`
    values: FloatArray  #: (n, d), zero where a map lacks what is named

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names) or len(self.values) < 2:
            raise InputError("reference", self.values.shape, f"must hold {len(self.names)} quantities of two or "
                             "more known maps")
        if strange := [name for name in self.names if name.split(":")[0] not in LEAST]:
            raise InputError("reference", strange[0], f"is no quantity of a map: {', '.join(LEAST)} are")

    @classmethod
    def of(cls, descriptions: Sequence[Mapping[str, float]]) -> Reference:
        """Gather what `describe` says of each known map; at least two."""
        if len(descriptions) < 2:
            raise InputError("descriptions", len(descriptions), "novelty needs at least two known maps")
        names = tuple(sorted(set().union(*descriptions)))
        return cls(names=names, values=_matrix(descriptions, names))

    def novelty(self, descriptions: Sequence[Mapping[str, float]]) -> FloatArray:
        """Distance of each map to the nearest known one, (m,), in deviations of the known ones.

        Correlations of the known maps are taken out (Mahalanobis, Proc. Nat. Inst. Sci. India 2, 49 (1936)),
        with `RIDGE` on their variances. What no known map has, a phase or a contact, counts in units of `LEAST`.
        """
        if not descriptions:
            return np.zeros(0)
        distance = novelty(self._white(_matrix(descriptions, self.names)), self._white(self.values), 1)
        new = sorted(set().union(*descriptions) - set(self.names))
        extra = _scaled(_matrix(descriptions, new), new) / [LEAST[name.split(":")[0]] for name in new]
        return np.hypot(distance, np.sqrt((extra**2).sum(axis=1)))

    @cached_property
    def own_novelty(self) -> FloatArray:
        """Novelty of each known map to those of the other folds, (n,): what p-values are counted against.

        Correlations are taken from the other folds as well: a map that took part in them looks nearer than it is.
        """
        fold = stream(0, "folds of known maps").permutation(len(self.values)) % min(FOLDS, len(self.values))
        own = np.empty(len(self.values))
        for k in range(int(fold.max()) + 1):
            others = replace(self, values=self.values[fold != k])
            own[fold == k] = novelty(others._white(self.values[fold == k]), others._white(others.values), 1)
        return own

    def reasons(self, description: Mapping[str, float], most: int = 3) -> tuple[str, ...]:
        """Sentences on what lies outside the 1st and 99th percentiles of the known maps, the furthest first.

        Where nothing does, the combination is what is new: then the quantities that differ most from those
        of the nearest known map.
        """
        losses = {name[5:]: value for name, value in description.items() if name.startswith("loss:")}
        conducts = not losses or any(losses.values())
        names = sorted(name for name in {*self.names, *description} if conducts or not name.startswith("loss:"))
        found = [finding for name in names if (finding := self._compare(name, description.get(name, 0.0)))]
        told = sentences(found, losses, most) if found else self._nearest(description)
        return told if conducts else (BROKEN, *told)

    def _compare(self, name: str, value: float) -> Finding | None:
        sort = name.split(":")[0]
        column = self.values[:, self.names.index(name)] if name in self.names else np.zeros(len(self.values))
        low, high = self._band.get(name, (0.0, 0.0))
        if low <= value <= high:
            return None
        finding = compare(name, say(name, value), value, column, PHRASES[sort][1])
        if finding is None:
            return None
        known = _scaled(column[:, None], [name])[:, 0]
        below, there, above = _scaled(np.array([[low], [value], [high]]), [name])[:, 0]
        return replace(finding, beyond=float(max(there - above, below - there) / max(known.std(), LEAST[sort])))

    @cached_property
    def _band(self) -> dict[str, tuple[float, float]]:
        """1st and 99th percentile of each quantity."""
        low, high = np.percentile(self.values, [100 - PERCENTILE, PERCENTILE], axis=0)
        return dict(zip(self.names, zip(low.tolist(), high.tolist(), strict=True), strict=True))

    def _nearest(self, description: Mapping[str, float]) -> tuple[str, ...]:
        """In what a map differs from the nearest known one."""
        values = _matrix([description], self.names)
        row = int(((self._white(values) - self._white(self.values)) ** 2).sum(axis=1).argmin())
        gap = np.abs(_scaled(values, self.names) - _scaled(self.values, self.names)[row])[0] / self._scale
        k = int(gap.argmax())
        there = PHRASES[self.names[k].split(":")[0]][1](float(self.values[row, k]))
        return (f"no quantity alone is unusual, their combination is: {say(self.names[k], float(values[0, k]))}, "
                f"and {there} in the training map that is most like it",)

    @cached_property
    def _scale(self) -> FloatArray:
        least = np.array([LEAST[name.split(":")[0]] for name in self.names])
        return np.maximum(_scaled(self.values, self.names).std(axis=0), least)

    @cached_property
    def _whitening(self) -> FloatArray:
        """(d, d): the root of the inverse covariance of the known maps."""
        scaled = _scaled(self.values, self.names) / self._scale
        covariance = np.atleast_2d(np.cov(scaled.T, bias=True)) + RIDGE * np.eye(len(self.names))
        return np.asarray(np.linalg.cholesky(np.linalg.inv(covariance)))

    def _white(self, values: FloatArray) -> FloatArray:
        return np.asarray(_scaled(values, self.names) / self._scale @ self._whitening)


def _matrix(descriptions: Sequence[Mapping[str, float]], names: Sequence[str]) -> FloatArray:
    return np.array([[each.get(name, 0.0) for name in names] for each in descriptions],
                    dtype=np.float64).reshape(len(descriptions), len(names))


def _scaled(values: FloatArray, names: Sequence[str]) -> FloatArray:
    """Roots of areas and contacts, logarithms of counts and sizes: scales on which known maps spread evenly."""
    sort = np.array([name.split(":")[0] for name in names])
    scaled = values.copy()
    root = np.isin(sort, ("area", "largest", "contact"))
    grows = np.isin(sort, ("thickness", "regions", "slenderness", "width"))
    scaled[:, root] = np.sqrt(values[:, root])
    scaled[:, grows] = np.log1p(values[:, grows])
    return scaled
