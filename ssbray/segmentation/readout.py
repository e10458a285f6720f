"""What nets say of an image, gathered piece by piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
        mean, own = shares(answers[0][: self.classes], self._temperature, self._bias, len(answers) > 1)
        lines = answers[0][self.classes : -1].float().sigmoid()
        away = answers[0][-1].float().clamp(0, 1)
        for answer in answers[1:]:
            share, entropy = shares(answer[: self.classes], self._temperature, self._bias)
            mean, own = mean.add_(share), own.add_(entropy)
            lines += answer[self.classes : -1].float().sigmoid()
            away += answer[-1].float().clamp(0, 1)
        if (count := len(answers)) > 1:
            for total in (mean, own, lines, away):
                total /= count
            self._doubt[place] = torch.special.entr(mean).sum(dim=0).sub_(own).clamp_(min=0).cpu()
        self._share[(slice(None), *place)] = mean.cpu()
        self._heads[(slice(None, -1), *place)] = lines.cpu()
        self._heads[(-1, *place)] = away.cpu()

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, NDArray[np.float16]]]:
        """Probability (C, H, W), doubt (H, W) [nat], and heads by name, (H, W) each."""
        return (self._share.numpy(), self._doubt.numpy(),
                dict(zip(HEADS, self._heads.numpy(), strict=True)))


def shares(logits: Tensor, temperature: float, bias: Sequence[float], doubt: bool = True) -> tuple[Tensor, Tensor]:
    """softmax(logits / temperature + bias), (C, ...), and with `doubt` its entropy, (...) [nat], of one exponential."""
    shift = torch.tensor(bias, dtype=torch.float32, device=logits.device).reshape(-1, *[1] * (logits.dim() - 1))
    scaled = torch.add(shift, logits, alpha=1 / temperature)
    scaled -= scaled.amax(dim=0)
    share = scaled.exp()
    total = share.sum(dim=0)
    share /= total
    if not doubt:
        return share, torch.zeros_like(total)
    return share, total.log_().sub_(scaled.mul_(share).sum(dim=0))
