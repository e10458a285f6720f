"""Three test images to look at: the one whose conductivity came out nearest to the truth, the middle one, the worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.segmentation import Segmenter
from ssbray.segmentation.folder import open_folder
from ssbray.study.diary import Content


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """One micrograph with its truth and with what the segmenter makes of it."""

    stem: str
    rank: str  #: which of the test images it is
    image: NDArray[np.float32]  #: (H, W)
    classes: tuple[str, ...]
    truth: NDArray[np.uint8]  #: (H, W) index into `classes`; 255 for unknown
    found: NDArray[np.uint8]  #: (H, W) index into `classes`
    pixel_size_nm: float
    seen_S_per_cm: float | None  #: by finite elements on what was found
    true_S_per_cm: float | None  #: by finite elements on the truth


def chosen(found: Mapping[str, Content], count: int = 3) -> list[tuple[str, str]]:
    """Stems of test images, spread from the nearest to the truth to the farthest, with their rank in words."""
    transport = found["transport"]
    stems = [stem for stem in found["parts"]["test"] if stem in transport["seen"] and stem in transport["true"]]
    order = sorted(stems, key=lambda stem: (apart(transport["seen"][stem], transport["true"][stem]), stem))
    if len(order) <= count:
        places = list(range(len(order)))
    else:
        places = [round(k * (len(order) - 1) / (count - 1)) for k in range(count)]
    return [(order[k], _rank(k, len(order))) for k in places]


def apart(seen: Mapping[str, Any], true: Mapping[str, Any]) -> float:
    """|ln| of the ratio of two conductivities: zero where neither conducts, infinite where only one does."""
    values = [each.get("sigma_eff_S_per_cm") or 0.0 for each in (seen, true)]
    if not all(values):
        return math.inf if any(values) else 0.0
    return abs(math.log(values[0] / values[1]))


def _rank(place: int, count: int) -> str:
    if count == 1:
        return "the only test image"
    return {0: "nearest to the truth", count - 1: "farthest from the truth"}.get(place, f"rank {place + 1} of {count}")


def gather(directory: Path, found: Mapping[str, Content], count: int = 3) -> tuple[Look, ...]:
    """Read the images of a study's directory and segment them; none where they are not kept."""
    if not all((directory / name).is_dir() for name in ("micrographs", "segmenter")):
        return ()
    picked = chosen(found, count)
    if not picked:
        return ()
    folder, model = open_folder(directory / "micrographs"), Segmenter.load(directory / "segmenter")
    return tuple(_look(folder, model, stem, rank, found["transport"]) for stem, rank in picked
                 if stem in folder.groups)


def _look(folder: Any, model: Segmenter, stem: str, rank: str, transport: Content) -> Look:
    micrograph, _ = folder.micrograph(stem, model.pixel_size_nm)
    truth = folder.labels(stem, micrograph.shape)
    names = (*model.classes, *(name for name in folder.names if name not in model.classes))
    table = np.full(256, 255, dtype=np.uint8)
    table[: len(folder.names)] = [names.index(name) for name in folder.names]
    image = micrograph.haadf if micrograph.haadf is not None else next(iter(micrograph.images.values()))
    return Look(stem=stem, rank=rank, image=image, classes=names, truth=table[truth],
                found=model.segment(micrograph).labels, pixel_size_nm=micrograph.pixel_size_nm,
                seen_S_per_cm=transport["seen"][stem]["sigma_eff_S_per_cm"],
                true_S_per_cm=transport["true"][stem]["sigma_eff_S_per_cm"])


def agreement(look: Look) -> float:
    """Share of the labelled pixels that the segmenter gets right."""
    labelled = look.truth != 255
    return float(np.mean(look.found[labelled] == look.truth[labelled])) if labelled.any() else math.nan


def present(looks: Sequence[Look]) -> list[str]:
    """Classes that occur in the truth or in what was found, in the model's order."""
    seen = {look.classes[k] for look in looks for k in np.unique(np.concatenate(
        [look.truth[look.truth != 255], look.found.ravel()]))}
    return [name for name in dict.fromkeys(name for look in looks for name in look.classes) if name in seen]
