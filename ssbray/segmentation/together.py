"""Several micrographs through the nets at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.segmentation.inputs import Planes
from ssbray.segmentation.readout import Readout
from ssbray.segmentation.segmentation import Segmentation
from ssbray.segmentation.tile import prepared, run
from ssbray.segmentation.views import with_presence

if TYPE_CHECKING:
    from ssbray.segmentation.model import Segmenter

LARGEST = 1024  #: pixels a side of what shares a pass with others


def segment_all(model: Segmenter, micrographs: Sequence[Micrograph], *, device: str = "cpu"
                ) -> list[Segmentation | InputError]:
    """Segment micrographs; those of one size and one set of inputs go through the nets together.

    Each answer is what `Segmenter.segment` gives, but for the round-off of float32; a micrograph that the model
    cannot take is an error in its place, and no other one's. What has a side longer than `LARGEST` goes alone.
    """
    answers: list[Segmentation | InputError | None] = [None] * len(micrographs)
    alike: dict[tuple[object, ...], list[tuple[int, Planes, tuple[str, ...]]]] = {}
    for k, micrograph in enumerate(micrographs):
        try:
            found, notes = model.planes(micrograph)
        except InputError as error:
            answers[k] = error
            continue
        kind = (found.images.shape, found.elements.shape, found.has_image.tobytes(), found.has_element.tobytes())
        alone = () if max(found.images.shape[1:]) <= LARGEST else (k,)
        alike.setdefault((kind, alone), []).append((k, found, notes))
    for group in alike.values():
        if len(group) == 1:
            answers[group[0][0]] = model.segment(micrographs[group[0][0]], device=device)
            continue
        logits = _logits(model, [found for _, found, _ in group], device)
        for one, (k, found, notes) in enumerate(group):
            height, width = found.images.shape[1:]
            readout = Readout(len(model.classes), (height, width), *model.scaling(found))
            readout.take((slice(0, height), slice(0, width)), [each[one, :, :height, :width] for each in logits])
            answers[k] = model.finished(readout, micrographs[k], (height, width), notes)
    return [answer for answer in answers if answer is not None]


def _logits(model: Segmenter, found: Sequence[Planes], device: str) -> list[Tensor]:
    """Answers as those of `Segmenter.logits`, (n, classes + heads, H, W) each, H and W padded."""
    images, cells, presence = (torch.cat(parts) for parts in zip(*map(prepared, found), strict=True))
    with torch.inference_mode():
        parts = with_presence(images, presence).to(device)
        answers = [run(net.fine, parts, run(net.coarse, cells.to(device))[0]) for net in model.passes]
    every = [answer for answer in answers if isinstance(answer, Tensor)]
    if model.together == 1:
        return every
    return [torch.stack(every[k : k + model.together]).mean(dim=0) for k in range(0, len(every), model.together)]
