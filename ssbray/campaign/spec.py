"""One study in one YAML document: everything that decides the result, and beside it where to run.

`specimen`, `dataset build` and `campaign run` each read the sections they need of the same file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from ssbray import materials
from ssbray.annealing import Categorical, Float, Space
from ssbray.annealing.dimension import Dimension
from ssbray.errors import InputError, nearest
from ssbray.microscope.knobs import load_knobs
from ssbray.specimen import ProcessParameters, structure
from ssbray.specimen.laws import load as load_laws

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"  #: of a campaign, and of its directory
#: (section, key, default) of what came after campaigns had been begun
LATER = (("search", "when", None), ("objective", "risk", None), ("objective", "anomaly_weight", 0.0),
         ("objective", "constraints", {"porosity": None, "reaction_layer_nm": None, "coating_layer_nm": None}),
         ("annealing", "schedule", "adaptive"))
MAX_PIXELS = 40_000_000  #: of a specimen's section


class Section(BaseModel):
    """A part of the document: immutable, and without room for a misspelt key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SpecimenSection(Section):
    """The field of view that is simulated, and how many specimens stand for one design."""

    size_nm: tuple[float, float] = (1200.0, 800.0)  #: width (x), height (y); current flows along y
    pixel_size_nm: float = Field(4.0, gt=0)
    replicates: int = Field(2, ge=1, le=100)  #: specimens per design, with the same seeds for every design

    @model_validator(mode="after")
    def _some_pixels(self) -> SpecimenSection:
        pixels = [length / self.pixel_size_nm for length in self.size_nm]
        if min(pixels) < 8:
            raise ValueError("the field of view must be at least 8 pixels in each direction")
        if pixels[0] * pixels[1] > MAX_PIXELS:
            raise ValueError(f"the field of view has more than {MAX_PIXELS} pixels: make it smaller, or them larger")
        if any(abs(count - round(count)) > 1e-6 for count in pixels):
            raise ValueError("each side of the field of view must be a whole number of pixels")
        return self


class ConditionsSection(Section):
    """What is computed. In a single-potential model lithium ions carry the current through every phase."""

    model: Literal["single-potential"] = "single-potential"
    temperature_C: float = Field(25.0, gt=-100, lt=400)


When = dict[str, tuple[str, ...]]  #: a searched parameter -> its choices beside which another is searched


class FloatRange(Section):
    """A real parameter to search."""

    low: float
    high: float
    log: bool = False
    when: When | None = None  #: elsewhere it has its default


class Choices(Section):
    """A categorical parameter to search."""

    choices: tuple[str, ...]
    when: When | None = None


