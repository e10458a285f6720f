"""The other formats of microscopes (BCF, PTS, RPL, BLO, EMI ...), by way of RosettaSciIO where it is installed.

RosettaSciIO is under GPL-3, so it is no dependency: whoever installs `ssbray[formats]` chooses it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssbray.errors import InputError
from ssbray.microscope.calibration import number
from ssbray.microscope.signal import Contents, Layer
from ssbray.microscope.vendors import axes

PLUGINS = {  # suffix -> module of RosettaSciIO
    ".bcf": "bruker", ".pts": "jeol", ".asw": "jeol", ".img": "jeol", ".eds": "jeol", ".rpl": "ripple",
    ".blo": "blockfile", ".emi": "tia", ".spc": "edax", ".spd": "edax", ".elid": "phenom", ".prz": "pantarhei",
    ".sur": "digitalsurf", ".pro": "digitalsurf", ".unf": "semper", ".nxs": "nexus", ".mrcz": "mrcz"}


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[Contents]:
    """Read a file with RosettaSciIO; the whole of it is loaded, however large its spectra."""
    suffix = path.suffix.lower()
    if suffix not in PLUGINS:
        raise InputError("file", path.name,
                         f"its suffix should be one of {', '.join(PLUGINS)}: rename it to what it is")
    try:
        plugin = importlib.import_module(f"rsciio.{PLUGINS[suffix]}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "rsciio":
            raise
        hint = f" (or give {path.stem}_1.ser, which is read without it)" if suffix == ".emi" else ""
        raise InputError("file", path.name, f"{suffix[1:].upper()} is read by RosettaSciIO, which is not installed: "
                         f"pip install 'ssbray[formats]'{hint}") from None
    signals = plugin.file_reader(str(path))
    layers: list[Layer] = []
    elements: list[str] = []
    for signal in signals:
        layers += _layers(signal, max_bytes)
        elements += [one for one in _deep(signal, "metadata", "Sample", "elements") or [] if one not in elements]
    yield Contents(format=f"{suffix[1:].upper()} (RosettaSciIO)", layers=_unique(layers),
                   metadata={"elements": elements} if elements else {})


def _layers(signal: dict[str, Any], max_bytes: int) -> list[Layer]:
    """One signal of RosettaSciIO's: data, axes, metadata."""
    known: dict[str, Any] = {}
    for instrument in ("TEM", "SEM"):
        if energy := number(_deep(signal, "metadata", "Acquisition_instrument", instrument, "beam_energy")):
            known["beam_energy_keV"] = energy
    if date := _deep(signal, "metadata", "General", "date"):
        known["acquisition_date"] = str(date)
    title = str(_deep(signal, "metadata", "General", "title") or "image")
    kind = str(_deep(signal, "metadata", "Signal", "signal_type") or "")
    return axes.layers(signal["data"], signal["axes"], title, kind, max_bytes, metadata=known)


def _unique(layers: list[Layer]) -> list[Layer]:
    return [layer for layer in layers if min(layer.shape, default=0) > 0]


def _deep(content: Any, *names: str) -> Any:
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content
