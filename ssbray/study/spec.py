"""A study in one YAML document: samples and their micrographs, what is learnt from them, and the campaigns compared."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from ssbray.campaign import spec as campaign_spec
from ssbray.campaign.spec import NAME, Section, Spec
from ssbray.errors import InputError, nearest
from ssbray.specimen.laws import load as load_laws

LAYER = "La2Zr2O7"  #: the layer that a study is about, unless it says otherwise


class ImagesSection(Section):
    """The samples that are looked at, and how."""

    samples: int = Field(50, ge=10, le=10_000)
    locations: int = Field(4, ge=1, le=100)  #: micrographs of each sample
    temperature_C: tuple[float, float] = (25.0, 80.0)  #: drawn for each micrograph
    charge_transfer_ohm_cm2: tuple[float, float] = (5.0, 500.0)  #: drawn for each micrograph, evenly in its logarithm

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for name, least in (("temperature_C", -100.0), ("charge_transfer_ohm_cm2", 1e-6)):
            low, high = getattr(self, name)
            if not least < low <= high:
                raise ValueError(f"{name} must be [low, high], with low above {least:g} and not above high")
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
    known: int = Field(120, ge=80, le=10_000)  #: a quarter of them tells how far off sound ones are
    judged: int = Field(60, ge=10, le=10_000)


class PriorsSection(Section):
    """Process laws that are varied around the optimum, by factors or by differences."""

    factors: dict[str, tuple[float, float]] = {}
    shifts: dict[str, tuple[float, float]] = {}
    specimens: int = Field(3, ge=2, le=100)


class VoltageSection(Section):
    """Potentials applied to some of the test images, in the model with two potentials."""

    applied_mV: tuple[float, ...] = (1.0, 50.0, 200.0)
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
        return campaign_spec.parse({"name": "aware", "seed": self.seed, **self.campaign})

    @property
    def unaware(self) -> Spec:
        """The same campaign, with the laws of one who overlooks the layer."""
        laws = {**self.campaign.get("laws", {}), **self.blind}
        return campaign_spec.parse({"name": "blind", "seed": self.seed, **self.campaign, "laws": laws})

    @property
    def digest(self) -> str:
        """sha256 of the document."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


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
    for section, known in (("STUDY", Study.model_fields),):
        for key, value in content.items():
            if key not in known:
                raise InputError(f"{section}.{key}", str(value)[:80], nearest(str(key), known))
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
    laws = load_laws(study.aware.laws or None)
    for name in (*study.priors.factors, *study.priors.shifts):
        if not isinstance(getattr(laws, name, None), float):
            raise InputError("priors", name, "is no process law of one number: see ssbray/specimen/laws.yaml")
    return study
