"""Maps of X-ray counts of a foil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering import scan, xrays
from ssbray.microscope.rendering.composition import REFERENCE, Composition
from ssbray.microscope.rendering.detector import counted
from ssbray.microscope.rendering.fields import Image, blurred
from ssbray.rng import stream


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """One phase along the beam."""

    composition: Composition
    thickness: Image  #: (H, W) [nm]


def count(layers: Sequence[Layer], windows: Sequence[str], settings: Settings, *, pixel_size_nm: float,
          spread_nm: float, seed: int) -> dict[str, Image]:
    """Counts in the window of each element, (h, w) on the binned grid.

    Drift and flyback are those of the images; jitter and hum average out over the frames. What is left of the
    frames' drift, and the spread of the beam in the foil, blur the maps.
    """
    slow = settings.model_copy(update={"jitter_px": 0.0, "hum_px": 0.0})
    height, width = layers[0].thickness.shape
    path = scan.draw_scan((height, width), pixel_size_nm, slow, seed)
    angle = 2 * np.pi * stream(seed, "render eds shift").random()
    path = replace(path, row_y=path.row_y + settings.eds_shift_px * np.sin(angle),
                   row_x=path.row_x + settings.eds_shift_px * np.cos(angle))
    blur = float(np.sqrt(settings.probe_fwhm_nm**2 + spread_nm**2 + settings.eds_blur_nm**2)) / pixel_size_nm
    seen = [Layer(composition=each.composition, thickness=xrays.binned(
        path.record(blurred(each.thickness, blur)), settings.eds_binning)) for each in layers]
    return {window: counted(values, stream(seed, "render eds", window))
            for window, values in expected(seen, windows, settings).items()}


def expected(layers: Sequence[Layer], windows: Sequence[str], settings: Settings) -> dict[str, Image]:
    """Mean counts in the window of each element, (h, w); thickness summed over the pixels of a bin."""
    shape = layers[0].thickness.shape
    per_pixel = np.float32(1 / settings.eds_binning**2)
    mass = sum((np.float32(each.composition.density_g_per_cm3 / REFERENCE.density_g_per_cm3) * each.thickness
                for each in layers), np.zeros(shape, dtype=np.float32))
    kept = xrays.absorbed(windows, mass * per_pixel, settings)
    rate = [xrays.sensitivity(windows, each.composition, settings)
            + xrays.background(windows, each.composition, settings) for each in layers]
    found = {}
    for k, window in enumerate(windows):
        total = np.zeros(shape, dtype=np.float32)
        for each, counts_per_nm in zip(layers, rate, strict=True):
            if counts_per_nm[k] > 0:
                total += np.float32(counts_per_nm[k]) * each.thickness
        found[window] = total * kept[window] if window in kept else total
    return found
