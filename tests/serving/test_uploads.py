"""Files that are damaged, hostile or simply something else: refused in one line, soon, and in little memory."""

from __future__ import annotations

import asyncio
import io
import os
import struct
import time
import zlib

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from ssbray.service.decoding import Decoder
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Limits
from ssbray.service.upload import check
from tests.serving.asgi import form, predict, request

GREY = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def saved(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, pixels, *, depth=8, colour=0, before=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return SIGNATURE + header + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def page(order, entries, after=0):
    """A TIFF of one directory, entries (tag, type, count, value)."""
    content = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    for tag, kind, count, value in entries:
        content += struct.pack(order + "HHI", tag, kind, count) + struct.pack(order + "I", value)
    return content + struct.pack(order + "I", after)


GOOD = saved(Image.fromarray(GREY))
ALPHA = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
ALPHA[3, 4, 3] = 0
COLOUR = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
NAN = GREY.astype(np.float32)
NAN[3, 4] = np.nan
MANY = tiff(np.zeros((300, 8, 8), np.uint8), photometric="minisblack")
SIDES = [(256, 4, 1, 60000), (257, 4, 1, 60000)]
BAD = {
    "empty": (b"", 415), "one byte": (b"\x89", 415), "signature only": (SIGNATURE, 422),
    "gif": (saved(Image.fromarray(GREY), "GIF"), 415), "jpeg": (saved(Image.fromarray(GREY), "JPEG"), 415),
    "pdf": (b"%PDF-1.7\n", 415), "svg": (b"<svg onload='x()'/>", 415), "pickle": (b"\x80\x04\x95aaaa", 415),
    "zip before png": (b"PK\x03\x04" + GOOD, 415), "png before zip": (GOOD + b"PK\x03\x04hidden", 422),
    "truncated png": (GOOD[:len(GOOD) // 2], 422), "png without its last part": (GOOD[:-12], 422),
    "png with a damaged middle": (GOOD[:60] + bytes(200) + GOOD[260:], 422),
    "header of 65535 squared": (png(65535, 65535, b""), 413), "header of 2^31": (png(2**31 - 1, 2**31 - 1, b""), 413),
    "no rows": (png(64, 0, zlib.compress(b"")), 422),
    "bomb behind a small header": (png(64, 64, zlib.compress(bytes(50_000_000))), None),
    "bomb in a comment": (png(64, 64, zlib.compress(bytes(65 * 64)),
                              before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))), 422),
    "too few pixels": (png(64, 64, zlib.compress(bytes(9))), 422), "not deflated": (png(64, 64, b"nothing"), 422),
    "length of 2^32 - 1": (GOOD[:33] + b"\xff\xff\xff\xff" + GOOD[37:], 422),
    "animation": (saved(Image.fromarray(GREY), save_all=True, append_images=[Image.fromarray(255 - GREY)]), 422),
    "one bit": (saved(Image.fromarray(GREY > 99)), 422), "colour": (saved(Image.fromarray(COLOUR)), 422),
    "transparent": (saved(Image.fromarray(ALPHA)), 422),
    "cmyk": (saved(Image.new("CMYK", (64, 64), (9, 80, 3, 0)), "TIFF"), 422),
    "colour palette": (saved(Image.fromarray(COLOUR).quantize(8)), 422),
    "tiff of three bytes": (b"II*", 415), "tiff without a page": (b"II*\0\0\0\0\0", 422),
    "tiff page beyond its end": (b"II*\0\xff\xff\xff\x7f", 422), "truncated tiff": (tiff(GREY)[:900], 422),
    "tiff of 60000 squared": (page("<", SIDES), 413), "the other byte order": (page(">", SIDES), 413),
    "tiff that bites its tail": (page("<", [(256, 4, 1, 8), (257, 4, 1, 8)], after=8), 422),
    "tiff of 300 frames": (MANY, 422), "tiff with a hole": (tiff(NAN), 422),
    "tiff of complex numbers": (tiff(GREY.astype(np.complex64)), 422),
    "tiff with huge tiles": (page("<", [
        (256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1),
        (322, 4, 1, 60000), (323, 4, 1, 60000), (324, 4, 1, 8), (325, 4, 1, 20)]), 422),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line(front, name):
    content, status = BAD[name]
    answer = asyncio.run(predict(front(), image=content, pixel_size_nm=5))
    if status is None:  # what lies behind the last pixel is never looked at
        assert answer.status in (200, 422)
        return
    assert answer.status == status, answer.body
    message = answer.json["error"]["message"]
    assert "\n" not in message
    assert "Traceback" not in message
    assert "/tmp" not in message


def test_good_files_are_read_whatever_comes_between(front):
    app = front()
    for content in (GOOD, saved(Image.fromarray(GREY.astype(np.uint16) * 257)), tiff(GREY),
                    tiff(GREY.astype(np.float32)), tiff(GREY, compression="zlib"), tiff(GREY, bigtiff=True),
                    tiff(GREY, byteorder=">"), saved(Image.fromarray(GREY), "TIFF", compression="tiff_lzw")):
        assert asyncio.run(predict(app, image=content, pixel_size_nm=5)).status == 200
        assert asyncio.run(predict(app, image=b"\x89PNG", pixel_size_nm=5)).status >= 400


def test_a_body_is_counted_as_it_comes(front):
    """Without a length, or with a false one; no more is taken than is allowed and one piece."""
    headers, body = form(image=GOOD + bytes(2**21), pixel_size_nm=5)
    pieces = [body[k:k + 2**16] for k in range(0, len(body), 2**16)]
    for more in ({}, {"content-length": "10"}):
        left = list(pieces)
        answer = asyncio.run(request(front(), "POST", "/v1/predict", headers={**headers, **more}, chunks=left))
        assert answer.status == 413
        assert len(pieces) - len(left) == 17  # a megabyte and the next piece
    answer = asyncio.run(request(front(), "POST", "/v1/predict", headers={**headers, "content-length": str(2**40)}))
    assert answer.status == 413


def test_json_has_a_smaller_limit(front):
    answer = asyncio.run(request(front(), "POST", "/v1/predict", headers={"content-type": "application/json"},
                                 chunks=[b" " * 100_000]))
    assert answer.status == 413


def test_pixels_are_limited_before_anything_is_decoded():
    with pytest.raises(Refusal) as caught:
        check(png(2000, 2000, b""), 2**20)
    assert caught.value.status == 413
    assert check(GOOD, 64 * 64) == "PNG"
    with pytest.raises(Refusal):
        check(GOOD, 64 * 64 - 1)


def test_a_decoder_that_is_late_is_killed_and_replaced(tmp_path):
    decoder = Decoder(Limits(decode_s=1.0, decode_bytes=2**27), 1)
    try:
        assert decoder.decode(GOOD, pixel_size_nm=5.0).shape == (64, 64)
        process = psutil.Process(decoder._processes[0].spawn().pid)
        process.suspend()
        started = time.monotonic()
        with pytest.raises(Refusal, match="within 1 s"):
            decoder.decode(GOOD, pixel_size_nm=5.0)
        assert time.monotonic() - started < 30
        assert not process.is_running()
        assert decoder.decode(GOOD, pixel_size_nm=5.0).shape == (64, 64)
    finally:
        decoder.close()


def test_a_decoder_has_its_own_memory_limit():
    """An image that its limit does not hold is refused there; this process has not grown."""
    decoder = Decoder(Limits(decode_bytes=2**24, pixels=2**24, decode_s=60), 1)
    before = psutil.Process(os.getpid()).memory_info().rss
    try:
        with pytest.raises(Refusal):
            decoder.decode(saved(Image.new("L", (4000, 4000))), pixel_size_nm=5.0)
    finally:
        decoder.close()
    assert psutil.Process(os.getpid()).memory_info().rss - before < 2**26
