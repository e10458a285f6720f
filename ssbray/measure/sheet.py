"""Measurements in the making: numbers in pixels come in, values with units stand here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.measure.sizes import Sizes, quantiles

BINS = 12  #: of a histogram of sizes


@dataclass(eq=False, kw_only=True)
class Sheet:
    """The sheet on which each measurement notes its values, its profiles, and what it could not measure."""

    pixel_size_nm: float
    values: dict[str, float] = field(default_factory=dict)
    profiles: dict[str, NDArray[Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def lacks(self, reason: str, *names: str) -> None:
        """Note why some values are missing."""
        self.missing.update(dict.fromkeys(names, reason))

    def length_um(self, name: str, pixels: float) -> None:
        """Note a length given in pixel edges."""
        self.values[name] = float(pixels) * self.pixel_size_nm * 1e-3

    def area_um2(self, pixels: float) -> float:
        """Area of a number of pixels [um2]."""
        return float(pixels) * (self.pixel_size_nm * 1e-3) ** 2

    def sizes(self, name: str, sizes: Sizes, tails: bool) -> None:
        """Note the equivalent diameters of what lies whole in view, and list all with a flag for the cut ones.

        `tails` adds the 5 % and 95 % quantiles.
        """
        diameter = sizes.diameter * self.pixel_size_nm
        self.profiles[f"{name}:diameter_nm"] = diameter
        self.profiles[f"{name}:cut"] = sizes.cut
        self.values[f"{name}_count"] = float(len(diameter))
        self.values[f"{name}_cut_count"] = float(sizes.cut.sum())
        levels = {"median": 0.5, "p5": 0.05, "p95": 0.95} if tails else {"median": 0.5}
        whole = ~sizes.cut
        if not whole.any():
            reason = "there is none" if len(diameter) == 0 else "the border of the map cuts every one"
            self.lacks(reason, *(f"{name}_size_{what}_nm" for what in ("mean", *levels)))
            return
        size, weight = diameter[whole], sizes.weight[whole]
        self.values[f"{name}_size_mean_nm"] = float((size * weight).sum() / weight.sum())
        for what, value in zip(levels, quantiles(size, weight, list(levels.values())), strict=True):
            self.values[f"{name}_size_{what}_nm"] = float(value)
        counts, edges = np.histogram(size, bins=BINS, range=(0.0, float(size.max())), weights=weight / weight.sum())
        self.profiles[f"{name}:share"] = counts
        self.profiles[f"{name}:share_edges_nm"] = edges
