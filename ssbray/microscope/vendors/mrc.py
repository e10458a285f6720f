"""MRC: one image, or a stack of them; lengths in angstrom. Rows are kept in the order of the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError
from ssbray.microscope import guard
from ssbray.microscope.calibration import pixel_nm
from ssbray.microscope.signal import Contents
from ssbray.microscope.vendors import stacks

BIG_ENDIAN = 0x11  #: first byte of the machine stamp
MODES = {0: np.int8, 1: np.int16, 2: np.float32, 6: np.uint16, 12: np.float16}


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Open an MRC file without reading its values."""
    import mrcfile

    with open(path, "rb") as handle:
        head = handle.read(1024)
    if len(head) < 1024:
        raise InputError("file", path.name, "MRC that ends within its header: copy it again")
    extended, = struct.unpack_from(">i" if head[212] == BIG_ENDIAN else "<i", head, 92)
    if not 0 <= extended <= path.stat().st_size - 1024:
        raise InputError("file", path.name, f"MRC with an extended header of {extended} bytes, which it does not have: "
                         "it is truncated, copy it again")
    with mrcfile.open(path, mode="r", header_only=True) as file:
        header = file.header
        mode = int(header.mode)
        nx, ny, nz = int(header.nx), int(header.ny), int(header.nz)
        sampling, cell = (int(header.mx), int(header.my)), (float(header.cella.x), float(header.cella.y))
        order = header.nx.dtype.byteorder
    if mode not in MODES:
        raise InputError("mode", mode, "MRC of real numbers is read (modes 0, 1, 2, 6, 12): convert it")
    guard.afford("one image of the file", (ny, nx), np.float64, max_bytes)
    dtype = np.dtype(MODES[mode]).newbyteorder(order)
    start, size = 1024 + extended, nx * ny * dtype.itemsize
    if nz < 1 or path.stat().st_size < start + nz * size:
        raise InputError("file", path.name, f"MRC of {nz} x {ny} x {nx} needs {start + nz * size} bytes and has "
                         f"{path.stat().st_size}: it is truncated, copy it again")

    def frame(number: int) -> NDArray[Any]:
        return np.fromfile(path, dtype, nx * ny, offset=start + number * size).reshape(ny, nx)

    x, y = (pixel_nm(length / count if count > 0 else 0.0, "Å") for length, count in zip(cell, sampling, strict=True))
    yield Contents(format="MRC",
                   layers=stacks.layers(frame, nz, (ny, nx), max_bytes, scale_nm=(y, x) if x and y else None),
                   notes=("rows are in the order of the file: some programs show MRC upside down",))
