"""Nets that see an image from several sides: what is no matter of orientation is averaged out.

Not the images are reversed but the kernels: convolutions that are padded with zeros, means over cells and repeated
cells know no direction otherwise. So the answers lie where they belong, and a side more costs no pass over the memory.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ssbray.segmentation.net import BLOCK, Net

MOST = 4  #: orientations: as it is, left-right, upside down, and both
LEFT_RIGHT = 2  #: those that an image with a top and a bottom has
CHOICES = (1, LEFT_RIGHT, MOST)
AXES: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))  #: of (n, channels, rows, columns), reversed in each


def seen_from(nets: Sequence[Net], orientations: int) -> tuple[Net, ...]:
    """Each net in the first so many orientations. The sides of what they are given are multiples of `net.UNIT`."""
    return tuple(mirrored(net, axes) if axes else net for net in nets for axes in AXES[:orientations])


def mirrored(net: Net, axes: Sequence[int]) -> Net:
    """A net that answers as the given one does for an image with these axes reversed, reversed back."""
    twin = copy.deepcopy(net)
    order = torch.arange(BLOCK**2).reshape(1, 1, BLOCK, BLOCK).flip(*axes).reshape(-1)  # of the pixels in a block
    with torch.no_grad():
        for part in twin.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.copy_(part.weight.flip(*axes))
        for part in (twin.fine.stem.first, twin.fine.stem.short):
            if isinstance(part, nn.Conv2d):
                part.weight.copy_(_reordered(part.weight.transpose(0, 1), order).transpose(0, 1))
        heads = twin.fine.heads
        heads.weight.copy_(_reordered(heads.weight, order))
        if heads.bias is not None:
            heads.bias.copy_(_reordered(heads.bias, order))
    return twin


def _reordered(weight: Tensor, order: Tensor) -> Tensor:
    """The channels (n * block, ...) of each block in another order."""
    return weight.reshape(-1, len(order), *weight.shape[1:])[:, order].reshape(weight.shape)
