"""The constants of the process laws, each visible with its standing and each open to override."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssbray.errors import InputError, nearest

FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ByDopant(BaseModel):
    """One positive number per garnet dopant."""

    model_config = FROZEN
    Al: Positive
    Ta: Positive
    Ga: Positive


class ByCathode(BaseModel):
    """One positive number per cathode."""

    model_config = FROZEN
    NMC811: Positive
    NMC622: Positive
    NMC111: Positive


class ByCoating(BaseModel):
    """One positive number per coating."""

    model_config = FROZEN
    LiNbO3: Positive
    Li3BO3: Positive
    LCBO: Positive
    LiAlO2: Positive


class Constant(BaseModel):
    """One entry of ``laws.yaml``: the number, its unit, what it rests on, and where it comes from."""

    model_config = FROZEN
    value: float | dict[str, float]
    unit: str
    standing: Literal["measured", "recalled", "assumption", "prior"]
    source: str = Field(min_length=1)


class ProcessLaws(BaseModel):
    """Every number the process laws use; units in the names, meaning and source in `constants()`.

    No published kinetics exist for most of LLZO processing: most of these are priors, so what an
    optimiser finds on top of them is the priors' optimum, to be shown with its sensitivity.
    """

    model_config = FROZEN

    powder_d50_initial_um: Positive
    powder_d50_limit_um: Positive
    milling_time_constant_h: Positive
    protonation_loss_limit: Share
    protonation_time_constant_h: Positive

    green_density: Share
    density_limit: Share
    densification_Q_kJ_per_mol: Positive
    densification_ln_theta_1um: float
    densification_size_exponent: NotNegative
    densification_exponent: Positive
    density_loss_per_lithium_loss: NotNegative
    pore_radius_per_d50: Positive

    growth_exponent: Positive
    growth_Q_kJ_per_mol: Positive
    growth_rate_1130C_um_n_per_s: ByDopant
    zener_constant: Positive
    grain_sigma_log: NotNegative
    abnormal_sigma_log: NotNegative
    abnormal_onset_C: ByDopant
    abnormal_width_C: Positive
    cathode_grain_size_nm: Positive
    cathode_grain_sigma_log: NotNegative

    evaporation_rate_1100C_per_h: NotNegative
    evaporation_Q_kJ_per_mol: Positive
    lithium_excess: Share
    la2zr2o7_volume_ratio: Share
    grain_boundary_film_nm: Positive

    cobalt_diffusivity_700C_cm2_per_s: Positive
    cobalt_Ea_eV: Positive
    layer_per_diffusion_length: Positive
    reaction_initial_nm: NotNegative
    reaction_rate_dopant: ByDopant
    reaction_rate_cathode: ByCathode
    reaction_rate_O2: Positive
    blocking_onset_air_C: float
    blocking_onset_O2_C: float
    blocking_width_C: Positive

    coating_diffusivity_700C_cm2_per_s: ByCoating
    coating_Ea_eV: Positive
    coating_loss_factor: NotNegative
    lithium_niobate_crystallisation_C: float

    contact_limit: Share
    contact_neck_700C_1h: NotNegative
    contact_Q_kJ_per_mol: Positive
    contact_exponent: Positive
    contact_rate_coating: ByCoating
    pressed_contact_5MPa: NotNegative
    pressed_contact_exponent: NotNegative

    interface_position: Share
    roughness_rms_1um_nm: NotNegative
    roughness_size_exponent: NotNegative
    roughness_length_nm: Positive
    gap_length_nm: Positive
    gap_thickness_nm: Positive
    pore_clearance_nm: NotNegative


@cache
def constants() -> Mapping[str, Constant]:
    """Every constant as shipped, with unit, standing and source.

    >>> constants()["cobalt_Ea_eV"].standing
    'measured'
    """
    text = resources.files(__package__).joinpath("laws.yaml").read_text(encoding="utf-8")
    return {name: Constant.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def load(overrides: Mapping[str, Any] | None = None) -> ProcessLaws:
    """The shipped laws, with some numbers replaced.

    Parameters
    ----------
    overrides : name of a constant -> number, in the unit of its name; for a constant with one number
        per dopant, cathode or coating, a mapping of those to replace.

    Raises
    ------
    InputError : for an unknown name (with its nearest match) or a number out of range.

    >>> load({"reaction_rate_dopant": {"Al": 4}}).reaction_rate_dopant
    ByDopant(Al=4.0, Ta=1.0, Ga=1.5)
    """
    values: dict[str, Any] = {name: entry.value for name, entry in constants().items()}
    for name, new in (overrides or {}).items():
        if name not in values:
            raise InputError(f"laws.{name}", new, nearest(name, values))
        shipped = values[name]
        if isinstance(shipped, dict) and isinstance(new, Mapping):
            if unknown := sorted(set(new) - set(shipped)):
                raise InputError(f"laws.{name}.{unknown[0]}", new[unknown[0]], nearest(unknown[0], shipped))
            values[name] = {**shipped, **new}
        else:
            values[name] = new
    try:
        return ProcessLaws.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["laws", *map(str, first["loc"])])
        raise InputError(where, first["input"], first["msg"]) from None
