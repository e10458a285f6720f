"""A segmenter: nets, what they were trained on, how they are calibrated; on disk and in use."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.files import dump_json, write_bytes, write_json
from ssbray.segmentation.fusion import Composition, fused
from ssbray.segmentation.inputs import Planes, gathered, named, planes
from ssbray.segmentation.mirrored import CHOICES, seen_from
from ssbray.segmentation.net import STRIDE, Net, Size, folded, placed
from ssbray.segmentation.readout import Readout
from ssbray.segmentation.segmentation import Segmentation
from ssbray.segmentation.tile import TILE, logits

CARD = "card.json"
FORMAT = 4
Scaling = tuple[float, tuple[float, ...]]  #: temperature, and the bias of each class
ALL, IMAGES, FIRST = "all inputs", "images only", "first image only"
SAME_SCALE = math.log(1.15)  #: ratio of pixel sizes up to which an image is taken as it is
LIMIT = 2**28  #: pixels of an image


@dataclass(frozen=True, eq=False, kw_only=True)
class Segmenter:
    """Trained nets and their card."""

    nets: tuple[Net, ...]
    classes: tuple[str, ...]
    images: tuple[str, ...]  #: names of the image channels; the first must be there
    elements: tuple[str, ...]
    size: Size
    pixel_size_nm: float | None  #: of the training images; None where they have no scale
    orientations: int = 1  #: in which each net sees an image, see `mirrored`
    scalings: Mapping[str, Scaling] = field(default_factory=dict)  #: by what there is of the inputs, see `given`
    calibrated: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)  #: plain data: images, scores, settings

    @property
    def version(self) -> str:
        """Twelve digits of a sha256 over weights and card."""
        digest = hashlib.sha256(dump_json(self._facts()).encode())
        for net in self.nets:
            for name, value in sorted(net.state_dict().items()):
                digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    @property
    def fuses(self) -> bool:
        """Whether regions are judged by all of their X-ray counts: where that helped on the calibration's specimens."""
        return bool(self.card.get("fusion", {}).get("used"))

    def looking(self, orientations: int | None) -> Self:
        """The same nets, looking from so many sides; None: as many as they were calibrated with."""
        if orientations is not None and orientations not in CHOICES:
            raise InputError("--orientations", orientations, f"must be one of {', '.join(map(str, CHOICES))}")
        return self if orientations in (None, self.orientations) else replace(self, orientations=orientations)

    @property
    def unlike(self) -> str:
        """What to say where the model looks from other sides than it was calibrated with; empty if it does not."""
        own = self.card.get("training", {}).get("orientations", self.orientations)
        return "" if own == self.orientations or not self.calibrated else (
            f"the calibration is that of {own} orientations, not of {self.orientations}")

    def scaling(self, found: Planes) -> Scaling:
        """Temperature and biases for what there is of the inputs; those of all inputs where nothing else was fitted."""
        plain = (1.0, (0.0,) * len(self.classes))
        return self.scalings.get(given(found), self.scalings.get(ALL, plain))

    def _facts(self) -> dict[str, Any]:
        scalings = {name: [heat, list(bias)] for name, (heat, bias) in self.scalings.items()}
        return {"format": FORMAT, "scalings": scalings,
                "classes": list(self.classes), "images": list(self.images),
                "elements": list(self.elements), "size": asdict(self.size), "pixel_size_nm": self.pixel_size_nm,
                "orientations": self.orientations, "calibrated": self.calibrated, "nets": len(self.nets),
                "card": dict(self.card)}

    def save(self, directory: str | Path) -> None:
        """Write card.json and net-K.safetensors."""
        from safetensors.torch import save

        for k, net in enumerate(self.nets):
            state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
            write_bytes(Path(directory) / f"net-{k}.safetensors", save(state))
        write_json(Path(directory) / CARD, self._facts() | {"version": self.version})

    @classmethod
    def load(cls, directory: str | Path, device: str = "cpu") -> Self:
        """Read what `save` wrote; InputError for what it did not."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        place = Path(directory)
        check_device(device)
        if not (place / CARD).is_file():
            raise InputError("--model", str(directory), f"holds no segmenter (no {CARD}): make one with "
                             "`ssbray train segmenter`")
        try:
            facts = json.loads((place / CARD).read_text())
            if facts.get("format") != FORMAT:
                raise InputError("--model", str(directory), f"has format {facts.get('format')}, this version reads "
                                 f"{FORMAT}: train it again")
            size = Size(**facts["size"])
            nets = []
            for k in range(facts["nets"]):
                net = Net(len(facts["images"]), len(facts["elements"]), len(facts["classes"]), size)
                net.load_state_dict(load_file(place / f"net-{k}.safetensors"))
                nets.append(placed(net, device).eval().requires_grad_(False))
            model = cls(nets=tuple(nets), classes=tuple(facts["classes"]), images=tuple(facts["images"]),
                       elements=tuple(facts["elements"]), size=size, pixel_size_nm=facts["pixel_size_nm"],
                       orientations=facts["orientations"],
                       scalings={name: (float(heat), tuple(bias)) for name, (heat, bias) in facts["scalings"].items()},
                       calibrated=facts["calibrated"], card=facts["card"])
            if model.version != facts["version"]:
                raise ValueError("weights and card are not of one training")
            return model
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, FileNotFoundError,
                SafetensorError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("--model", str(directory), "is damaged or of another make "
                             f"({' '.join(str(error).split())[:100]}): train it again") from None

    def planes(self, micrograph: Micrograph) -> tuple[Planes, tuple[str, ...]]:
        """What the nets are given of a micrograph, at the model's scale, and what the user should know."""
        notes = [self.unlike] if self.unlike else []
        micrograph = named(micrograph, self.images)
        usable, why = self._maps(micrograph)
        if why:
            notes.append(why)
        if not usable:
            micrograph = replace(micrograph, eds={})
        found = planes(micrograph, self.images, self.elements)
        if missing := [name for name, here in zip(self.images, found.has_image, strict=True) if not here]:
            notes.append(f"no {', '.join(missing)} image: segmented without")
        return self._scaled(found, micrograph, notes)

    def _maps(self, micrograph: Micrograph) -> tuple[bool, str]:
        """Whether the element maps can be used, and what to say: the nets know all of their maps, or none."""
        if not self.elements:
            return False, ""
        if not micrograph.eds:
            return False, "no element maps: phases that differ in composition alone cannot be told apart"
        if not micrograph.eds_are_counts:
            return False, "the element maps are no counts (filtered or normalised), and are left out"
        if missing := [name for name in self.elements if name not in micrograph.eds]:
            return False, f"no map of {', '.join(missing)}: the other element maps are left out as well"
        return True, ""

    def _scaled(self, found: Planes, micrograph: Micrograph, notes: list[str]) -> tuple[Planes, tuple[str, ...]]:
        height, width = micrograph.shape
        if height * width > LIMIT:
            raise InputError("image", f"{width}x{height}", f"has more than {LIMIT} pixels: cut it")
        ratio = 1.0 if self.pixel_size_nm is None else micrograph.pixel_size_nm / self.pixel_size_nm
        if abs(math.log(ratio)) <= SAME_SCALE:
            return found, tuple(notes)
        shape = (max(1, round(height * ratio)), max(1, round(width * ratio)))
        if math.prod(shape) > LIMIT:
            raise InputError("pixel_size_nm", micrograph.pixel_size_nm, f"the model works at {self.pixel_size_nm:g} nm "
                             "per pixel, where this image would be too large: cut it, or check its pixel size")
        notes.append(f"resampled from {micrograph.pixel_size_nm:g} to {self.pixel_size_nm:g} nm per pixel")
        images = F.interpolate(torch.from_numpy(found.images)[None], size=shape, mode="bilinear", antialias=True)[0]
        elements = [gathered(micrograph.eds[name], shape) if name in micrograph.eds else
                    np.zeros(tuple(-(-side // STRIDE) for side in shape), dtype=np.float32) for name in self.elements]
        return replace(found, images=images.numpy(), elements=np.stack(elements) if elements else
                       np.zeros((0, *(-(-side // STRIDE) for side in shape)), dtype=np.float32)), tuple(notes)

    def logits(self, found: Planes, *, device: str = "cpu", tile: int | None = TILE
               ) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
        """Answers that are doubted against each other, piece by piece; see `tile.logits`."""
        return logits(self.passes, found, device=device, tile=tile, together=self.together)

    @property
    def together(self) -> int:
        """Passes that give one answer: those of a net, where there is another one to differ from it."""
        return self.orientations if len(self.nets) > 1 else 1

    @cached_property
    def passes(self) -> tuple[Net, ...]:
        """The nets as they are used: folded (`net.folded`), in each orientation (`mirrored.seen_from`)."""
        return seen_from([folded(net) for net in self.nets], self.orientations)

    def segment(self, micrograph: Micrograph, *, device: str = "cpu", tile: int | None = TILE,
                dropout: int = 0, seed: int = 0) -> Segmentation:
        """Segment a micrograph.

        Parameters
        ----------
        tile : pixels a side that are worked on at a time; None for all at once. The answer is the same.
        dropout : passes with random channels dropped (Gal and Ghahramani 2016, arXiv 1506.02142) that stand for
            different nets: the cheap way to doubt where there is one net.
        seed : of these.
        """
        found, notes = self.planes(micrograph)
        shape = (found.images.shape[1], found.images.shape[2])
        readout = Readout(len(self.classes), shape, *self.scaling(found))
        for place, answers in _passes(self, found, device, tile, dropout, seed):
            readout.take(place, answers)
        return self.finished(readout, micrograph, shape, notes)

    def finished(self, readout: Readout, micrograph: Micrograph, shape: tuple[int, int], notes: tuple[str, ...]
                 ) -> Segmentation:
        """The segmentation on the micrograph's own grid, from what the nets said at `shape`."""
        share, doubt, heads = readout.arrays()
        if shape != micrograph.shape:
            share, doubt, heads = _enlarged(share, doubt, heads, micrograph.shape)
        answer = Segmentation(classes=self.classes, probability=share, doubt=doubt, heads=heads, nets=len(self.nets),
                              pixel_size_nm=micrograph.pixel_size_nm, calibrated=self.calibrated, notes=notes)
        return fused(answer, micrograph, Composition.of(self.card["fusion"])) if self.fuses else answer


def given(found: Planes) -> str:
    """What there is of the inputs: everything, the images, or less.

    Probabilities are off in another way when less is there, so each has a calibration of its own.
    """
    if not bool((found.has_image > 0).all()):
        return FIRST
    return ALL if bool((found.has_element > 0).all()) else IMAGES


def check_device(device: str) -> None:
    """Refuse a device that is not there."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("--device", device, "PyTorch sees no CUDA device here: use --device cpu")


def _passes(model: Segmenter, found: Planes, device: str, tile: int | None, dropout: int, seed: int
            ) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
    if not dropout:
        return model.logits(found, device=device, tile=tile)
    from ssbray import rng

    copies: list[Net] = []
    for k in range(dropout):
        net = model.nets[k % len(model.nets)]
        copies.append(_dropping(net, rng.subseed(seed, "dropout", k)))
    return logits(seen_from(copies, model.orientations), found, device=device, tile=tile, together=model.together)


class _Fixed(nn.Module):
    """One draw of which channels are dropped, the same all over the image, so that tiles agree."""

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__()
        self.rate, self.seed = rate, seed

    def forward(self, x: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        keep = (torch.rand(x.shape[1], generator=generator) >= self.rate).to(x) / (1 - self.rate)
        return x * keep[None, :, None, None]


def _dropping(net: Net, seed: int) -> Net:
    """A copy that shares the weights and drops a fixed draw of channels."""
    import copy

    memo = {id(value): value for value in (*net.parameters(), *net.buffers())}
    twin = copy.deepcopy(net, memo)
    for k, module in enumerate(twin.modules()):
        drop = getattr(module, "dropout", None)
        if isinstance(drop, nn.Dropout2d) and drop.p > 0:
            module.dropout = _Fixed(drop.p, (seed + k) % 2**63)
    return twin.eval()


def _enlarged(share: np.ndarray, doubt: np.ndarray, heads: dict[str, np.ndarray], shape: tuple[int, int]
              ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Bring what was found at the model's scale to the image's grid."""
    def to(planes: np.ndarray) -> np.ndarray:
        return F.interpolate(torch.from_numpy(planes.astype(np.float32))[None], size=shape, mode="bilinear",
                             antialias=True)[0].numpy()

    share = to(share)
    share /= share.sum(axis=0)
    return share, to(doubt[None])[0], {name: to(plane[None])[0].astype(np.float16) for name, plane in heads.items()}
