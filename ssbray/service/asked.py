"""What goes from one replica to the next. Nothing here needs torch, so the front is small and soon up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ssbray import materials
from ssbray.domain import FeatureGraph
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.analysis.analyse import Analysis, Ask

TEMPERATURES_C = (-100.0, 400.0)
tables = cache(materials.load)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked of one micrograph, beside its pixels."""

    axis: str = "y"
    temperature_C: float = 25.0
    electrolyte: str = "Ta-LLZO"
    cathode: str = "NMC811"
    coating: str | None = None  #: without a name there is none, and its class is ruled out
    pictures: bool = False

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y"):
            raise InputError("axis", self.axis, "must be x or y")
        if not TEMPERATURES_C[0] < self.temperature_C < TEMPERATURES_C[1]:
            raise InputError("temperature_C", self.temperature_C, "must lie between -100 and 400 C")
        for part, key in (("electrolyte", self.electrolyte), ("cathode", self.cathode), ("coating", self.coating)):
            if key is not None and tables().phase(key).family != part:
                raise InputError(part, key, f"is of the family {tables().phase(key).family}: name a {part}")

    def ask(self, draws: int, seed: int, device: str) -> Ask:
        """The same in the words of the analysis."""
        from ssbray.analysis.analyse import Ask

        phases = {"LLZO": self.electrolyte, "NMC": self.cathode} | ({"coating": self.coating} if self.coating else {})
        return Ask(draws=draws, seed=seed, axis=self.axis, temperature_C=self.temperature_C, device=device,
                   phases=phases)


@dataclass(frozen=True, eq=False, kw_only=True)
class Question:
    """What the surrogate is asked: a map, and others that it might as well have been."""

    graph: FeatureGraph
    others: tuple[FeatureGraph, ...] = ()  #: maps drawn from the segmentation's posterior
    width: float = 1.0  #: calibrated factor of an interval over that of the draws (`Trust.width`)
    shares: bool = False  #: of the dissipation, region by region


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """What the segmenter makes of a micrograph: all that is needed to go on, and to answer."""

    question: Question
    content: Mapping[str, Any]  #: plain data for the answer
    version: str  #: of the segmenter
    release: str = ""  #: of the pair of models that this belongs to
    analysis: Analysis | None = field(default=None, repr=False)
