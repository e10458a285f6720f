"""Settings of the endpoint, the same for `ssbray serve`, `serve run` and serve.yaml."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssbray.errors import InputError, nearest

MODEL = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0, le=64)]
MAPS = 4  #: a spread needs a few
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Limits(BaseModel):
    """What one request, and all of them together, may cost. Each replica of the front counts for itself."""

    model_config = MODEL
    body_bytes: Positive = Field(32 * 2**20, description="of an upload")
    json_bytes: Positive = Field(64 * 2**10, description="of a JSON body")
    pixels: Positive = Field(2**22, description="of an image, read from its header before anything is decoded")
    decode_s: Seconds = Field(10.0, description="for decoding one image")
    decode_bytes: Positive = Field(2**30, description="of memory that the decoding process may take for images")
    upload_s: Seconds = Field(20.0, description="until a body has arrived")
    timeout_s: Seconds = Field(60.0, description="from the first byte to the answer")
    ongoing: Positive = Field(2, description="predictions that are worked on at a time")
    queued: Annotated[int, Field(ge=0)] = Field(32, description="predictions that wait; more are refused with 429")
    held_bytes: Positive = Field(2**28, description="of bodies that arrive, wait or are worked on, together")
    uploads: Positive = Field(64, description="bodies that arrive at a time")
    per_minute: Positive = Field(120, description="predictions per key, or per client address where there are no keys")


class Settings(BaseModel):
    """Everything that the endpoint is started with."""

    model_config = MODEL
    segmenter: str | None = Field(None, description="directory, or models:/NAME@champion; else no images")
    surrogate: str | None = Field(None, description="directory, or models:/NAME@champion")
    spec: str | None = Field(None, description="study of the surrogate; else no process parameters")
    tracking_uri: str | None = Field(None, description="of MLflow, for models:/NAME@champion; else MLFLOW_TRACKING_URI")
    cache: str | None = Field(None, description="where models of the registry are kept; else ~/.cache/ssbray/models")
    name: str = "ssbray"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    keys: str | None = Field(None, description="file with the sha256 of each API key, mode 0600")
    known_open: bool = Field(False, description="listen beyond this machine without keys")
    device: str = Field("cpu", pattern="^(cpu|cuda)$")
    gpus: Annotated[float, Field(ge=0)] = Field(0.0, description="of Ray's, for each replica of a model")
    cpus: Annotated[float, Field(ge=0)] = Field(0.1, description="of Ray's, for each replica of a model")
    threads: Positive = Field(1, description="of each replica of a model")
    replicas: Positive = Field(1, description="of each model")
    max_ongoing: Positive = Field(4, description="calls that a replica of a model takes at a time")
    batch_pixels: Positive = Field(2**20, description="of the frames that the segmenter takes at a time")
    batch_nodes: Positive = Field(20_000, description="regions of the graphs that the surrogate takes at a time")
    decoders: Positive = Field(2, description="processes that decode images")
    maps: Count = Field(MAPS, description="drawn from the segmenter's posterior for the interval of the conductivity")
    draws: Count = Field(0, description="maps behind the intervals of measurements; 0: no intervals")
    log: str | None = Field(None, description="file for a line of JSON per request; else Ray's log of the front")
    limits: Limits = Limits()


def parse(given: Mapping[str, Any]) -> Settings:
    """Settings from plain data; an unknown key names itself and its nearest match."""
    try:
        return Settings.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = Limits.model_fields if place.startswith("limits.") else Settings.model_fields
            raise InputError(place, first["input"], nearest(str(first["loc"][-1]), list(known))) from None
        raise InputError(place, first.get("input"), first["msg"][:1].lower() + first["msg"][1:]) from None


def read(path: str | Path) -> dict[str, Any]:
    """Settings out of a file that `serve run` and `serve deploy` take too: `http_options`, and the one application."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError("--config", str(path), f"is no YAML: {' '.join(str(error).split())[:160]}") from None
    except OSError as error:
        raise InputError("--config", str(path), (error.strerror or str(error)).lower()) from None
    applications = content.get("applications") if isinstance(content, dict) else None
    if not isinstance(applications, list) or len(applications) != 1 or not isinstance(applications[0], dict):
        raise InputError("--config", str(path), "must have one entry under `applications`")
    http = content.get("http_options") or {}
    arguments = applications[0].get("args") or {}
    return {**{name: http[name] for name in ("host", "port") if name in http}, **arguments}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("localhost"), is_loopback("127.8.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_bind(settings: Settings, host: str | None = None) -> None:
    """Refuse to listen beyond this machine without a key, unless the user says that this is known."""
    address = host or settings.host
    if not (is_loopback(address) or settings.keys or settings.known_open):
        raise InputError("--host", address, "is reached from other machines: give --keys FILE (ssbray serve --new-key "
                         "NAME makes one), or --i-know-this-is-open")
