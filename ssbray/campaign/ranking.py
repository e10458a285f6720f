"""HyperScores of campaigns and of their designs, from what a summary holds; what it lacks is named, not guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssbray.annealing import Categorical
from ssbray.campaign import hyperscore
from ssbray.campaign.spec import Spec
from ssbray.domain import FloatArray

Z90 = 1.6449  #: half width of a 90 % interval in deviations, as in the summary's own coverage


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A name with the parts of its V; where one is missing there is no score."""

    name: str
    parts: dict[str, float | None]  #: accuracy, calibration, gain, novelty, each in (0, 1]

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts that nothing is known of."""
        return tuple(name for name, part in self.parts.items() if part is None)

    @property
    def value(self) -> float | None:
        """V, the geometric mean of the parts; None where one is missing."""
        known = {name: part for name, part in self.parts.items() if part is not None}
        return hyperscore.joined(known) if known and len(known) == len(self.parts) else None

    def described(self) -> dict[str, Any]:
        """As the answer of a command."""
        value = self.value
        return {"name": self.name, "score": None if value is None else hyperscore.hyperscore(value), "value": value,
                "parts": self.parts, "missing": list(self.missing)}


def campaign(spec: Spec, summary: Mapping[str, Any] | None) -> Ranked:
    """A campaign, by its best design and by its surrogate on all fresh specimens; nothing is known before its end."""
    if summary is None:
        return Ranked(name=spec.name, parts=dict.fromkeys(("accuracy", "calibration", "gain", "novelty")))
    check = summary["surrogate"]["fresh_specimens"]
    return _ranked(spec, spec.name, check["mape_percent"], check["coverage90"], summary["improvement_percent"],
                   summary["best"]["parameters"])


def designs(spec: Spec, summary: Mapping[str, Any]) -> list[Ranked]:
    """Designs that were measured on fresh specimens, highest V first, then those without one.

    The gain of a finalist is over the reference on other specimens, which the run-off did not use: it holds the
    noise between specimens. The best design's is the campaign's.
    """
    reference = summary["reference"]
    entries = [summary["best"], summary["best_without_coating"], *summary["finalists"]]
    shares = _shares(summary, [summary["best"], reference, summary["best_without_coating"], *summary["finalists"]])
    shares = [shares[0], *shares[2:]]
    found = []
    for number, (entry, (mape, coverage)) in enumerate(zip(entries, shares, strict=True)):
        if number == 1 and entry["parameters"] == entries[0]["parameters"]:  # the best design has no coating
            continue
        percent = summary["improvement_percent"] if number == 0 else _gain_percent(entry, reference)
        name = entry["role"] if entry["role"] != "finalist" else f"finalist {number - 1}"
        found.append(_ranked(spec, name, mape, coverage, percent, entry["parameters"]))
    return ordered(found)


def ordered(ranks: Sequence[Ranked]) -> list[Ranked]:
    """Highest V first; those without one last, in the order they came."""
    return sorted(ranks, key=lambda rank: -(rank.value or 0.0))


def distance(spec: Spec, parameters: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How far apart two designs lie in the searched ranges, from 0 to 1: root mean square over the parameters.

    A real parameter counts by its place in its range (on its logarithm where that is searched), an end of the range
    standing for what lies beyond it; a categorical one counts 1 where the two differ.
    """
    squares = []
    for name, dimension in spec.space.dimensions.items():
        ours, theirs = parameters[name], other[name]
        if isinstance(dimension, Categorical):
            squares.append(float(ours != theirs))
        else:
            places = [dimension.encode(min(max(each, dimension.low), dimension.high)) for each in (ours, theirs)]
            squares.append((places[0] - places[1]) ** 2)
    return math.sqrt(sum(squares) / len(squares))


def _ranked(spec: Spec, name: str, mape_percent: float | None, coverage90: float | None, gain_percent: float | None,
            parameters: Mapping[str, Any]) -> Ranked:
    novelty = distance(spec, parameters, spec.reference_design.model_dump())
    return Ranked(name=name, parts={
        "accuracy": None if mape_percent is None else hyperscore.accuracy(mape_percent),
        "calibration": None if coverage90 is None else hyperscore.calibration(coverage90),
        "gain": None if gain_percent is None else hyperscore.gain(gain_percent),
        "novelty": max(hyperscore.LEAST, novelty)})


def _shares(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
            ) -> list[tuple[float | None, float | None]]:
    """MAPE [%] and coverage of the surrogate on the specimens of each design, whose predictions it finds by their role.

    Designs that share a role, as finalists do, are told apart by their numbers of specimens, in the order they were
    predicted: where a specimen of one of them does not conduct, and so was not predicted, nobody can tell any more
    which are whose. Nor can anybody in a summary from before there were roles.
    """
    check = summary["surrogate"]["fresh_specimens"]
    roles = np.array(check.get("roles") or [], dtype=str)
    owner = np.full(len(roles), -1)  # whose each prediction is; -1 where nobody can tell
    for role in {entry["role"] for entry in entries}:
        peers = [number for number, entry in enumerate(entries) if entry["role"] == role]
        counts = [entries[number]["specimens"] for number in peers]
        if len(peers) == 1:
            owner[roles == role] = peers[0]
        elif sum(counts) == np.count_nonzero(roles == role):
            owner[roles == role] = np.repeat(peers, counts)
    if not len(roles):
        return [(None, None)] * len(entries)
    truth, mean, std = (np.array(check[name]) for name in ("ln_sigma_S_per_m", "mean_ln", "std_ln"))
    return [_share(truth[mine], mean[mine], std[mine]) for mine in (owner == number for number in range(len(entries)))]


def _share(truth: FloatArray, mean: FloatArray, std: FloatArray) -> tuple[float | None, float | None]:
    """MAPE [%] and coverage of predictions of ln sigma; None where there are none."""
    if not len(truth):
        return None, None
    return float(100 * np.mean(np.abs(np.expm1(mean - truth)))), float(np.mean(np.abs(truth - mean) <= Z90 * std))


def _gain_percent(entry: Mapping[str, Any], reference: Mapping[str, Any]) -> float | None:
    ours, theirs = entry["sigma_eff_S_per_cm"], reference["sigma_eff_S_per_cm"]
    return 100 * (ours / theirs - 1) if ours and theirs else None
