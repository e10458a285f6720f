"""Thickness of the layers along the interface."""

from __future__ import annotations

import numpy as np

from ssbray.measure.interface import Interface
from ssbray.measure.sheet import Sheet
from ssbray.measure.sizes import quantiles

ALL = "layers"  #: name of all layers together
COVERED = ("mean_nm", "p5_nm", "p95_nm")  #: values over the covered part of the line,
MEANS = ("coverage", "whole_mean_nm")  #: and over all of it


def measure_thickness(sheet: Sheet, interface: Interface, layers: dict[str, list[int]], area: dict[str, float],
                      length: float) -> None:
    """Note the thickness and the coverage of each layer.

    Means are taken over the raw rays, which measure areas; the quantiles and the profile over
    thickness smoothed along the covered line, because a single ray is off by up to a pixel.

    Parameters
    ----------
    sheet : where to note them.
    interface : from `find_interface`.
    layers : name -> labels that count under it.
    area : name -> area [pixels].
    length : of the interface [pixels].
    """
    weight = interface.weight
    total = float(weight.sum())
    for name, labels in layers.items():
        key = f"thickness:{name}"
        if length > 0:
            sheet.values[f"{key}:area_over_length_nm"] = area[name] / length * sheet.pixel_size_nm
        else:
            sheet.lacks("the interface has no length", f"{key}:area_over_length_nm")
        if total == 0:
            sheet.lacks("no normal of the cathode's outline reaches the electrolyte", *_keys(key, *MEANS, *COVERED))
            continue
        raw = interface.thickness[:, labels].sum(axis=1)
        covered = np.where(raw > 0, weight, 0.0)
        sheet.values[f"{key}:coverage"] = float(covered.sum()) / total
        sheet.values[f"{key}:whole_mean_nm"] = float((raw * weight).sum()) / total * sheet.pixel_size_nm
        smooth = np.where(raw > 0, interface.line.smooth(raw, covered), 0.0) * sheet.pixel_size_nm
        sheet.profiles[f"{key}_nm"] = smooth[interface.faces]
        there = covered > 0
        if not there.any():
            sheet.lacks("the layer covers no part of the interface", *_keys(key, *COVERED))
            continue
        sheet.values[f"{key}:mean_nm"] = float((raw * covered).sum() / covered.sum()) * sheet.pixel_size_nm
        low, high = quantiles(smooth[there], covered[there], (0.05, 0.95))
        sheet.values[f"{key}:p5_nm"], sheet.values[f"{key}:p95_nm"] = float(low), float(high)


def lacks_thickness(sheet: Sheet, layers: dict[str, list[int]], reason: str) -> None:
    """Note that there is no thickness of any layer, and why."""
    for name in layers:
        sheet.lacks(reason, *_keys(f"thickness:{name}", *MEANS, *COVERED, "area_over_length_nm"))


def note_line(sheet: Sheet, interface: Interface) -> None:
    """Note where the points of the profiles lie: along the line, in the image, and what state they are in."""
    line = interface.line
    lengths = {"position": line.position(), "length": line.length, "y": line.point[:, 0] + 0.5,
               "x": line.point[:, 1] + 0.5}
    for name, column in lengths.items():
        sheet.profiles[f"interface:{name}_nm"] = column[interface.faces] * sheet.pixel_size_nm
    sheet.profiles["interface:curve"] = line.curve[interface.faces]
    sheet.profiles["interface:state"] = interface.state[interface.faces]


def _keys(key: str, *names: str) -> list[str]:
    return [f"{key}:{name}" for name in names]
