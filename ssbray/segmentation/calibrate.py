"""Probabilities that are right as often as they say: temperature and class biases on specimens that no net has seen.

One temperature (Guo et al. 2017, arXiv 1706.04599), and one bias for each class, since classes that weighed more in
training are found too readily. Both together minimise the negative log probability of the labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ssbray.segmentation.example import NOTHING

RANGE = (0.25, 8.0)  #: of the temperature
FARTHEST = 4.0  #: of a bias from zero
STEADY = 1e-3  #: penalty on biases: a class that the specimens hardly have keeps none


def averaged(logits: Sequence[Tensor], temperature: float | Tensor, bias: Sequence[float] | Tensor | None = None
             ) -> Tensor:
    """Mean over nets of softmax(logits / temperature + bias), (C, ...) each."""
    shape = (-1,) + (1,) * (logits[0].dim() - 1)
    shift = torch.zeros(len(logits[0])) if bias is None else torch.as_tensor(bias, dtype=torch.float32)
    found: Tensor | None = None
    for each in logits:
        scaled = each.float() / temperature
        share = (scaled + shift.to(each.device).reshape(shape) if bias is not None else scaled).softmax(dim=0)
        found = share if found is None else found + share
    assert found is not None
    return found / len(logits) if len(logits) > 1 else found


def scaling(logits: Sequence[Tensor], labels: Tensor) -> tuple[float, list[float]]:
    """Temperature and biases at which the averaged probabilities of the labels are highest.

    logits : (C, n) of each net; labels (n,). The biases sum to zero.
    """
    known = labels != NOTHING
    kept = [each[:, known].detach() for each in logits]
    index = labels[known].long()[None]
    log_t = torch.zeros(1, requires_grad=True)
    bias = torch.zeros(len(kept[0]), requires_grad=True)
    optimiser = torch.optim.LBFGS([log_t, bias], lr=0.5, max_iter=60, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        share = averaged(kept, log_t.exp(), bias - bias.mean())
        value = -share.gather(0, index).clamp(min=1e-12).log().mean() + STEADY * (bias - bias.mean()).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(step)  # type: ignore[no-untyped-call]
    low, high = (math.log(edge) for edge in RANGE)
    centred = (bias - bias.mean()).detach().clamp(-FARTHEST, FARTHEST)
    return float(log_t.detach().clamp(low, high).exp()), [float(value) for value in centred]
