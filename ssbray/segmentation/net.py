"""A residual U-Net in three parts: context from coarse copies of the image, detail from the pixels.

All parts are convolutions whose normalisation is frozen after training, so that a tile with a
sufficient halo gives the same answer as the whole image. The coarse part sees the image averaged
over `STRIDE` pixels, and the X-ray counts, which mean little in a single pixel, beside the features
of the context part, which sees all of that at half the resolution and is trained before it: what
lies where is learnt in a quarter of the time there. The fine part works on blocks of 2 x 2 pixels
(space to depth, Shi et al. 2016, arXiv 1609.05158) and takes over the coarse part's features where
the two meet.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ssbray.segmentation.residual import Residual, Source, through

STRIDE = 4  #: pixels per cell of the coarse part
BLOCK = 2  #: pixels per cell of the fine part
LEVELS = 5  #: of the coarse part and of the context, each half as fine as the one before
UNIT = 2 * STRIDE * 2 ** (LEVELS - 1)  #: sides of what the net is given are multiples of this
LINES = ("grain boundary", "dislocation")  #: that the coarse part and the context learn beside the phases
HEADS = ("grain boundary", "phase boundary", "pore", "dislocation", "distance")  #: beside the phases


@dataclass(frozen=True, kw_only=True)
class Size:
    """How wide the net is."""

    context: int = 16  #: channels of the first level of the context; doubled at each level up to `widest`
    coarse: int = 16  #: the same of the coarse part
    fine: int = 16  #: of the fine part; twice that where the coarse features join
    widest: int = 128
    dropout: float = 0.15  #: of whole channels, in the innermost blocks


class Cells(nn.Module):
    """A U-Net over cells of several pixels, with phases and lines of its own to learn from."""

    def __init__(self, channels: int, classes: int, first: int, size: Size) -> None:
        super().__init__()
        width = [min(first * 2**level, size.widest) for level in range(LEVELS)]
        drop = [size.dropout if level >= LEVELS - 3 else 0.0 for level in range(LEVELS)]
        self.down = nn.ModuleList(Residual(channels if k == 0 else width[k - 1], width[k], drop[k])
                                  for k in range(LEVELS))
        self.up = nn.ModuleList(Residual(width[k + 1] + width[k], width[k], drop[k]) for k in range(LEVELS - 1))
        self.answers = nn.Conv2d(width[0], classes + len(LINES), 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, h, w) cells -> features (n, width, h, w) and logits (n, classes + lines, h, w)."""
        return self._flow(Source(x))

    def _flow(self, *sources: Source) -> tuple[Tensor, Tensor]:
        kept = [through(self.down[0], *sources)]
        for block in self.down[1:]:
            kept.append(through(block, Source(kept[-1], "pooled")))
        x = kept.pop()
        for level in reversed(range(LEVELS - 1)):
            x = through(self.up[level], Source(x, "doubled"), Source(kept.pop()))
        return x, self.answers(x)


class Coarse(Cells):
    """The coarse part: cells of `STRIDE` pixels, beside the features of their context.

    Channels `first` to `last` are roots of counts: their squares are averaged for the context, which so sees
    what counts on larger cells would be.
    """

    def __init__(self, channels: int, classes: int, size: Size, first: int, last: int) -> None:
        super().__init__(channels + min(size.context, size.widest), classes, size.coarse, size)
        self.context = Cells(channels, classes, size.context, size)
        self.first, self.last = first, last

    def wide(self, x: Tensor) -> Tensor:
        """Cells (n, channels, h, w) as the context sees them, (n, channels, h/2, w/2)."""
        wide = nn.functional.avg_pool2d(x, 2)
        if self.last == self.first:
            return wide
        roots = nn.functional.avg_pool2d(x[:, self.first : self.last] ** 2, 2).sqrt()
        return torch.cat([wide[:, : self.first], roots, wide[:, self.last :]], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, h, w) cells -> features (n, width, h, w) and logits (n, classes + lines, h, w)."""
        return self._flow(Source(x), Source(self.context(self.wide(x))[0], "doubled"))


class Fine(nn.Module):
    """The fine part: blocks of pixels, and once coarser, where the coarse features join."""

    def __init__(self, channels: int, classes: int, size: Size) -> None:
        super().__init__()
        width = size.fine
        self.stem = Residual(channels * BLOCK**2, width)
        self.join = Residual(width + size.coarse, 2 * width)
        self.out = Residual(3 * width, width)
        self.heads = nn.Conv2d(width, (classes + len(HEADS)) * BLOCK**2, 3, padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(n, channels, H, W) and features (n, width, H/4, W/4) -> (n, classes + heads, H, W)."""
        stem = self.stem(nn.functional.pixel_unshuffle(x, BLOCK))
        inner = self.join(torch.cat([nn.functional.avg_pool2d(stem, STRIDE // BLOCK), features], dim=1))
        inner = nn.functional.interpolate(inner, scale_factor=float(STRIDE // BLOCK), mode="nearest")
        return nn.functional.pixel_shuffle(self.heads(self.out(torch.cat([inner, stem], dim=1))), BLOCK)


class Net(nn.Module):
    """All parts.

    Parameters
    ----------
    images, elements : numbers of image channels and of element maps.
    classes : number of phases.
    """

    def __init__(self, images: int, elements: int, classes: int, size: Size) -> None:
        super().__init__()
        self.classes = classes
        self.coarse = Coarse(3 * images + 2 * elements + (elements > 0), classes, size, 3 * images,
                             3 * images + elements)
        self.fine = Fine(2 * images, classes, size)

    def forward(self, images: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2 images, H, W) and (n, all, H/4, W/4) -> logits (n, classes + heads, H, W) and the coarse ones."""
        features, answers = self.coarse(cells)
        return self.fine(images, features), answers[:, : self.classes]


def placed(net: Net, device: str) -> Net:
    """The net on a device, its weights laid out channels last, as the fast convolutions want them."""
    return net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def folded(net: Net) -> Net:
    """A copy for use, not for training: frozen normalisations become part of the convolutions before them.

    The answers are the same up to rounding; a pass over the memory is saved for each.
    """
    twin = copy.deepcopy(net).eval()
    for block in twin.modules():
        if isinstance(block, Residual):
            block.first = fuse_conv_bn_eval(block.first, block.first_norm)
            block.second = fuse_conv_bn_eval(block.second, block.second_norm)
            block.first_norm = block.second_norm = nn.Identity()  # type: ignore[assignment]
    return twin.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def reach() -> tuple[int, int]:
    """How far, in pixels, an output depends on the input: of the coarse part, and of the fine part given the coarse.

    A convolution of three reaches one cell of its level; pooling and doubling reach no further than a cell.
    """
    cells = sum(2**level * (2 + 1) for level in range(LEVELS))  # down: two convolutions, and the pooling
    cells += sum(2**level * (2 + 1) for level in range(LEVELS - 1))
    coarse = STRIDE * cells + 2 * STRIDE * (cells + 1)
    fine = BLOCK * (2 + 1) + STRIDE * (2 + 1) + BLOCK * (2 + 1 + 1)
    return coarse, fine
