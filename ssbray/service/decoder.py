"""A process that decodes images, and nothing else: little memory, no models, and it may be killed at any time.

It speaks over its standard input and output: the length of a JSON header, the header, then bytes. No pickle: what
comes out of a decoder that was taken over is still only numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ssbray.errors import InputError

HEADER = struct.Struct(">I")


def send(out: BinaryIO, header: dict[str, Any], content: bytes | memoryview = b"") -> None:
    """Write one message."""
    head = json.dumps({**header, "bytes": len(content)}).encode()
    out.write(HEADER.pack(len(head)) + head)
    out.write(content)
    out.flush()


def receive(source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message; EOFError where there is none."""
    (length,) = HEADER.unpack(_exactly(source, HEADER.size))
    header = json.loads(_exactly(source, length))
    return header, _exactly(source, header["bytes"])


def _exactly(source: BinaryIO, length: int) -> bytes:
    content = source.read(length)
    if len(content) < length:
        raise EOFError
    return content


def decode(content: bytes, header: dict[str, Any], folder: Path) -> tuple[dict[str, Any], memoryview]:
    """One image as float32, through the readers that all commands use."""
    from ssbray import microscope

    folder.mkdir(mode=0o700)  # ours alone, and only for so long: readers look for sidecars beside a file
    path = folder / ("image.png" if header["form"] == "PNG" else "image.tif")
    try:
        path.write_bytes(content)
        found = microscope.read(path, pixel_size_nm=header["pixel_size_nm"], eds=(), max_bytes=header["max_bytes"])
    finally:
        shutil.rmtree(folder)
    if len(found.images) != 1:
        raise InputError("image", ", ".join(found.images), "holds several images: give one")
    (name, image), = found.images.items()
    about = {"detector": name, "pixel_size_nm": found.pixel_size_nm, "sha256": found.source_sha256,
             "shape": list(image.shape)}
    return about, np.ascontiguousarray(image, dtype=np.float32).data.cast("B")


def limit(extra_bytes: int) -> None:
    """Let this process have so much more memory than it has now, no big files, and no core dump."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (extra_bytes, extra_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer until the other end closes."""
    import tifffile  # noqa: F401
    from PIL import PngImagePlugin, TiffImagePlugin  # noqa: F401

    from ssbray.microscope import read  # noqa: F401

    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    limit(int(sys.argv[1]))
    send(out, {"ready": True})
    with contextlib.suppress(EOFError):
        while True:
            header, content = receive(sys.stdin.buffer)
            try:
                send(out, *decode(content, header, Path(sys.argv[2])))
            except InputError as error:
                send(out, {"error": [error.field, error.remedy]})
            except MemoryError:
                send(out, {"error": ["image", "asks for more memory than an image of its size needs"]})


if __name__ == "__main__":
    main()
