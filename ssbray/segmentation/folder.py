"""A folder of labelled images: `images/`, `masks/` (same stem, whole numbers), `classes.yaml` (number: name).

Optional, by the same stem: `grains/` (grain of each pixel, 0 for none) and `dislocations/` (not zero on a line).
Optional: `groups.yaml` (stem: specimen). Without it an image belongs to the specimen that its name gives up to
the last block of digits, as microscopes number them: 040617_3_S0410018 and 040617_3_S0410019 are of one specimen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.labelimage import read_integers
from ssbray.segmentation.example import NOTHING, Example
from ssbray.segmentation.inputs import named, planes

IMAGES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".emd", ".dm3", ".dm4", ".ser", ".mrc", ".hspy", ".zspy", ".zarr")
MASKS = (".png", ".tif", ".tiff", ".npy")
SPECK = 1e-4  #: share of an image


@dataclass(frozen=True, eq=False)
class Folder:
    """What a folder holds; images are read when asked for."""

    place: Path
    classes: Mapping[int, str]  #: number in the masks -> name
    groups: Mapping[str, str]  #: stem -> specimen, for every image

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the images."""
        return tuple(self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of their numbers."""
        return tuple(name for _, name in sorted(self.classes.items()))

    def image(self, stem: str) -> Path:
        """Path of an image."""
        return self._files["images"][stem]

    @cached_property
    def _files(self) -> dict[str, dict[str, Path]]:
        return {kind: _by_stem(self.place / kind, IMAGES if kind == "images" else MASKS)
                for kind in ("images", "masks", "grains", "dislocations")}

    def sha256(self, stem: str) -> str:
        """Of the image file's bytes (of the files in it, for a directory)."""
        path, digest = self.image(stem), hashlib.sha256()
        for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if part.is_file():
                digest.update(part.read_bytes())
        return digest.hexdigest()

    def micrograph(self, stem: str, otherwise: float | None = None) -> tuple[Micrograph, bool]:
        """Read an image; says whether it has a scale. Without one its pixels count as `otherwise`, or else 1 nm."""
        from ssbray import microscope

        try:
            return microscope.read(self.image(stem)), True
        except InputError as error:
            if "pixel_size" not in error.field.replace("-", "_"):
                raise
            return microscope.read(self.image(stem), pixel_size_nm=otherwise or 1.0), False

    def labels(self, stem: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Index of the class of each pixel, in the order of `names`."""
        path = self._files["masks"][stem]
        mask = _plane(path, shape)
        self._known(path, mask)
        lookup = np.full(256, NOTHING, dtype=np.uint8)
        for index, number in enumerate(sorted(self.classes)):
            lookup[number] = index
        return lookup[mask]

    def _known(self, path: Path, mask: NDArray[Any]) -> None:
        """Refuse numbers that classes.yaml does not name."""
        strange = sorted(set(np.unique(mask).tolist()) - set(self.classes) - {NOTHING})
        if strange:
            raise InputError("masks", f"{path.name}: {strange[0]}", f"classes.yaml names only "
                             f"{', '.join(map(str, sorted(self.classes)))} (and {NOTHING} for unknown): add the class")

    def present(self, stem: str) -> NDArray[np.bool_]:
        """Which classes, in the order of `names`, have more than a speck in an image's mask."""
        path = self._files["masks"][stem]
        mask = read_integers(str(path), "masks")
        self._known(path, mask)
        found = np.bincount(mask.reshape(-1).astype(np.int64), minlength=256)
        return np.array([found[number] > SPECK * mask.size for number in sorted(self.classes)])

    def layer(self, kind: str, stem: str, shape: tuple[int, int]) -> NDArray[Any] | None:
        """Grains or dislocations of an image, if there are any."""
        path = self._files[kind].get(stem)
        return None if path is None else _plane(path, shape)

    def example(self, stem: str, images: Sequence[str], elements: Sequence[str]) -> Example:
        """An image with its labels, ready to be learnt from."""
        micrograph, _ = self.micrograph(stem)
        micrograph = named(micrograph, images)
        lines = self.layer("dislocations", stem, micrograph.shape)
        grains = self.layer("grains", stem, micrograph.shape)
        return Example(name=stem, group=self.groups[stem], planes=planes(micrograph, images, elements),
                       labels=self.labels(stem, micrograph.shape), sha256=self.sha256(stem),
                       grains=None if grains is None else grains.astype(np.int32),
                       dislocations=None if lines is None else lines > 0)


def open_folder(place: str | Path) -> Folder:
    """Look at a folder; InputError for what is missing or does not fit."""
    place = Path(place)
    for part in ("images", "masks"):
        if not (place / part).is_dir():
            raise InputError("--data", str(place), f"has no {part}/ (it needs images/, masks/ and classes.yaml)")
    classes = _classes(place / "classes.yaml")
    images, masks = _by_stem(place / "images", IMAGES), _by_stem(place / "masks", MASKS)
    if not images:
        raise InputError("--data", str(place), f"images/ holds no image ({', '.join(IMAGES)})")
    if bare := sorted(set(images) - set(masks)):
        raise InputError("masks", bare[0], f"{len(bare)} of {len(images)} images have no mask of the same stem: "
                         "add it, or take the image out")
    return Folder(place=place, classes=classes, groups=_groups(place / "groups.yaml", sorted(images)))


def _by_stem(place: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(place.name, path.stem, f"is there twice ({found[path.stem].name} and {path.name}): "
                                 "take one out")
            found[path.stem] = path
    return found


def _mapping(path: Path, field: str, form: str) -> dict[Any, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(field, path.name, f"is no YAML ({' '.join(str(error).split())[:80]})") from None
    if not isinstance(content, dict) or not content:
        raise InputError(field, path.name, f"must be a mapping, e.g. {form}")
    return content


def _classes(path: Path) -> dict[int, str]:
    if not path.is_file():
        raise InputError("--data", str(path.parent), "has no classes.yaml (a line for each number, e.g. 0: LLZO)")
    classes = _mapping(path, "classes.yaml", "0: LLZO")
    for number, name in classes.items():
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < NOTHING:
            raise InputError("classes.yaml", number, f"a class has a whole number from 0 to {NOTHING - 1}")
        if not isinstance(name, str) or not name:
            raise InputError("classes.yaml", f"{number}: {name}", "name the class, e.g. 0: LLZO")
    if len(set(classes.values())) < len(classes):
        raise InputError("classes.yaml", ", ".join(classes.values()), "two numbers have one name")
    if len(classes) < 2:
        raise InputError("classes.yaml", len(classes), "there must be two classes or more")
    return classes


def _groups(path: Path, stems: list[str]) -> dict[str, str]:
    if path.is_file():
        given = {str(stem): str(group) for stem, group in _mapping(path, "groups.yaml", "image-01: specimen-A").items()}
        if lacking := [stem for stem in stems if stem not in given]:
            raise InputError("groups.yaml", lacking[0], f"{len(lacking)} images have no specimen: add them")
        return {stem: given[stem] for stem in stems}
    groups = {stem: re.sub(r"\d+(?=\D*$)", "", stem) or stem for stem in stems}
    return groups if len(set(groups.values())) > 1 else {stem: stem for stem in stems}


def _plane(path: Path, shape: tuple[int, int]) -> NDArray[Any]:
    array = read_integers(str(path), path.parent.name)
    if array.shape != shape:
        raise InputError(path.parent.name, f"{path.name}: {array.shape[1]}x{array.shape[0]}"
                         if array.ndim == 2 else f"{path.name}: {array.ndim} dimensions",
                         f"the image has {shape[1]}x{shape[0]} pixels")
    return array
