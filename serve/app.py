"""A first endpoint on Ray Serve: processing parameters in, conductivity with its interval and its novelty out.

Micrographs are not taken yet: they need a segmentation model.
"""

import math
import time
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from ray import serve

from ssbray import anomaly, campaign, surrogate
from ssbray.campaign import objective, section
from ssbray.errors import InputError

MAX_BODY_BYTES = 64 * 1024
app = FastAPI(title="ssbray", version="1")


class Design(BaseModel):
    """Processing parameters; those that are left out are as in the spec's `process`."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, float | int | str]


def refusal(status: int, code: str, field: str | None, message: str) -> JSONResponse:
    """Errors in the one shape that clients know."""
    return JSONResponse(status_code=status, content={"error": {"code": code, "field": field, "message": message}})


@app.middleware("http")
async def bounded(request: Request, call_next: Any) -> Any:
    """Refuse bodies that are too long, counted as they come in, and what is not JSON."""
    if request.method == "POST":
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return refusal(415, "unsupported_media_type", None, "send application/json with 'parameters'")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return refusal(413, "too_large", None, f"the body may have {MAX_BODY_BYTES} bytes")
        request._body = body
    return await call_next(request)


@app.exception_handler(InputError)
async def bad_input(_: Request, error: InputError) -> JSONResponse:
    """What the user can mend."""
    return refusal(422, "invalid", error.field, error.remedy)


@app.exception_handler(RequestValidationError)
async def bad_request(_: Request, error: RequestValidationError) -> JSONResponse:
    """A body of another shape."""
    first = error.errors()[0]
    return refusal(422, "invalid", ".".join(str(part) for part in first["loc"][1:]) or None, first["msg"])


@serve.deployment(max_ongoing_requests=4, max_queued_requests=64)
@serve.ingress(app)
class Endpoint:
    """The surrogate of one spec. Specimens are drawn, sectioned and predicted; nothing is solved."""

    def __init__(self, model: str, spec: str) -> None:
        self._model = surrogate.Surrogate.load(model)
        self._spec = campaign.load(spec)
        self._version = self._model.version
        self._calibration = self._model.own_novelty
        self._predict({})  # a canary: not ready until it has answered once

    @app.get("/v1/health/live")
    def live(self) -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @app.get("/v1/health/ready")
    def ready(self) -> dict[str, str]:
        """The model has answered a canary."""
        return {"status": "ready"}

    @app.get("/v1/model")
    def model(self) -> dict[str, Any]:
        """What answers here."""
        return {"name": self._spec.name, "version": self._version, "card": dict(self._model.card),
                "search": {name: entry.model_dump() for name, entry in self._spec.search.items()}}

    @app.post("/v1/predict")
    def predict(self, design: Design) -> dict[str, Any]:
        """Predict the geometric-mean conductivity of a design's specimens."""
        return self._predict(design.parameters)

    def _predict(self, parameters: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        tasks = objective.tasks(self._spec, parameters, purpose="served specimen", kind="graph")
        graphs = [outcome.graph for outcome in map(campaign.evaluate, tasks) if outcome.graph is not None]
        mean, epistemic, aleatoric = self._model.predict_arrays(graphs)
        novelty = float(self._model.novelty(graphs).max())
        phase_map = section(tasks[0])
        conducts = bool(np.isfinite(mean).all())
        centre = float(mean.mean()) - math.log(100.0)
        spread = float(np.sqrt(np.mean(epistemic**2 + aleatoric**2) + mean.var())) if conducts else 0.0
        report = anomaly.report({"novelty": (novelty, self._calibration)})
        return {
            "model_version": self._version,
            "sigma_eff_S_per_cm": {
                "mean": math.exp(centre) if conducts else 0.0,
                "std": math.exp(centre) * spread if conducts else 0.0,
                "interval90": [math.exp(centre - 1.645 * spread), math.exp(centre + 1.645 * spread)] if conducts
                else [0.0, 0.0]},
            "anomaly": {"score": report.score, "p_value": report.p_value, "flag": report.flag,
                        "reasons": list(report.reasons)},
            "phase_fraction": {name: phase_map.fraction(name) for name in phase_map.phases},
            "in_domain": bool(self._model.in_domain(graphs).all()),
            "seconds": time.perf_counter() - started,
        }
