"""What every request passes: an identity, a key, a deadline, one shape of error, one line of log."""

import asyncio
import json
import re
import sys
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse, Response

from serve.metrics import Metrics
from ssbray.files import dump_json
from ssbray.service.keys import Keys
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Settings, is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

IDENTITY = re.compile(r"[A-Za-z0-9._-]{1,64}")
OPEN = ("/", "/v1/health/live", "/v1/health/ready")  #: routes that need no key
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"),
           (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY")]


class Json(JSONResponse):
    """Strict JSON in ASCII: what is infinite is null, and what is no Unicode does not break the answer."""

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return dump_json(content).encode("ascii")


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def response(refusal: Refusal) -> Response:
    """A refusal as it goes to the client."""
    headers = {} if refusal.retry_after_s is None else {"retry-after": str(refusal.retry_after_s)}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Json(refusal.content, refusal.status, headers)


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: Any, settings: Settings, keys: Keys | None, metrics: Metrics, log: Any = None,
                 echo: bool = True) -> None:
        self._app, self._settings, self._keys, self._metrics, self._echo = app, settings, keys, metrics, echo
        self._log = log or (lambda line: print(line, file=sys.stderr, flush=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, and see that it gets an answer in time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        identity = given if IDENTITY.fullmatch(given) else uuid.uuid4().hex
        state: dict[str, Any] = {"status": 0, "owner": None}

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                own = [(b"x-request-id", identity.encode())] if self._echo else []
                message["headers"] = [*message.get("headers", []), *HEADERS, *own]
            await send(message)

        refusal = None
        try:
            state["owner"] = scope.setdefault("state", {})["owner"] = self._admit(scope, headers)
            async with asyncio.timeout(self._settings.limits.timeout_s):  # no header of a client's reaches this
                await self._app(scope, receive, told)
        except ClientGone:
            state["status"] = 499
        except Refusal as error:
            refusal = error
        except TimeoutError:
            refusal = Refusal(504, "timeout", None, f"no answer within {self._settings.limits.timeout_s:g} s")
        except Exception as error:  # the last resort: the trace is for the log, not for the client
            refusal = Refusal(500, "internal", None, f"it failed; the log has it under {identity}")
            self._log(json.dumps({"request_id": identity, "error": type(error).__name__,
                                  "trace": traceback.format_exc()}))
        if refusal is not None:
            self._metrics.rejects.labels(refusal.code).inc()
            if not state["status"]:
                await response(refusal)(scope, receive, told)
        self._done(scope, identity, state, time.perf_counter() - started)

    def _admit(self, scope: Scope, headers: dict[str, str]) -> str | None:
        """Name of the key's owner, or of nobody; who has no business here is refused."""
        if self._keys is None:
            if not self._settings.known_open and not is_loopback(_host(headers.get("host", ""))):
                raise Refusal(403, "forbidden_host", None, "ask by the name of this machine's loopback interface")
            if (origin := headers.get("origin")) and origin.partition("://")[2] != headers.get("host"):
                raise Refusal(403, "forbidden_origin", None, "a page from elsewhere may not ask in its visitor's name")
            return None
        if scope["path"] in OPEN and scope["method"] == "GET":
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        owner = self._keys.who(key) if key else None
        if owner is None:
            raise Refusal(401, "unauthorized", None, "send a valid key as 'Authorization: Bearer KEY'")
        return owner

    def _done(self, scope: Scope, identity: str, state: dict[str, Any], seconds: float) -> None:
        """Count it and log it. The log holds no key, no query and no body."""
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(route, str(state["status"])).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        self._log(dump_json({"time": time.time(), "request_id": identity, "method": scope["method"], "route": route,
                             "status": state["status"], "seconds": round(seconds, 4), "owner": state["owner"]}))


def _host(header: str) -> str:
    """The name in a Host header, without its port."""
    return header[1:].partition("]")[0] if header.startswith("[") else header.rpartition(":")[0] or header
