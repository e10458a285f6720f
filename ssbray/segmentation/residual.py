"""The block that the nets are made of, in one piece or in several that fit in a cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssbray.segmentation.pieces import Piece, gathered

HALO = 2  #: cells that a block looks to each side: two convolutions of three
SIDE = 128  #: cells a side of a piece: few enough that what a block holds of them fits in a cache


def _conv(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, padding=1, bias=False)


class Residual(nn.Module):
    """Two convolutions and a short cut (He et al. 2016, 10.1109/CVPR.2016.90)."""

    def __init__(self, inside: int, outside: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.first_norm = _conv(inside, outside), nn.BatchNorm2d(outside)
        self.second, self.second_norm = _conv(outside, outside), nn.BatchNorm2d(outside)
        self.short = nn.Conv2d(inside, outside, 1, bias=False) if inside != outside else nn.Identity()
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inside, h, w) -> (n, outside, h, w)."""
        inner = torch.relu_(self.first_norm(self.first(x)))
        return torch.relu_(self.second_norm(self.second(self.dropout(inner))) + self.short(x))


@dataclass(frozen=True)
class Source:
    """What a block takes its channels from: cells as they are, the means of four, or each one four times."""

    cells: Tensor  #: (n, channels, h, w)
    change: Literal["none", "pooled", "doubled"] = "none"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that the block sees."""
        rows, columns = self.cells.shape[2:]
        return {"none": (rows, columns), "pooled": (rows // 2, columns // 2),
                "doubled": (2 * rows, 2 * columns)}[self.change]

    def cut(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """What the block sees between these rows and columns, all of them even."""
        if self.change == "pooled":
            return F.avg_pool2d(self.cells[:, :, 2 * top : 2 * bottom, 2 * left : 2 * right], 2)
        if self.change == "doubled":
            half = self.cells[:, :, top // 2 : bottom // 2, left // 2 : right // 2]
            return F.interpolate(half, scale_factor=2.0, mode="nearest")
        return self.cells[:, :, top:bottom, left:right]


def through(block: nn.Module, *sources: Source) -> Tensor:
    """A `Residual` on the channels of all sources, which have one shape.

    In use on a processor, many cells go through in pieces, with the same answer: what is pooled, doubled and joined
    then never lies in memory as a whole. In training, and on a GPU, they go through at once.
    """
    shape = sources[0].shape
    if any(source.shape != shape for source in sources):
        raise ValueError(f"sources of different shapes: {', '.join(str(source.shape) for source in sources)}")
    if block.training or max(shape) <= 2 * SIDE or sources[0].cells.device.type != "cpu":
        whole: Tensor = block(_joined(sources, 0, shape[0], 0, shape[1]))
        return whole

    def answer(piece: Piece) -> Tensor:
        seen = _joined(sources, piece.top, piece.bottom, piece.left, piece.right)
        found: Tensor = block(seen.contiguous(memory_format=torch.channels_last))
        return found
    return gathered(shape, SIDE, HALO, answer)


def _joined(sources: tuple[Source, ...], top: int, bottom: int, left: int, right: int) -> Tensor:
    parts = [source.cut(top, bottom, left, right) for source in sources]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
