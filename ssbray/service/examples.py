"""Virtual micrographs to try the endpoint with: drawn when they are asked for, always the same."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ssbray import specimen
from ssbray.microscope.knobs import load_knobs
from ssbray.microscope.rendering import render

PIXEL_SIZE_NM = 5.0
SIZE_NM = (1280.0, 960.0)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A virtual specimen, and what one should know to read its picture."""

    title: str
    process: tuple[tuple[str, Any], ...]
    seed: int
    coating: str | None = None


EXAMPLES = {
    "bare": Example(title="LLZO | NMC811 without a coating", seed=11,
                    process=(("atmosphere", "O2"), ("coating", "bare"), ("cosintering_temperature_C", 700.0))),
    "coated": Example(title="LLZO | NMC811, 60 nm of Li3BO3 between", seed=12, coating="Li3BO3",
                      process=(("atmosphere", "O2"), ("coating", "Li3BO3"), ("coating_thickness_nm", 60.0),
                               ("cosintering_temperature_C", 650.0))),
}


@cache
def png(name: str) -> bytes:
    """A dark-field image of an example, 8-bit PNG, `PIXEL_SIZE_NM` per pixel."""
    from PIL import Image

    example = EXAMPLES[name]
    made = specimen.make(specimen.ProcessParameters.parse(dict(example.process)), seed=example.seed, size_nm=SIZE_NM)
    image = render(made.section(PIXEL_SIZE_NM), load_knobs(None), seed=example.seed).micrograph.images["haadf"]
    low, high = np.percentile(image, (0.2, 99.8))
    grey = np.clip((image - low) * (255 / max(float(high - low), 1e-12)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
