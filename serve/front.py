"""The HTTP application. It knows no Ray: what predicts is handed in."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from serve import multipart, reading, schemas
from serve.backend import Backend
from serve.gate import ClientGone, Gate, Json, response
from serve.limits import Memory, Places, Rate
from serve.metrics import Metrics
from ssbray.errors import InputError, nearest
from ssbray.service import examples
from ssbray.service.answer import scale_of_materials
from ssbray.service.decoding import Decoder
from ssbray.service.keys import Keys
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Settings

PAGE = Path(__file__).with_name("page.html")
CSP = "default-src 'none'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'"
READY_S = 5.0
FORM = {"type": "object", "additionalProperties": False, "required": ["image"], "properties": {
    "image": {"type": "string", "format": "binary", "description": "PNG or TIFF, one frame of grey values"},
    "pixel_size_nm": {"type": "number", "description": "needed where the file does not say"},
    "detector": {"type": "string", "enum": list(reading.DETECTORS)}, "axis": {"type": "string", "enum": ["x", "y"]},
    "temperature_C": {"type": "number"}, "electrolyte": {"type": "string"}, "cathode": {"type": "string"},
    "coating": {"type": "string", "description": "without a name there is no coating"}}}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the errors that a route gives."""
    return {status: {"model": schemas.Error} for status in (*statuses, 401, 403, 500, 504)}


def create(backend: Backend, settings: Settings, *, keys: Keys | None = None, decoder: Decoder | None = None,
           metrics: Metrics | None = None, log: Any = None, echo: bool = True) -> FastAPI:
    """The application with its gate.

    backend : what predicts.
    decoder : processes that decode; started here where none is given.
    echo : send X-Request-ID back; Ray Serve's proxy does that itself.
    """
    app = FastAPI(title="ssbray", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    metrics = metrics or Metrics()
    limits = settings.limits
    decoder = decoder or Decoder(limits, settings.decoders)
    places, uploads, rate = Places(limits.ongoing, limits.queued), Places(limits.uploads, 0), Rate(limits.per_minute)
    memory = Memory(limits.held_bytes)
    metrics.waiting.set_function(lambda: places.waiting)
    metrics.working.set_function(lambda: places.working)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        return response(Refusal(error.status_code, code, None, str(error.detail).lower()))

    @app.get("/", response_class=HTMLResponse, responses=_errors(), summary="The page")
    async def page() -> Response:
        text = PAGE.read_text()
        return HTMLResponse(text, headers={"content-security-policy": policy(text)})

    @app.get("/v1/health/live", responses={200: {"model": schemas.Health}, **_errors()})
    async def live() -> Response:
        """The process answers."""
        return Json({"status": "live"})

    @app.get("/v1/health/ready", responses={200: {"model": schemas.Health}, **_errors(503)})
    async def ready() -> Response:
        """Models that have answered a canary answer now."""
        try:
            async with asyncio.timeout(READY_S):
                await backend.model()
        except (TimeoutError, Refusal):
            raise Refusal(503, "not_ready", None, "no model answers yet", retry_after_s=2) from None
        return Json({"status": "ready"})

    @app.get("/v1/model", responses={200: {"model": schemas.Model}, **_errors(503)})
    async def model() -> Response:
        """What answers here."""
        return Json(await backend.model())

    @app.get("/v1/materials", responses={200: {"model": list[schemas.Scale]}, **_errors()})
    async def known() -> Response:
        """Ionic conductivities of known phases at 25 C."""
        return Json(scale_of_materials())

    @app.get("/v1/examples", responses={200: {"model": list[schemas.Example]}, **_errors()})
    async def listing() -> Response:
        """Virtual micrographs to try."""
        return Json([{"name": name, "title": example.title, "pixel_size_nm": examples.PIXEL_SIZE_NM,
                      "coating": example.coating} for name, example in examples.EXAMPLES.items()])

    @app.get("/v1/examples/{name}", response_class=Response,
             responses={200: {"content": {"image/png": {}}}, **_errors(404, 422)})
    async def example(name: str) -> Response:
        """One of them, as PNG."""
        if name not in examples.EXAMPLES:
            raise Refusal(404, "not_found", "name", nearest(name, examples.EXAMPLES))
        return Response(await asyncio.to_thread(examples.png, name), media_type="image/png")

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **_errors()})
    async def counters() -> Response:
        """Counters for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/v1/predict", responses={200: {"model": schemas.Prediction}, **_errors(413, 415, 422, 429, 503)},
              openapi_extra={"requestBody": {"required": True, "content": {
                  "multipart/form-data": {"schema": FORM},
                  "application/json": {"schema": schemas.Design.model_json_schema()}}},
                  "parameters": [{"name": "overlay", "in": "query", "schema": {"type": "string", "enum": ["0", "1"]},
                                  "description": "1: send the pictures too"}]})
    async def predict(request: Request) -> Response:
        """Conductivity, with its interval and what looks strange, of a micrograph or of process parameters."""
        started = time.perf_counter()
        rate.spend(request.scope["state"].get("owner") or (request.client.host if request.client else "unknown"))
        kind = request.headers.get("content-type", "")
        media = kind.split(";")[0].strip().lower()
        if media not in ("application/json", "multipart/form-data"):
            raise Refusal(415, "unsupported_media_type", None, "send multipart/form-data or application/json")
        most = limits.json_bytes if media == "application/json" else limits.body_bytes
        pictures = reading.overlay(request)
        with memory.one() as more:
            async with uploads.one():
                try:
                    async with asyncio.timeout(limits.upload_s):
                        body = await reading.body(request, most, more)
                except TimeoutError:
                    raise Refusal(504, "timeout", None, f"the body did not arrive within {limits.upload_s:g} s"
                                  ) from None
            try:
                if media == "application/json":
                    parameters = reading.design(body)
                    answer = await _while_wanted(request, places, lambda: backend.design(parameters))
                else:
                    content, about, wishes = reading.form(multipart.parse(body, kind), pictures)
                    del body

                    async def work() -> dict[str, Any]:
                        micrograph = await asyncio.to_thread(decoder.decode, content, **about)
                        return await backend.image(micrograph, wishes)

                    answer = await _while_wanted(request, places, work)
            except InputError as error:
                raise Refusal.of(error) from None
        metrics.predicted("design" if media == "application/json" else "image", answer)
        return Json({**answer, "seconds": time.perf_counter() - started})

    app.add_middleware(Gate, settings=settings, keys=keys, metrics=metrics, log=log, echo=echo)
    return app


def policy(text: str) -> str:
    """What a browser may do with the page: run and style what is written in it, by its hash, and nothing else."""
    parts = [CSP]
    for tag in ("style", "script"):
        content = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        parts.append(f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'")
    return "; ".join(parts)


async def _while_wanted(request: Request, places: Places, work: Callable[[], Awaitable[dict[str, Any]]]
                        ) -> dict[str, Any]:
    """Queue for a place and work, for as long as the client waits; whatever ends, nothing of it goes on."""
    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)

    async def queued() -> dict[str, Any]:
        async with places.one():
            return await work()

    working, leaving = asyncio.ensure_future(queued()), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
