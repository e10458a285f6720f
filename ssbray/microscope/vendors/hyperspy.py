"""HSPY and ZSPY: HyperSpy's layout in HDF5 or Zarr, one group per signal under /Experiments.

A group has `data`, an axis-<i> group per array axis (attributes scale, offset, units, name) and metadata as groups of
attributes; lists of text are datasets whose names begin with _list_.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssbray.errors import InputError
from ssbray.microscope import guard
from ssbray.microscope.calibration import number
from ssbray.microscope.signal import Contents, Layer
from ssbray.microscope.vendors import axes, hdf5


def contents(file: Any, words: str, max_bytes: int) -> Contents:
    """What a file or store of HyperSpy's holds."""
    layers: list[Layer] = []
    elements: list[str] = []
    experiments = file["Experiments"]
    for name in sorted(experiments):
        group = experiments[name]
        if not hasattr(group, "keys") or "data" not in group:
            continue
        about = _known(group)
        elements += [one for one in _list(group, "metadata/Sample", "elements") if one not in elements]
        title = _attribute(group, "metadata/General", "title") or name
        title = name if title in ("__unnamed__", "") else guard.one_line(title, 60)
        kind = _attribute(group, "metadata/Signal", "signal_type") or ""
        data = hdf5.array(group, "data") if words == "HSPY" else group["data"]
        described = [dict(group[place].attrs) if place in group else {}
                     for place in (f"axis-{axis}" for axis in range(len(data.shape)))]
        layers += axes.layers(data, described, title, kind, max_bytes, metadata=about, note=absent(data, title))
    return Contents(format=words, layers=layers, metadata={"elements": elements} if elements else {})


def absent(data: Any, title: str) -> tuple[str, ...]:
    """Say how many pieces of a Zarr array are not on disk: they read as the fill value, whatever was lost."""
    if not hasattr(data, "nchunks_initialized"):
        return ()
    missing = data.nchunks - data.nchunks_initialized
    if missing == data.nchunks:
        raise InputError("file", title, "none of its values are on disk: copy the whole directory again")
    return () if missing == 0 else (
        f"{title}: {missing} of {data.nchunks} pieces are not on disk and read as {data.fill_value}",)


def _known(group: Any) -> dict[str, Any]:
    """Beam energy and dwell time from the metadata of a signal."""
    known: dict[str, Any] = {}
    for instrument in ("metadata/Acquisition_instrument/TEM", "metadata/Acquisition_instrument/SEM"):
        if energy := number(_attribute(group, instrument, "beam_energy")):
            known["beam_energy_keV"] = energy
        if dwell := number(_attribute(group, f"{instrument}/Detector/EDS", "dwell_time")):
            known["dwell_us"] = dwell * 1e6
    date = _attribute(group, "metadata/General", "date")
    if isinstance(date, str) and date:
        known["acquisition_date"] = " ".join(filter(None, [date, _attribute(group, "metadata/General", "time")]))
    return known


def _attribute(group: Any, place: str, name: str) -> Any:
    """An attribute below a group, or None."""
    value = group[place].attrs.get(name) if place in group else None
    return None if isinstance(value, str) and value == "_None_" else value


def _list(group: Any, place: str, name: str) -> list[str]:
    """A list of text, as an attribute or as a dataset of its own."""
    if place not in group:
        return []
    found = group[place].attrs.get(name)
    if found is None and f"_list_{name}" in group[place]:
        found = group[place][f"_list_{name}"][:]
    if found is None:
        return []
    return [one.decode() if isinstance(one, bytes) else str(one) for one in np.ravel(found)]
