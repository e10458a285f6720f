"""What the virtual microscope may do: ranges, and the settings that one image draws from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ssbray import rng
from ssbray.errors import InputError, nearest

FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
ELEMENTS = ("O", "Al", "Zr", "Nb", "La", "Ta", "Mn", "Co", "Ni")  #: of which there are maps, whatever the specimen


class Settings(BaseModel):
    """Fixed settings of one image; meaning and source of each in ``knobs.yaml``."""

    model_config = FROZEN
    beam_energy_keV: Annotated[float, Field(ge=30, le=300)]
    thickness_nm: Annotated[float, Field(gt=0, le=1000)]
    wedge_nm_per_um: NotNegative
    thickness_rms_share: Annotated[float, Field(ge=0, le=0.3)]
    thickness_length_nm: Positive
    curtain_rms_nm: NotNegative
    curtain_length_nm: Positive
    groove_nm: NotNegative
    inclination_deg: Annotated[float, Field(ge=0, le=45)]
    inclination_length_nm: Positive

    tetragonal_dopant_share: Share
    haadf_exponent: Annotated[float, Field(ge=1, le=2)]
    haadf_fraction_100nm: Annotated[float, Field(gt=0, lt=1)]
    channelling_std: Annotated[float, Field(ge=0, le=0.3)]
    bf_mean_free_path_nm: Positive
    bf_grain_std: Annotated[float, Field(ge=0, le=1)]
    bend_depth: Annotated[float, Field(ge=0, lt=1)]
    bend_length_nm: Positive
    bend_width: Annotated[float, Field(gt=0, lt=0.5)]

    boundary_width_nm: Positive
    boundary_haadf: Annotated[float, Field(ge=-0.9, le=0.9)]
    boundary_bf: Annotated[float, Field(ge=-0.9, le=0.9)]
    boundary_variation: Share
    dislocations_per_m2: Annotated[float, Field(ge=0, le=1e16)]
    dislocation_length_nm: Positive
    dislocation_width_nm: Positive
    dislocation_bf_depth: Annotated[float, Field(ge=0, lt=1)]
    dislocation_haadf_depth: Annotated[float, Field(ge=0, lt=1)]
    extinction_nm: Positive
    fringe_depth: Share
    domain_size_nm: Positive
    twin_period_nm: Positive

    probe_fwhm_nm: NotNegative
    image_current_pA: Positive
    image_dwell_us: Positive
    flyback_us: NotNegative
    jitter_px: NotNegative
    jitter_correlation: Annotated[float, Field(ge=0, lt=1)]
    hum_px: NotNegative
    mains_Hz: Positive
    flyback_px: NotNegative
    flyback_length_px: Positive
    drift_nm_per_s: NotNegative
    drift_nm_per_s2: NotNegative

    detector_efficiency: Annotated[float, Field(gt=0, le=1)]
    exposure: Annotated[float, Field(gt=0, le=10)]
    black_level: Annotated[float, Field(ge=0, lt=1)]
    read_noise_share: Share
    line_gain_std: Annotated[float, Field(ge=0, le=0.3)]
    afterglow_us: NotNegative
    bits: Annotated[int, Field(ge=1, le=24)]

    contamination_probability: Share
    contamination_nm: NotNegative
    platinum_nm: NotNegative

    eds_current_pA: Positive
    eds_dwell_us: Positive
    eds_frames: Annotated[int, Field(ge=1)]
    eds_solid_angle_sr: Annotated[float, Field(gt=0, le=4 * math.pi)]
    eds_efficiency: Annotated[float, Field(gt=0, le=1)]
    eds_background: NotNegative
    eds_absorption_100nm: NotNegative
    eds_blur_nm: NotNegative
    eds_shift_px: NotNegative
    eds_binning: Annotated[int, Field(ge=1, le=64)]


class Knob(BaseModel):
    """One entry of ``knobs.yaml``: a value or a range, how it is drawn, and what it rests on."""

    model_config = FROZEN
    value: float | None = None
    range: tuple[float, float] | None = None
    log: bool = False
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Knob:
        if (self.value is None) == (self.range is None):
            raise ValueError("give either a value or a range")
        if self.low > self.high:
            raise ValueError("the low end of the range lies above the high one")
        if self.log and not self.low > 0:
            raise ValueError("a knob that is drawn by its logarithm must be positive")
        return self

    @property
    def low(self) -> float:
        """Low end."""
        return self.range[0] if self.range else float(self.value or 0.0)

    @property
    def high(self) -> float:
        """High end."""
        return self.range[1] if self.range else float(self.value or 0.0)

    def draw(self, generator: np.random.Generator) -> float:
        """One value; a fixed knob uses up its random number too, so that it moves no other."""
        share = generator.random()
        if self.low == self.high:
            return self.low
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + (self.high - self.low) * share)


class Knobs(BaseModel):
    """All knobs, and two tables that are no knobs: densities of phases, and elements that are always mapped."""

    model_config = FROZEN
    knobs: dict[str, Knob]
    densities_g_per_cm3: dict[str, Positive] = {}  #: goes before the bundled densities
    elements: tuple[str, ...] = ELEMENTS

    def draw(self, seed: int, index: int = 0) -> Settings:
        """Settings of one image; each knob has a random stream of its own."""
        drawn = {name: knob.draw(rng.stream(seed, "microscope knob", name, index))
                 for name, knob in self.knobs.items()}
        whole = {name: math.floor(drawn[name] + 0.5) for name in ("bits", "eds_frames", "eds_binning")}
        return Settings.model_validate({**drawn, **whole})


@cache
def bundled() -> Mapping[str, Knob]:
    """Every knob as shipped, with its source.

    >>> bundled()["eds_solid_angle_sr"].value
    0.7
    """
    text = resources.files(__package__).joinpath("knobs.yaml").read_text(encoding="utf-8")
    return {name: Knob.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def load_knobs(overrides: Mapping[str, Any] | None = None) -> Knobs:
    """The shipped knobs, some of them replaced.

    Parameters
    ----------
    overrides : name of a knob -> number, or [low, high], in the unit of the name; and, if wanted,
        `densities_g_per_cm3` (phase -> density) and `elements` (those that are always mapped).

    Raises
    ------
    InputError : for an unknown name (with its nearest match) or a number out of range.

    >>> load_knobs({"thickness_nm": [70, 90]}).knobs["thickness_nm"].range
    (70.0, 90.0)
    """
    knobs = dict(bundled())
    tables: dict[str, Any] = {}
    for name, new in (overrides or {}).items():
        if name in ("densities_g_per_cm3", "elements"):
            tables[name] = new
        elif name not in knobs:
            raise InputError(f"microscope.{name}", new, nearest(str(name), [*knobs, "densities_g_per_cm3", "elements"]))
        else:
            knobs[name] = _replaced(name, new, knobs[name])
    try:
        made = Knobs(knobs=knobs, **tables)
    except ValidationError as error:
        raise _readable(error) from None
    for end in ("low", "high"):
        try:
            Settings.model_validate({name: getattr(knob, end) for name, knob in knobs.items()})
        except ValidationError as error:
            raise _readable(error) from None
    return made


def _replaced(name: str, new: Any, old: Knob) -> Knob:
    """A knob with a user's number or range in place of the shipped one."""
    if isinstance(new, bool) or not isinstance(new, int | float | list | tuple):
        raise InputError(f"microscope.{name}", new, "must be a number, or a range [low, high] (YAML reads 1e13 as "
                         "text: write 1.0e+13)")
    span = {"value": new} if isinstance(new, int | float) else {"range": new}
    try:
        return Knob.model_validate({**span, "log": old.log and new not in (0, 0.0), "source": "given by the user"})
    except ValidationError as error:
        raise InputError(f"microscope.{name}", new, error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _readable(error: ValidationError) -> InputError:
    first = error.errors()[0]
    return InputError(".".join(["microscope", *map(str, first["loc"])]), first["input"], first["msg"])