SearchEntry = Annotated[
    Annotated[FloatRange, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(lambda value: "choices" if "choices" in _keys(value) else "range")]


class ConstraintsSection(Section):
    """What a design must keep to. The process laws tell, so one that does not is never solved."""

    porosity: float | None = Field(None, gt=0, lt=1)  #: most pores in the electrolyte, share of its volume
    reaction_layer_nm: float | None = Field(None, gt=0)  #: thickest reaction products
    coating_layer_nm: float | None = Field(None, gt=0)  #: thickest coating that is left


class ObjectiveSection(Section):
    """What is better: the geometric mean over a design's specimens, or one of their worse quantiles."""

    minimise: Literal["asr_ohm_cm2"] | None = None
    maximise: Literal["sigma_eff_S_per_cm"] | None = None
    #: "mean" (None here), or a quantile of the specimens: 0.9 is what nine of ten are better than
    risk: float | None = Field(None, ge=0.5, lt=1)
    anomaly_weight: float = Field(0.0, ge=0, le=10)  #: on specimens unlike those of the initial design
    constraints: ConstraintsSection = ConstraintsSection()

    @field_validator("risk", mode="before")
    @classmethod
    def _mean_is_no_quantile(cls, risk: Any) -> Any:
        if isinstance(risk, str) and risk != "mean":
            raise ValueError("give mean, or a quantile of the specimens from 0.5 to below 1")
        return None if risk == "mean" else risk

    @model_validator(mode="after")
    def _exactly_one(self) -> ObjectiveSection:
        if (self.minimise is None) == (self.maximise is None):
            raise ValueError("give either minimise: asr_ohm_cm2 or maximise: sigma_eff_S_per_cm")
        return self

    @property
    def name(self) -> str:
        """The quantity."""
        return self.minimise or self.maximise or ""


class AnnealingSection(Section):
    """The search. One evaluation is one design, on all its replicate specimens."""

    initial: int = Field(24, ge=4, le=4096)  #: designs of the initial, space-filling plan
    chains: int = Field(4, ge=1, le=256)
    rounds: int = Field(3, ge=1, le=1000)  #: the chains meet, exchange and retrain after each
    steps: int = Field(6, ge=1, le=1000)  #: of each chain, per round
    proposals: int = Field(6, ge=1, le=256)  #: drawn per step; the surrogate picks the one that is solved
    unscreened: float = Field(0.2, ge=0, le=1)  #: share of steps that the surrogate does not touch
    optimism: float = Field(1.0, ge=0, le=10)  #: standard deviations of benefit of the doubt in the ranking
    schedule: Literal["adaptive", "literal"] = "adaptive"  #: literal: x + T * gauss, all accepted, nothing screened


class ConfirmSection(Section):
    """Fresh specimens for the finalists and the reference: the winner of a noisy search was also lucky."""

    designs: int = Field(3, ge=1, le=100)
    specimens: int = Field(8, ge=3, le=1000)


class TruthSection(Section):
    """The finite-element solve."""

    rtol: float = Field(1e-8, ge=1e-15, lt=1)


class TrackingSection(Section):
    """MLflow. Without a URI: an SQLite store beside the campaigns."""

    uri: str | None = None
    artifacts: str | None = None  #: URI or directory of the files of an experiment that is made now
    experiment: str = "ssbray"


class ClusterSection(Section):
    """Resources asked of Ray; they never change a result."""

    solvers: int | None = Field(None, ge=1)  #: solver actors; as many as there are CPUs when not given
    cpus_per_solver: float = Field(1.0, gt=0)
    learner_gpus: float | None = Field(None, ge=0)  #: a GPU for the learner where the cluster has one when not given
    solve_timeout_s: float = Field(600.0, gt=0)
    price_per_core_hour: float | None = Field(None, ge=0)  #: in any currency, for `campaign plan` and `status`


class Spec(Section):
    """A study."""

    name: str = Field(pattern=f"^{NAME}$")
    seed: int = Field(ge=0, lt=2**63)
    materials: dict[str, Any] = {}  #: merged over the bundled tables
    laws: dict[str, Any] = {}  #: merged over the bundled process laws
    microscope: dict[str, Any] = {}  #: merged over the bundled knobs of the virtual microscope
    process: dict[str, Any] = {}  #: parameters that are not searched
    reference: dict[str, Any] = {}  #: over `process`: the design that the gain is measured against
    specimen: SpecimenSection = SpecimenSection()
    conditions: ConditionsSection = ConditionsSection()
    search: dict[str, SearchEntry] = {}
    objective: ObjectiveSection = ObjectiveSection(minimise="asr_ohm_cm2")
    annealing: AnnealingSection = AnnealingSection()
    confirm: ConfirmSection = ConfirmSection()
    truth: TruthSection = TruthSection()
    surrogate: dict[str, Any] = {}  #: of `ssbray.surrogate.TrainingConfig`
    tracking: TrackingSection = TrackingSection()
    cluster: ClusterSection = ClusterSection()

    @property
    def space(self) -> Space:
        """The searched parameters."""
        if not self.search:
            raise InputError("search", {}, "name at least one process parameter to search")
        dimensions = {name: _dimension(name, entry) for name, entry in self.search.items()}
        try:
            return Space(dimensions)
        except InputError as error:  # a condition
            raise InputError(f"search.{error.field}", error.value, error.remedy) from None

    def design(self, point: dict[str, Any]) -> ProcessParameters:
        """Process of a searched point."""
        return ProcessParameters.parse({**self.process, **point})

    @property
    def reference_design(self) -> ProcessParameters:
        """Process that the gain is measured against."""
        return ProcessParameters.parse({**self.process, **self.reference})

    @property
    def digest(self) -> str:
        """sha256 of everything that decides the result."""
        silent = {"cluster", "tracking", "name"} | (set() if self.microscope else {"microscope"})
        content = self.model_dump(mode="json", exclude=silent)
        for section, name, default in LATER:  # a spec that does not use them is still the same spec
            for part in content["search"].values() if section == "search" else [content[section]]:
                if part[name] == default:
                    del part[name]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def evaluations(self) -> int:
        """Designs that the search evaluates."""
        return self.annealing.initial + self.annealing.chains * self.annealing.rounds * self.annealing.steps


def load(path: str | Path, **overrides: Any) -> Spec:
    """Read and check a study.

    Raises
    ------
    InputError
        The file is missing, is not YAML, or a key or value in it is wrong; names it and the remedy.
    """
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise InputError("SPEC", str(path), f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError("SPEC", str(path), "is not a text file") from None
    try:
        content = yaml.safe_load(text)
    except RecursionError:
        raise InputError("SPEC", str(path), "is nested too deeply") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}" if where else ""
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise InputError("SPEC", str(path), f"is not YAML{place}: {problem}") from None
    if not isinstance(content, dict):
        raise InputError("SPEC", str(path), "must be a mapping of sections (name, seed, search, ...)")
    return parse({**content, **{key: value for key, value in overrides.items() if value is not None}})


def parse(content: dict[str, Any]) -> Spec:
    """Check a study given as a mapping, including its process parameters and ranges."""
    try:
        spec = Spec.model_validate(content)
    except ValidationError as error:
        raise _readable(error, content) from None
    _check_tables(spec)
    spec.reference_design  # noqa: B018  # every part is parsed once, so that nothing fails hours later
    for name, entry in spec.search.items():
        if name not in ProcessParameters.model_fields:
            raise InputError(f"search.{name}", _plain(entry), nearest(name, ProcessParameters.model_fields))
        if name in spec.process:
            raise InputError(f"search.{name}", spec.process[name], "is fixed in `process` too: remove one of them")
        for end in entry.choices if isinstance(entry, Choices) else (entry.low, entry.high):
            try:
                spec.design({name: end})
            except InputError as error:
                raise InputError(f"search.{name}", end, error.remedy) from None
    if "coating_thickness_nm" in spec.search and "coating" not in spec.search and spec.design({}).coating == "bare":
        raise InputError("search.coating_thickness_nm", "bare", "no coating is searched, nor fixed in `process`")
    if spec.search:
        spec.space  # noqa: B018
    if spec.surrogate:
        from ssbray.surrogate import TrainingConfig  # brings torch, which only a spec with this section has to pay for

        try:
            TrainingConfig.model_validate(spec.surrogate)
        except ValidationError as error:
            raise _readable(error, spec.surrogate, TrainingConfig, "surrogate") from None
    return spec


def _check_tables(spec: Spec) -> None:
    """Merge the overrides of the tables once, and make the reference's structure with them."""
    for name in ("materials", "laws", "microscope"):
        try:
            json.dumps(getattr(spec, name), allow_nan=False)
        except (TypeError, ValueError) as error:
            value = str(getattr(spec, name))[:80]
            raise InputError(name, value, f"holds what is neither number nor text ({error})") from None
    load_knobs(spec.microscope)
    structure(spec.reference_design, load_laws(spec.laws or None), materials.load(spec.materials or None))


def _readable(error: ValidationError, content: dict[str, Any], root: type[BaseModel] | None = None, prefix: str = ""
              ) -> InputError:
    """First complaint of pydantic about `content` of the model `root`, as field, value and remedy."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part not in ("range", "choices") or part == first["loc"][-1]]
    field = ".".join([prefix, *path] if prefix else path) or "SPEC"
    if first["type"] == "extra_forbidden":
        model: Any = root or Spec
        for part in path[:-1]:
            annotation = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
            model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else FloatRange
        return InputError(field, first["input"], nearest(path[-1], model.model_fields))
    value = first["input"] if first["type"] != "missing" else None
    remedy = first["msg"].removeprefix("Value error, ")
    if isinstance(value, str) and first["type"].startswith(("float", "int")):
        remedy += " (YAML reads 1e-8 as text: write 1.0e-8)"
    if value is content or isinstance(value, dict):
        value = "missing" if first["type"] == "missing" else value
    return InputError(field, value, remedy)


def _dimension(name: str, entry: FloatRange | Choices) -> Dimension:
    """A searched parameter."""
    try:
        if isinstance(entry, Choices):
            return Categorical(entry.choices, entry.when)
        return Float(entry.low, entry.high, entry.log, entry.when)
    except InputError as error:
        raise InputError(f"search.{name}", error.value, error.remedy) from None


def _keys(value: Any) -> set[str]:
    if isinstance(value, Section):
        return set(type(value).model_fields)
    return set(value) if isinstance(value, dict) else set()


def _plain(entry: FloatRange | Choices) -> Any:
    return entry.model_dump(mode="json")
