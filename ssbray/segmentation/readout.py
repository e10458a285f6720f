"""What nets say of an image, gathered piece by piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssbray.segmentation.calibrate import averaged
from ssbray.segmentation.net import HEADS

ROWS = 64  #: of a piece that are worked on at a time: as much as stays in a processor's cache


class Readout:
    """Probabilities, the doubt between nets, and the heads; each pass over a piece costs time, so there are few.

    Parameters
    ----------
    classes : number of phases.
    shape : of the image.
    temperature, bias : calibration of the phases, see `calibrate.averaged`.
    """

    def __init__(self, classes: int, shape: tuple[int, int], temperature: float, bias: Sequence[float]) -> None:
        self.classes, self._temperature, self._bias = classes, temperature, bias
        self._share = torch.empty(classes, *shape)
        self._doubt = torch.zeros(shape)
        self._heads = torch.empty(len(HEADS), *shape, dtype=torch.float16)

    def take(self, place: tuple[slice, slice], answers: Sequence[Tensor]) -> None:
        """Take the logits of each net, (classes + heads, rows, columns), for a place in the image."""
        for first in range(0, answers[0].shape[1], ROWS):
            rows = slice(first, min(first + ROWS, answers[0].shape[1]))
            there = slice(place[0].start + rows.start, place[0].start + rows.stop)
            self._take((there, place[1]), [answer[:, rows].contiguous() for answer in answers])

    def _take(self, place: tuple[slice, slice], answers: Sequence[Tensor]) -> None:
        everywhere = (slice(None), *place)
        each = [averaged([answer[: self.classes]], self._temperature, self._bias) for answer in answers]
        mean = each[0] if len(each) == 1 else torch.stack(each).mean(dim=0)
        self._share[everywhere] = mean.cpu()
        if len(each) > 1:
            own = torch.stack([_entropy(share) for share in each]).mean(dim=0)
            self._doubt[place] = (_entropy(mean) - own).clamp(min=0).cpu()
        lines = [answer[self.classes : -1].float().sigmoid() for answer in answers]
        away = [answer[-1].float().clamp(0, 1) for answer in answers]
        self._heads[(slice(None, -1), *place)] = (lines[0] if len(lines) == 1 else torch.stack(lines).mean(dim=0)).cpu()
        self._heads[(-1, *place)] = (away[0] if len(away) == 1 else torch.stack(away).mean(dim=0)).cpu()

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, NDArray[np.float16]]]:
        """Probability (C, H, W), doubt (H, W) [nat], and heads by name, (H, W) each."""
        return (self._share.numpy(), self._doubt.numpy(),
                dict(zip(HEADS, self._heads.numpy(), strict=True)))


def _entropy(share: Tensor) -> Tensor:
    return -torch.special.xlogy(share, share).sum(dim=0)
