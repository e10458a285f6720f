"""Maps of counts and images cut to the field that both saw, pixel on pixel; no count is interpolated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import Micrograph
from ssbray.microscope.register_eds import eds_shift


def synchronise(micrograph: Micrograph, *, reach_nm: float | None = None) -> Micrograph:
    """The same micrograph with its maps in register with its images, on the field that both saw.

    The maps are moved as grids: whole pixels of the maps are cut off, and whole pixels of the images, so that counts
    stay counts. What is left of the shift, at most half a pixel of the images, is in the metadata under
    "eds_registration", with the shift, its standard error, and the rectangle that was cut from the images. Only what is
    significant of a shift is applied, direction by direction; where nothing is, the note says why.
    """
    found = eds_shift(micrograph, reach_nm=reach_nm)
    note: dict[str, Any] = {
        "shift_nm": found.shift_nm.tolist(), "standard_error_nm": found.standard_error_nm.tolist(),
        "correlation": found.correlation, "counts_per_pixel": found.counts_per_pixel, "applied": found.significant}
    if "eds_registration" in micrograph.metadata:
        note["before"] = micrograph.metadata["eds_registration"]
    if not found.significant:
        note["reason"] = found.reason
        return replace(micrograph, metadata={**micrograph.metadata, "eds_registration": note})
    shape = np.array(micrograph.shape)
    grid = np.array(next(iter(micrograph.eds.values())).shape)
    ratio = shape / grid  # pixels of the images per pixel of the maps
    shift = found.sure_nm / micrograph.pixel_size_nm
    low = np.ceil(np.maximum(shift, 0) / ratio - 0.5 / ratio).astype(int).clip(0)  # half a pixel of the images may miss
    high = np.floor((shape + np.minimum(shift, 0) + 0.5) / ratio).astype(int).clip(None, grid)
    begin = np.rint(low * ratio - shift).astype(int).clip(0)
    size = np.rint((high - low) * ratio).astype(int)
    begin = np.minimum(begin, shape - size)
    rest = shift - (low * ratio - begin)
    note |= {"images_from_px": begin.tolist(), "images_size_px": size.tolist(), "maps_from_px": low.tolist(),
             "maps_size_px": (high - low).tolist(), "remainder_nm": (rest * micrograph.pixel_size_nm).tolist()}
    window = tuple(slice(int(a), int(a + n)) for a, n in zip(begin, size, strict=True))
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    images: Mapping[str, NDArray[np.float32]] = {name: image[window] for name, image in micrograph.images.items()}
    return replace(micrograph, images=images, eds={name: counts[cut] for name, counts in micrograph.eds.items()},
                   metadata={**micrograph.metadata, "eds_registration": note})
