"""What a request says: its body within limits, and the fields in it. Whatever is wrong is a refusal by name."""

import json
import math
from collections.abc import Callable
from typing import Any

from fastapi import Request

from serve.gate import ClientGone
from serve.multipart import Part
from ssbray.errors import nearest
from ssbray.service.asked import Wishes
from ssbray.service.refusal import Refusal

WISHES = ("axis", "temperature_C", "electrolyte", "cathode", "coating")
FIELDS = ("image", "pixel_size_nm", "detector", *WISHES)
DETECTORS = ("haadf", "bf", "bse", "se", "image")
PIXEL_SIZE_NM = (1e-3, 1e5)


def overlay(request: Request) -> bool:
    """Whether the pictures are asked for."""
    value = request.query_params.get("overlay", "0")
    if value not in ("0", "1"):
        raise Refusal(422, "invalid", "overlay", "must be 0 or 1")
    return value == "1"


async def body(request: Request, most: int, more: Callable[[int], None]) -> bytes:
    """The body, counted as it comes: what a client says of its length is only believed where it is too long.

    more : is told of each piece, and may refuse it.
    """
    said = request.headers.get("content-length", "0")
    if said.isdigit() and int(said) > most:
        raise Refusal(413, "too_large", None, f"the body may have {most} bytes")
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        more(len(piece))
        body += piece
        if len(body) > most:
            raise Refusal(413, "too_large", None, f"the body may have {most} bytes")
        if not message.get("more_body"):
            return bytes(body)


def design(body: bytes) -> dict[str, float | int | str]:
    """Process parameters out of JSON: one flat mapping of numbers and words."""
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    try:
        content = json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:120]
        raise Refusal(422, "invalid", None, f"the body is no JSON: {reason}") from None
    if not isinstance(content, dict) or set(content) - {"parameters"}:
        extra = next(iter(set(content) - {"parameters"}), None) if isinstance(content, dict) else None
        raise Refusal(422, "invalid", extra, "send one object with the key 'parameters' and no other")
    parameters = content.get("parameters")
    if not isinstance(parameters, dict):
        raise Refusal(422, "invalid", "parameters", "must be an object of process parameters")
    for name, value in parameters.items():
        if not _printable(name) or (isinstance(value, str) and not _printable(value)):
            raise Refusal(422, "invalid", "parameters", "holds half a surrogate pair, which is no text")
        if isinstance(value, bool) or not isinstance(value, int | float | str) or (
                not isinstance(value, str) and not abs(value) < 1e300) or (isinstance(value, str) and len(value) > 200):
            raise Refusal(422, "invalid", name, "must be a number or a short word")
    return parameters


def _printable(text: str) -> bool:
    """Whether a text has a form in UTF-8: JSON can write what has none."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def form(parts: dict[str, Part], pictures: bool) -> tuple[bytes, dict[str, Any], Wishes]:
    """The image, what is said of it, and what is asked of it."""
    for name in parts:
        if name not in FIELDS:
            raise Refusal(422, "invalid", name, nearest(name, FIELDS))
    if "image" not in parts:
        raise Refusal(422, "invalid", "image", "is missing: send a PNG or TIFF in the form field 'image'")
    about: dict[str, Any] = {"pixel_size_nm": None, "detector": None}
    if "pixel_size_nm" in parts:
        about["pixel_size_nm"] = number(parts["pixel_size_nm"], *PIXEL_SIZE_NM)
    if "detector" in parts:
        about["detector"] = parts["detector"].text
        if about["detector"] not in DETECTORS:
            raise Refusal(422, "invalid", "detector", nearest(about["detector"], DETECTORS))
    wishes: dict[str, Any] = {name: parts[name].text for name in WISHES if name in parts and parts[name].text}
    if "temperature_C" in wishes:
        wishes["temperature_C"] = number(parts["temperature_C"], -273.0, 1e4)
    return parts["image"].content, about, Wishes(pictures=pictures, **wishes)


def number(part: Part, low: float, high: float) -> float:
    """A number of a form field, within its range."""
    try:
        value = float(part.text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise Refusal(422, "invalid", part.name, f"must be a number within {low:g}..{high:g}")
    return value
