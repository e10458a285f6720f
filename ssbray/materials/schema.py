"""What a table of materials may hold, as it stands in YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator
from pydantic_core import PydanticCustomError

from ssbray.errors import InputError, nearest
from ssbray.materials.arrhenius import GIVEN, Arrhenius, Origin, Standing, from_ln_sigma
from ssbray.materials.phase import Family, Interface, Phase

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Built = TypeVar("Built")
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

_GIVEN = {"standing": GIVEN.standing, "source": GIVEN.source}


class Record(BaseModel):
    """A mapping of known keys; an unknown one is named with its nearest match."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError("unknown_key", "{remedy}", {
                    "key": str(key), "remedy": f"unknown key; {nearest(str(key), cls.model_fields)}"})
        return data


class Sourced(Record):
    """What every number brings along."""

    standing: Standing
    source: Text

    @property
    def origin(self) -> Origin:
        """Standing and source."""
        return Origin(self.standing, self.source)


class Number(Sourced):
    """One number and its origin."""

    value: FiniteFloat


class Span(Sourced):
    """A range and its origin."""

    low: FiniteFloat
    high: FiniteFloat


def _bare_number(data: Any) -> Any:
    """Let a user write `Ea_eV: 0.3`: a number without a source is an assumption of theirs."""
    return {"value": data, **_GIVEN} if isinstance(data, int | float | str) else data


def _bare_span(data: Any) -> Any:
    """Let a user write `[low, high]`, likewise."""
    return {"low": data[0], "high": data[1], **_GIVEN} if isinstance(data, list | tuple) and len(data) == 2 else data


def within(field: str, build: Callable[[], Built]) -> Built:
    """Build a record of the core; should it refuse, say where the number stands."""
    try:
        return build()
    except InputError as error:
        raise InputError(f"{field}.{error.field}", error.value, error.remedy) from error


NumberField = Annotated[Number, BeforeValidator(_bare_number)]
SpanField = Annotated[Span, BeforeValidator(_bare_span)]


class Conduction(Record):
    """Conductivity of one carrier."""

    sigma_25C_S_per_cm: NumberField
    Ea_eV: NumberField | None = None
    Ea_form: Literal["sigma*T", "ln sigma"] = "sigma*T"  #: what the source fitted
    range_S_per_cm: SpanField | None = None

    @model_validator(mode="after")
    def _activated(self) -> Conduction:
        if self.Ea_eV is None and self.sigma_25C_S_per_cm.value != 0:
            raise PydanticCustomError("activation", "give Ea_eV; only a phase that blocks (zero) can do without")
        return self

    def build(self) -> Arrhenius:
        """The record of the core, with the activation energy in the form sigma*T."""
        slope = self.Ea_eV.value if self.Ea_eV else 0.0
        span = self.range_S_per_cm
        return Arrhenius(
            sigma_25C_S_per_cm=self.sigma_25C_S_per_cm.value,
            Ea_eV=from_ln_sigma(slope) if self.Ea_form == "ln sigma" else slope,
            range_S_per_cm=(span.low, span.high) if span else None,
            sigma_origin=self.sigma_25C_S_per_cm.origin,
            Ea_origin=self.Ea_eV.origin if self.Ea_eV else self.sigma_25C_S_per_cm.origin,
            range_origin=span.origin if span else None)


class PhaseEntry(Record):
    """One phase. `ionic` must be said; null means that it blocks."""

    name: Text | None = None
    formula: Text | None
    family: Family
    aliases: tuple[Text, ...] = ()
    ionic: Conduction | None
    electronic: Conduction | None = None
    colour: Colour = "#999999"
    note: str = ""

    def build(self, key: str) -> Phase:
        """The record of the core."""
        return Phase(
            key=key, name=self.name or key, formula=self.formula, family=self.family,
            ionic=within("ionic", self.ionic.build) if self.ionic else None,
            electronic=within("electronic", self.electronic.build) if self.electronic else None,
            colour=self.colour, note=self.note)


class InterfaceEntry(Record):
    """One kind of interface resistance."""

    asr_25C_ohm_cm2: NumberField
    Ea_eV: NumberField
    range_ohm_cm2: SpanField | None = None
    note: str = ""

    def build(self, kind: str) -> Interface:
        """The record of the core."""
        span = self.range_ohm_cm2
        return Interface(
            kind=kind, asr_25C_ohm_cm2=self.asr_25C_ohm_cm2.value, Ea_eV=self.Ea_eV.value,
            range_ohm_cm2=(span.low, span.high) if span else None, asr_origin=self.asr_25C_ohm_cm2.origin,
            Ea_origin=self.Ea_eV.origin, range_origin=span.origin if span else None, note=self.note)


class Tables(Record):
    """The whole document."""

    phases: dict[Text, PhaseEntry] = {}
    interfaces: dict[Text, InterfaceEntry] = {}
