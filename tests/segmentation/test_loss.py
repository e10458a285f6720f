"""What the net is asked for at an edge that is in doubt."""

from __future__ import annotations

import pytest
import torch

from ssbray.segmentation.example import NOTHING
from ssbray.segmentation.loss import class_weights, phase_loss


def pull(even: float) -> float:
    """How the loss pulls at the logit of a rare class that has 30 in 100 pixels, where the net says just that."""
    labels = torch.zeros(1, 10, 10, dtype=torch.uint8)
    labels[0, :3] = 1
    logits = torch.tensor([0.7, 0.3]).log()[None, :, None, None].expand(1, 2, 10, 10).clone().requires_grad_()
    weight = class_weights(torch.tensor([95.0, 5.0]))
    (slope,) = torch.autograd.grad(phase_loss(logits, labels, weight, even), logits)
    return -float(slope[0, 1].sum())


def test_plain_cross_entropy_is_content_with_true_probabilities_and_the_rare_loss_wants_more():
    assert pull(0.0) == pytest.approx(0.0, abs=1e-6)
    assert pull(1.0) > 0.1
    assert pull(0.5) == pytest.approx(0.5 * pull(1.0), rel=1e-4)


@pytest.mark.parametrize("even", [0.0, 0.5, 1.0])
def test_unknown_pixels_pull_at_nothing(even):
    labels = torch.full((1, 4, 4), NOTHING, dtype=torch.uint8)
    labels[0, 0] = 1
    logits = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(phase_loss(logits, labels, torch.ones(2), even), logits)
    assert slope[0, :, 0].abs().min() > 0
    assert slope[0, :, 1:].abs().max() == 0
    labels[0, 0] = NOTHING
    assert torch.isfinite(phase_loss(logits, labels, torch.ones(2), even))
