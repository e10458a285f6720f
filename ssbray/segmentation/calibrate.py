"""Temperature scaling: probabilities that are right as often as they say (Guo et al. 2017, arXiv 1706.04599)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ssbray.segmentation.example import NOTHING

RANGE = (0.25, 8.0)


def averaged(logits: Sequence[Tensor], temperature: float) -> Tensor:
    """Mean over nets of softmax(logits / temperature), (C, ...) each."""
    found = (logits[0].float() / temperature).softmax(dim=0)
    for more in logits[1:]:
        found = found + (more.float() / temperature).softmax(dim=0)
    return found / len(logits)


def temperature(logits: Sequence[Tensor], labels: Tensor) -> float:
    """The temperature at which the averaged probabilities of the labels are highest.

    logits : (C, n) of each net; labels (n,). Golden-section search over the logarithm of the temperature.
    """
    known = labels != NOTHING
    logits = [each[:, known] for each in logits]
    index = labels[known].long()

    def misfit(log_t: float) -> float:
        share = averaged(logits, float(torch.exp(torch.tensor(log_t))))
        return float(-share.gather(0, index[None]).clamp(min=1e-12).log().mean())

    low, high = (float(torch.log(torch.tensor(edge))) for edge in RANGE)
    golden = (5**0.5 - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = misfit(a), misfit(b)
    while high - low > 0.01:
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = misfit(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = misfit(b)
    return float(torch.exp(torch.tensor((low + high) / 2)))
