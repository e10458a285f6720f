"""A study in one YAML document: samples and their micrographs, what is learnt from them, and the campaigns compared."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from ssbray import materials
from ssbray.campaign import spec as campaign_spec
from ssbray.campaign.spec import NAME, Section, Spec
from ssbray.errors import InputError, nearest
from ssbray.specimen.laws import load as load_laws
from ssbray.surrogate import TrainingConfig

LAYER = "La2Zr2O7"  #: the layer that a study is about, unless it says otherwise


class ImagesSection(Section):
    """The samples that are looked at, and how."""

    samples: int = Field(50, ge=10, le=10_000)
    locations: int = Field(4, ge=1, le=100)  #: micrographs of each sample
    temperature_C: tuple[float, float] = (25.0, 80.0)  #: drawn for each micrograph
    charge_transfer_ohm_cm2: tuple[float, float] = (5.0, 500.0)  #: drawn for each micrograph, evenly in its logarithm

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for name, least, most in (("temperature_C", -100.0, 400.0), ("charge_transfer_ohm_cm2", 1e-6, 1e9)):
            low, high = getattr(self, name)
            if not least < low <= high < most:
                raise ValueError(f"{name} must be [low, high], in this order, between {least:g} and {most:g}")
        return self


class SegmenterSection(Section):
    """How the segmenter is trained."""

    minutes: float = Field(10.0, gt=0, le=600)  #: for all nets together
    steps: int | None = Field(None, ge=2)  #: for each net, instead of minutes: repeatable
    members: int = Field(2, ge=1, le=16)


class SurrogateSection(Section):
    """How the surrogate is trained and tried."""

    trials: int = Field(8, ge=0, le=1000)  #: of the search for its hyper-parameters; none leaves the defaults
    fresh: int = Field(60, ge=2, le=10_000)  #: specimens of fresh samples that it is tried on besides the images
    config: dict[str, Any] = {}  #: of `ssbray.surrogate.TrainingConfig`


class LayerSection(Section):
    """The layer that was overlooked: how many specimens are known without it, and how many are judged."""

    phase: str = LAYER
    known: int = Field(200, ge=100, le=10_000)  #: a quarter of them tells how far off sound ones are
    judged: int = Field(60, ge=10, le=10_000)


class PriorsSection(Section):
    """Process laws that are varied around the optimum, by factors or by differences."""

    factors: dict[str, tuple[float, float]] = {}
    shifts: dict[str, tuple[float, float]] = {}
    specimens: int = Field(3, ge=2, le=100)


class VoltageSection(Section):
    """Potentials applied to some of the test images, in the model with two potentials."""

    applied_mV: tuple[Annotated[float, Field(gt=0, le=2000)], ...] = Field((1.0, 50.0, 200.0), min_length=1)
    images: int = Field(4, ge=0, le=1000)


class Study(Section):
    """A study."""

    name: str = Field(pattern=f"^{NAME}$")
    seed: int = Field(ge=0, lt=2**63)
    samples: dict[str, Any]  #: a spec (process, search, specimen, microscope, ...) whose designs are imaged
    images: ImagesSection = ImagesSection()
    segmenter: SegmenterSection = SegmenterSection()
    surrogate: SurrogateSection = SurrogateSection()
    layer: LayerSection = LayerSection()
    campaign: dict[str, Any]  #: a spec: the campaign that knows all laws
    blind: dict[str, Any]  #: `laws` of one who overlooks the layer
    priors: PriorsSection = PriorsSection()
    voltage: VoltageSection = VoltageSection()

    @property
    def imaged(self) -> Spec:
        """Spec of the samples."""
        return campaign_spec.parse({"name": self.name, "seed": self.seed, **self.samples})

    @property
    def aware(self) -> Spec:
        """Campaign with all laws."""
        return _numbered(campaign_spec.parse({"name": "aware", "seed": self.seed, **self.campaign}))

    @property
    def unaware(self) -> Spec:
        """The same campaign, with the laws of one who overlooks the layer."""
        laws = {**self.campaign.get("laws", {}), **self.blind}
        return _numbered(campaign_spec.parse({"name": "blind", "seed": self.seed, **self.campaign, "laws": laws}))

    def world(self, law: str, value: float) -> Spec:
        """The campaign's spec where one process law is another."""
        laws = {**self.campaign.get("laws", {}), law: value}
        return campaign_spec.parse({"name": "prior", "seed": self.seed, **self.campaign, "laws": laws})

    @property
    def digest(self) -> str:
        """sha256 of the document."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def _numbered(spec: Spec) -> Spec:
    """The spec under a name of its own: another one, after an edit, does not meet its campaign."""
    return spec.model_copy(update={"name": f"{spec.name}-{spec.digest[:8]}"})


def load(path: str | Path) -> Study:
    """Read and check a study.

    Raises
    ------
    InputError : the file, or a key or value in it, is wrong; names it and the remedy.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise InputError("STUDY", str(path), f"cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError("STUDY", str(path), f"is not YAML: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(content, dict):
        raise InputError("STUDY", str(path), "must be a mapping of sections (name, seed, samples, campaign, ...)")
    return parse(content)


def parse(content: dict[str, Any]) -> Study:
    """Check a study given as a mapping, with the specs in it."""
    for key, value in content.items():
        if key not in Study.model_fields:
            raise InputError(str(key), str(value)[:80], nearest(str(key), Study.model_fields))
    for section in ("samples", "campaign"):
        for key in ("name", "seed"):
            if isinstance(content.get(section), dict) and key in content[section]:
                raise InputError(f"{section}.{key}", content[section][key], "belongs to the study as a whole")
    try:
        study = Study.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "STUDY"
        value = "missing" if first["type"] == "missing" else str(first["input"])[:80]
        raise InputError(field, value, first["msg"].removeprefix("Value error, ")) from None
    for name in ("imaged", "aware", "unaware"):
        section = {"imaged": "samples", "aware": "campaign", "unaware": "blind"}[name]
        try:
            spec: Spec = getattr(study, name)
            spec.space  # noqa: B018  # refuses an empty search before anything is started
        except InputError as error:
            raise InputError(f"{section}.{error.field}", error.value, error.remedy) from None
    if study.layer.phase not in materials.load(study.aware.materials or None).phases:
        raise InputError("layer.phase", study.layer.phase, "is no phase of the materials tables")
    try:
        TrainingConfig.model_validate(study.surrogate.config)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"surrogate.config.{name}", str(first["input"])[:80], first["msg"]) from None
    for name, value in changes(study):
        try:
            study.world(name, value)
        except InputError as error:
            raise InputError(f"priors.{name}", value, error.remedy) from None
    return study


def changes(study: Study) -> list[tuple[str, float]]:
    """Process laws and the values that they are given, one at a time, beside the priors' centres."""
    laws = load_laws(study.aware.laws or None)
    for name in (*study.priors.factors, *study.priors.shifts):
        if not isinstance(getattr(laws, name, None), float):
            raise InputError("priors", name, "is no process law of one number: see ssbray/specimen/laws.yaml")
    scaled = [(name, float(getattr(laws, name)) * end) for name, ends in study.priors.factors.items() for end in ends]
    return scaled + [(name, float(getattr(laws, name)) + end) for name, ends in study.priors.shifts.items()
                     for end in ends]
