"""What the net is asked to get right."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ssbray.segmentation.example import NOTHING

HEAVIEST = 12.0  #: weight of a pixel on a line beside one off it, at most


def phase_loss(logits: Tensor, labels: Tensor, weight: Tensor, even: float) -> Tensor:
    """A mixture, `even` of the one and the rest of the other, of a loss for rare classes and plain cross entropy.

    The first is cross entropy, weighted by class, plus one minus the mean Dice coefficient of the classes that occur:
    it finds what is rare, and too much of it where an edge is in doubt. The second, twice the cross entropy, is a
    proper score: least where probabilities are true, at edges too.

    logits (n, C, H, W), labels (n, H, W), weight (C,).
    """
    rare = _for_rare(logits, labels, weight) if even > 0 else logits.new_zeros(())
    plain = 2 * _plain(logits, labels) if even < 1 else logits.new_zeros(())
    return even * rare + (1 - even) * plain


def _plain(logits: Tensor, labels: Tensor) -> Tensor:
    total = F.cross_entropy(logits, labels.long(), ignore_index=NOTHING, reduction="sum")
    return total / (labels != NOTHING).sum().clamp(min=1)


def _for_rare(logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    known = labels != NOTHING
    target = torch.where(known, labels, 0).long()
    entropy = F.cross_entropy(logits, target, weight=weight, reduction="none")
    entropy = (entropy * known).sum() / (weight[target] * known).sum().clamp(min=1.0)
    share = logits.float().softmax(dim=1) * known[:, None]
    truth = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2).to(share.dtype) * known[:, None]
    both, either = (share * truth).sum(dim=(0, 2, 3)), (share + truth).sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    dice = 1 - (2 * both[present] / either[present]).mean() if bool(present.any()) else entropy.new_zeros(())
    return entropy + dice


def coarse_loss(logits: Tensor, fractions: Tensor, lines: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy against the class fractions of each cell, Dice on the fractions, and the loss of lines.

    logits (n, C + lines, h, w), fractions (n, C, h, w), lines (n, lines, h, w), NaN unknown.
    """
    classes = fractions.shape[1]
    logs = logits[:, :classes].float().log_softmax(dim=1)
    scaled = fractions * weight[None, :, None, None]
    entropy = -(scaled * logs).sum() / scaled.sum().clamp(min=1e-6)
    share = logs.exp() * fractions.sum(dim=1, keepdim=True)
    both = torch.minimum(share, fractions).sum(dim=(0, 2, 3))
    either = (share + fractions).sum(dim=(0, 2, 3))
    present = fractions.sum(dim=(0, 2, 3)) > 0
    return (entropy + 1 - (2 * both[present] / either[present].clamp(min=1e-6)).mean()
            + 0.25 * lines_loss(logits[:, classes:], lines))


def heads_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Loss of the lines and defects, smooth L1 of the distance; (n, 5, H, W) both, NaN unknown."""
    known = (~torch.isnan(targets[:, -1])).float()
    away = F.smooth_l1_loss(logits[:, -1].float(), torch.nan_to_num(targets[:, -1]), beta=0.1, reduction="none")
    return 0.5 * lines_loss(logits[:, :-1], targets[:, :-1]) + (away * known).sum() / known.sum().clamp(min=1)


def lines_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy and Dice, summed over kinds of line, (n, kinds, H, W) both, NaN unknown.

    Lines are thin: their pixels weigh more, as the root of how rare they are, and Dice does not see the empty rest.
    """
    known = (~torch.isnan(targets)).float()
    target = torch.nan_to_num(targets)
    total = logits.new_zeros((), dtype=torch.float32)
    for k in range(logits.shape[1]):
        mask, truth, line = known[:, k], target[:, k], logits[:, k].float()
        count = mask.sum()
        if count == 0:
            continue
        share = float((truth * mask).sum() / count)
        heavy = min(HEAVIEST, max(share, 1e-4) ** -0.5)
        weight = (1 + (heavy - 1) * truth) * mask
        entropy = F.binary_cross_entropy_with_logits(line, truth, reduction="none")
        total = total + (entropy * weight).sum() / weight.sum()
        if share > 0:
            chance = line.sigmoid() * mask
            total = total + 1 - 2 * (chance * truth).sum() / (chance + truth * mask).sum().clamp(min=1e-6)
    return total


def class_weights(counts: Tensor, power: float = 0.4) -> Tensor:
    """Rarer classes weigh more, as a power of their share; the mean over pixels is one."""
    share = counts / counts.sum()
    weight = torch.where(counts > 0, share.clamp(min=1e-6) ** -power, torch.zeros_like(share))
    return weight / (weight * share).sum()
