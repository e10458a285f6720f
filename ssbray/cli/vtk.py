"""Fields as VTK image data, for ParaView and the like."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import PhaseMap, TransportSolution
from ssbray.files import write_bytes

KINDS = {"uint8": "UInt8", "int32": "Int32", "float32": "Float32", "float64": "Float64"}


def write(path: Path, phase_map: PhaseMap, solution: TransportSolution, bottleneck: NDArray[np.float64]) -> None:
    """Write labels (and grains), potential, current density, loss density and bottleneck as one .vti file.

    One cell per pixel, edges in nm, with the first pixel at the origin; y counts the rows as in the
    image, so a viewer whose y axis points up shows the image upside down. A section is one cell thick.
    """
    current = np.zeros((*solution.potential.shape, 3), dtype=np.float32)
    current[..., : solution.potential.ndim] = np.moveaxis(solution.current_density, 0, -1)
    grains = {} if phase_map.grains is None else {"grains": phase_map.grains.astype(np.int32)}
    write_bytes(path, image_data({
        "labels": phase_map.labels, **grains, "potential_V": solution.potential,
        "current_density_A_per_m2": current, "dissipation_W_per_m3": solution.dissipation.astype(np.float32),
        "bottleneck": bottleneck.astype(np.float32)}, phase_map.pixel_size_nm))


def image_data(cells: Mapping[str, NDArray[Any]], spacing: float) -> bytes:
    """Encode images of one shape as VTK ImageData XML.

    Values go inline in base64, each array preceded by its size in bytes (UInt64), and x fastest, as
    an image in C order has it.

    Parameters
    ----------
    cells : name -> (H, W) or (D, H, W) values, or with a last axis of length 3 for vectors, which have one dimension
        more than the first entry.
    spacing : edge of a cell.
    """
    shape = next(iter(cells.values())).shape
    size = (*shape[::-1], *(1,) * (3 - len(shape)))
    extent = " ".join(f"0 {n}" for n in size)
    parts = [f'<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" '
             f'header_type="UInt64">\n<ImageData WholeExtent="{extent}" Origin="0 0 0" '
             f'Spacing="{spacing!r} {spacing!r} {spacing!r}">\n<Piece Extent="{extent}">\n<CellData>\n'.encode()]
    for name, values in cells.items():
        components = 3 if values.ndim > len(shape) else 1
        raw = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
        parts += [f'<DataArray type="{KINDS[values.dtype.name]}" Name="{name}" NumberOfComponents="{components}" '
                  'format="binary">\n'.encode(),
                  base64.b64encode(np.array(len(raw), dtype="<u8").tobytes() + raw), b"\n</DataArray>\n"]
    return b"".join([*parts, b"</CellData>\n</Piece>\n</ImageData>\n</VTKFile>\n"])
