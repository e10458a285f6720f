"""Arrays with named, calibrated axes, as HyperSpy and its readers describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.microscope import detectors, guard
from ssbray.microscope.calibration import is_reciprocal, number, pixel_nm
from ssbray.microscope.signal import OTHER, SPECTRUM_IMAGE, Layer
from ssbray.microscope.stream import Cube
from ssbray.microscope.vendors import stacks

ENERGY_EV = {"eV": 1.0, "keV": 1e3, "meV": 1e-3}


def layers(data: Any, axes: Sequence[Mapping[str, Any]], title: str, signal_type: str, max_bytes: int, *,
           note: tuple[str, ...] = (), metadata: Mapping[str, Any] | None = None) -> list[Layer]:
    """Signals in one array.

    Parameters
    ----------
    data : sliceable array.
    axes : per array axis `scale`, `offset`, `units` and `name`, as far as known.
    signal_type : HyperSpy's: "EDS_TEM" and "EDS_SEM" are spectra of X-rays.
    """
    shape = tuple(int(length) for length in data.shape)
    units = [_text(axis.get("units")) for axis in axes]
    about = dict(metadata or {})

    def other() -> list[Layer]:
        return [Layer(name=title, kind=OTHER, shape=shape, detector=title, metadata=about, notes=note,
                      load=lambda: np.asarray(data))]

    if len(axes) != len(shape) or data.dtype.kind not in "uif":
        return other()
    energy = [at for at, unit in enumerate(units) if unit in ENERGY_EV]
    if len(shape) == 3 and energy and signal_type.startswith("EDS"):
        at = energy[0]
        if at == 1:
            return other()
        factor = ENERGY_EV[units[at]]
        spatial = [axis for axis in range(3) if axis != at]
        cube = Cube(data=data, shape=(shape[spatial[0]], shape[spatial[1]]), channels=shape[at], energy_first=at == 0,
                    offset_eV=(number(axes[at].get("offset")) or 0.0) * factor, max_bytes=max_bytes,
                    dispersion_eV=(number(axes[at].get("scale")) or 0.0) * factor, counts=data.dtype.kind in "ui")
        return [Layer(name=title, kind=SPECTRUM_IMAGE, shape=(*cube.shape, cube.channels), spectra=cube, detector="EDS",
                      scale_nm=_scale([axes[axis] for axis in spatial]), metadata=about, notes=note,
                      load=lambda: np.asarray(data))]
    if len(shape) not in (2, 3) or energy or any(is_reciprocal(unit) for unit in units[-2:]):
        return other()
    count = shape[0] if len(shape) == 3 else 1

    def frame(index: int) -> NDArray[Any]:
        guard.afford(f"the image {title}", shape[-2:], np.float64, max_bytes)
        if chunks := getattr(data, "chunks", None):
            guard.afford(f"a piece of the image {title}", chunks, data.dtype, max_bytes)
        return np.asarray(data[index] if len(shape) == 3 else data[:])

    key = detectors.key(title)
    detector = None if title == "image" else title  # the word of one who was told nothing
    return stacks.layers(frame, count, (shape[-2], shape[-1]), max_bytes, prefix=f"{title} ", title=title, key=key,
                         detector=detector, scale_nm=_scale(axes[-2:]), metadata=about, notes=note)


def _scale(axes: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    y, x = (pixel_nm(axis.get("scale"), _text(axis.get("units"))) for axis in axes)
    return (y, x) if x and y else None


def _text(unit: Any) -> str:
    """A unit as text; HyperSpy writes None as "_None_"."""
    text = unit.decode("utf-8", errors="replace") if isinstance(unit, bytes) else str(unit)
    return "" if unit is None or text in ("_None_", "<undefined>") else text
