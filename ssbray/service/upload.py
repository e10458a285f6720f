"""What an upload says of itself in its first bytes, before anything is decoded."""

from __future__ import annotations

import struct

from ssbray.service.refusal import Refusal

PNG, TIFF = "PNG", "TIFF"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS = 100_000  #: of a PNG; a sound one has a few per megabyte
ENTRIES = 4096  #: of a directory of a TIFF
SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  #: bytes of the whole numbers that a TIFF may give its sides in


def kind(content: bytes) -> str:
    """PNG or TIFF by the first bytes; everything else is refused with 415, whatever its name or type says."""
    if content.startswith(SIGNATURE):
        return PNG
    if content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TIFF
    raise Refusal(415, "unsupported_media_type", "image", "is neither PNG nor TIFF by its first bytes" if content else
                  "is empty")


def check(content: bytes, pixels: int) -> str:
    """Give the format, or refuse an image for its header: sides, frames, and where it ends.

    Parameters
    ----------
    content : the whole file.
    pixels : that an image may have.
    """
    form = kind(content)
    try:
        width, height = _png(content) if form == PNG else _tiff(content)
    except struct.error:
        raise _damaged(f"{form} that ends within its header") from None
    if min(width, height) < 1:
        raise _damaged(f"{form} of {width} x {height} pixels")
    if width * height > pixels:
        raise Refusal(413, "too_large", "image", f"has {width} x {height} pixels, more than {pixels} in all: crop it")
    return form


def _damaged(what: str) -> Refusal:
    return Refusal(422, "invalid", "image", f"is a {what}: it may be truncated or damaged")


def _png(content: bytes) -> tuple[int, int]:
    """Sides; the chunks must be whole, hold one frame, and end the file."""
    if content[12:16] != b"IHDR":
        raise _damaged("PNG without a header")
    width, height = struct.unpack_from(">II", content, 16)
    at, pixels = len(SIGNATURE), False
    for _ in range(CHUNKS):
        length, name = struct.unpack_from(">I4s", content, at)
        if name == b"acTL":
            raise Refusal(422, "invalid", "image", "is an animation: give one frame")
        at += 12 + length
        if at > len(content):
            raise _damaged("PNG that ends within its data")
        pixels |= name == b"IDAT"
        if name == b"IEND":
            break
    else:
        raise _damaged(f"PNG of more than {CHUNKS} parts")
    if at != len(content):
        raise Refusal(422, "invalid", "image", f"has {len(content) - at} bytes after its end, which are no part of a "
                      "PNG")
    if not pixels:
        raise _damaged("PNG without pixels")
    return width, height


def _tiff(content: bytes) -> tuple[int, int]:
    """Sides of the only page."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    offset, count, entry, value = ("Q", "Q", 20, 12) if big else ("I", "H", 12, 8)
    (at,) = struct.unpack_from(order + offset, content, 8 if big else 4)
    if not at or at >= len(content):
        raise _damaged("TIFF without a page")
    (entries,) = struct.unpack_from(order + count, content, at)
    if not 0 < entries <= ENTRIES:
        raise _damaged(f"TIFF with {entries} entries for its page")
    at += struct.calcsize(order + count)
    sides = {256: 0, 257: 0}
    for _ in range(entries):
        tag, form = struct.unpack_from(order + "HH", content, at)
        if tag in sides and form in SIZES:
            raw = content[at + value:at + value + SIZES[form]]
            sides[tag] = int.from_bytes(raw, "little" if order == "<" else "big")
        at += entry
    (more,) = struct.unpack_from(order + offset, content, at)
    if more:
        raise Refusal(422, "invalid", "image", "has more than one page: give one frame")
    return sides[256], sides[257]
