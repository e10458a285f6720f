"""The answers, for OpenAPI. Units are in the names."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Interval = tuple[float | None, float | None]


class Problem(BaseModel):
    """What is wrong, for programs (`code`, `field`) and for people (`message`)."""

    model_config = ConfigDict(extra="forbid")
    code: str
    field: str | None
    message: str


class Error(BaseModel):
    """Every answer that is none."""

    model_config = ConfigDict(extra="forbid")
    error: Problem


class Health(BaseModel):
    """`live` or `ready`."""

    model_config = ConfigDict(extra="forbid")
    status: str


class Conductivity(BaseModel):
    """Effective ionic conductivity; the mean is the median of a log-normal distribution."""

    model_config = ConfigDict(extra="forbid")
    mean: float
    std: float | None
    interval90: Interval


class Doubt(BaseModel):
    """Where the interval comes from: standard deviations of the logarithm of the conductivity."""

    model_config = ConfigDict(extra="forbid")
    surrogate: float | None = Field(description="of the surrogate, for the most probable map")
    segmentation: float | None = Field(description="between maps drawn from the segmenter's posterior")
    maps: int = Field(description="so many were drawn")
    maps_blocked: int = Field(description="of these do not conduct")


class Place(BaseModel):
    """A region, at its centroid from the upper left corner."""

    model_config = ConfigDict(extra="forbid")
    x_nm: float
    y_nm: float
    phase: str
    share: float = Field(description="of the resistance")


class Link(BaseModel):
    """A boundary between two regions, by their numbers in the list."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    begin: int = Field(alias="from")
    end: int = Field(alias="to")
    share: float


class Graph(BaseModel):
    """The regions and boundaries that matter most."""

    model_config = ConfigDict(extra="forbid")
    nodes: list[Place]
    edges: list[Link]
    left_out: dict[str, int]


class Anomaly(BaseModel):
    """How strange the structure is to the surrogate."""

    model_config = ConfigDict(extra="forbid")
    score: float
    p_value: float = Field(ge=0, le=1)
    flag: bool
    reasons: list[str]


class Prediction(BaseModel):
    """The answer. The second half is there for images only; pictures only with `?overlay=1`."""

    model_config = ConfigDict(extra="forbid")
    model_version: str
    sigma_eff_S_per_cm: Conductivity
    anomaly: Anomaly
    phase_fraction: dict[str, float]
    in_domain: bool
    seconds: float
    doubt_ln: Doubt | None = None
    resistance_budget: dict[str, float] | None = None
    specimens: int | None = None
    measurements: dict[str, dict[str, float | None]] | None = None
    materials: dict[str, str | None] | None = None
    temperature_C: float | None = None
    axis: str | None = None
    image: dict[str, Any] | None = None
    mean_entropy_nat: float | None = None
    regions: int | None = None
    warnings: list[str] | None = None
    feature_graph: Graph | None = None
    overlay_png_base64: str | None = None
    image_png_base64: str | None = None
    legend: dict[str, str] | None = None


class Model(BaseModel):
    """What answers here."""

    model_config = ConfigDict(extra="forbid")
    name: str
    version: str
    release: str
    sha256: dict[str, str]
    segmenter: dict[str, Any] | None
    surrogate: dict[str, Any] | None
    search: dict[str, Any] | None
    registry: dict[str, str | None]


class Design(BaseModel):
    """Processing parameters; those that are left out are as in the spec's `process`."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, float | int | str]


class Example(BaseModel):
    """A virtual micrograph to try."""

    model_config = ConfigDict(extra="forbid")
    name: str
    title: str
    pixel_size_nm: float
    coating: str | None


class Scale(BaseModel):
    """A phase of the materials tables."""

    model_config = ConfigDict(extra="forbid")
    phase: str
    name: str
    family: str
    sigma_S_per_cm: float
