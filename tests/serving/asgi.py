"""Requests to an ASGI application in this process: no socket, and full control over what a client does when."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def request(app, method, path, *, headers=None, chunks=None, leave=None, stall=None, query=""):
    """Send a request.

    chunks : pieces of the body.
    leave : an event after which the client is gone.
    stall : seconds before the last chunk.
    """
    pieces = chunks if isinstance(chunks, list) and chunks else [b""]  # theirs, to see how many were taken
    sent: list[Any] = []

    async def receive():
        if pieces:
            piece = pieces.pop(0)
            if stall is not None and not pieces:
                await asyncio.sleep(stall)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        await (leave or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    given = {"host": "127.0.0.1:8000", **(headers or {})}
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
             "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
             "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
             "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000)}
    await app(scope, receive, send)
    if not sent:
        return None
    start = sent[0]
    return Answer(start["status"], {name.decode(): value.decode() for name, value in start["headers"]},
                  b"".join(message.get("body", b"") for message in sent[1:]))


def form(**fields):
    """Headers and body of a multipart form; values are text or bytes."""
    mark = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        file = '; filename="a.bin"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else str(value).encode()
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content
                     + b"\r\n")
    return {"content-type": f"multipart/form-data; boundary={mark}"}, b"".join(parts) + f"--{mark}--\r\n".encode()


async def predict(app, *, query="", headers=None, leave=None, **fields):
    """POST an image with its fields."""
    kind, body = form(**fields)
    return await request(app, "POST", "/v1/predict", headers={**kind, **(headers or {})}, chunks=[body], query=query,
                         leave=leave)
