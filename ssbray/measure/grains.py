"""Grains of the electrolyte and the boundaries between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssbray import raster
from ssbray.measure.roles import ELECTROLYTE
from ssbray.measure.sheet import Sheet
from ssbray.measure.sizes import find_sizes

NAMES = ("grain_boundary_length_um", "grain_boundary_density_per_um", "grain_intercept_nm", "grain_count",
         "grain_cut_count", "grain_size_mean_nm", "grain_size_median_nm")


def measure_grains(sheet: Sheet, parts: NDArray[np.uint8], grains: NDArray[np.int32] | None) -> None:
    """Note length and density of grain boundaries, mean intercept, and sizes of the grains that lie whole in view.

    The intercept is that of random test lines, ``pi / 2`` over the boundary length per area
    (Smith and Guttman 1953): the only size that a view with no whole grain still has.
    """
    area = int((parts == ELECTROLYTE).sum())
    if grains is None or area == 0:
        sheet.lacks("the map has no grains" if area else "the map has no electrolyte", *NAMES)
        return
    garnet: NDArray[np.int32] = np.where(parts == ELECTROLYTE, grains, 0).astype(np.int32)
    if not garnet.any():
        sheet.lacks("no pixel of the electrolyte has a grain", *NAMES)
        return
    length = boundary_length(garnet)
    sheet.length_um("grain_boundary_length_um", length)
    sheet.values["grain_boundary_density_per_um"] = length / area / (sheet.pixel_size_nm * 1e-3)
    if length > 0:
        sheet.values["grain_intercept_nm"] = np.pi / 2 * area / length * sheet.pixel_size_nm
    else:
        sheet.lacks("there is no boundary between grains", "grain_intercept_nm")
    sheet.sizes("grain", find_sizes(garnet), tails=False)


def boundary_length(grains: NDArray[np.int32]) -> float:
    """Length of the boundaries between different grains, 0 being none [pixel edges]."""
    faces = raster.facets(grains)
    flat = grains.reshape(-1)
    faces = faces.select((flat[faces.first] > 0) & (flat[faces.second] > 0))
    return float(raster.measure(faces, flat).sum())
