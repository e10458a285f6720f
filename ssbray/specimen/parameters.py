"""How a specimen is made: the design variables of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ssbray.errors import InputError, nearest


class ProcessParameters(BaseModel):
    """One route from powders to an LLZO | NMC bilayer.

    The defaults sinter fine powder from an aprotic mill at 1000 C (as Wood 2021,
    10.1016/j.jpowsour.2020.229252) and join it to the cathode in air, without a coating.

    `coating_thickness_nm` of a bare interface is always zero, whatever was given. A coating given
    without a thickness gets 10 nm.

    >>> ProcessParameters(coating="LCBO").coating_thickness_nm, ProcessParameters(coating_thickness_nm=5)
    ... # doctest: +ELLIPSIS
    (10.0, ProcessParameters(... coating='bare', coating_thickness_nm=0.0, stack_pressure_MPa=5.0))
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dopant: Literal["Al", "Ta", "Ga"] = "Ta"
    cathode: Literal["NMC811", "NMC622", "NMC111"] = "NMC811"
    milling_time_h: float = Field(24.0, ge=0, le=100)
    milling_solvent: Literal["aprotic", "protic"] = "aprotic"
    sintering_temperature_C: float = Field(1000.0, ge=700, le=1300)
    sintering_time_h: float = Field(2.0, ge=0.01, le=100)
    cosintering_temperature_C: float = Field(700.0, ge=400, le=1000)
    cosintering_time_h: float = Field(1.0, ge=0.001, le=50)
    atmosphere: Literal["air", "O2"] = "air"  #: of co-sintering; "O2" stands for free of CO2 and H2O
    coating: Literal["bare", "LiNbO3", "Li3BO3", "LCBO", "LiAlO2"] = "bare"
    coating_thickness_nm: float = Field(10.0, ge=0, le=500, validate_default=True)
    stack_pressure_MPa: float = Field(5.0, ge=0, le=1000)

    @field_validator("coating_thickness_nm")
    @classmethod
    def _bare_has_no_thickness(cls, thickness: float, info: ValidationInfo) -> float:
        return 0.0 if info.data.get("coating") == "bare" else thickness

    @classmethod
    def parse(cls, mapping: Mapping[str, Any]) -> ProcessParameters:
        """Parameters from outside (YAML, JSON, a search), with errors a user can act on.

        Raises
        ------
        InputError : names the field, the value and the remedy; an unknown key gets its nearest match.

        >>> ProcessParameters.parse({"cosintering_temprature_C": 700})
        ... # doctest: +ELLIPSIS, +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ssbray.errors.InputError: cosintering_temprature_C = 700: did you mean 'cosintering_temperature_C'? ...
        """
        for name, value in mapping.items():
            if name not in cls.model_fields:
                raise InputError(str(name), value, nearest(str(name), cls.model_fields))
        try:
            return cls.model_validate(dict(mapping))
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(str(first["loc"][0]), first["input"], first["msg"]) from None
