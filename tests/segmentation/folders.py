"""Small training folders: bright discs on a dark ground, with noise."""

from __future__ import annotations

import numpy as np
import yaml
from PIL import Image

from ssbray import rng


def discs(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """An image uint8 and its mask."""
    random = rng.stream(seed, "discs")
    y, x = np.mgrid[:size, :size]
    mask = np.zeros((size, size), dtype=np.uint8)
    for _ in range(3):
        cy, cx, r = random.uniform(10, size - 10), random.uniform(10, size - 10), random.uniform(8, 16)
        mask[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = 1
    image = 80 + 70 * mask + random.normal(0, 12, mask.shape)
    return np.clip(image, 0, 255).astype(np.uint8), mask


def write(place, count: int = 6, value: int = 1) -> None:
    """A folder of `count` images; the discs carry `value` in the masks."""
    for part in ("images", "masks"):
        (place / part).mkdir(parents=True)
    for k in range(count):
        image, mask = discs(k)
        Image.fromarray(image).save(place / "images" / f"s{'abcdefgh'[k % 8]}_{k:02d}.png")
        Image.fromarray(mask * np.uint8(value)).save(place / "masks" / f"s{'abcdefgh'[k % 8]}_{k:02d}.png")
    (place / "classes.yaml").write_text(yaml.safe_dump({0: "matrix", value: "disc"}))
