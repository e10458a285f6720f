"""Cutting an image into tiles that overlap as much as they must, and putting together what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """A part of the image [pixels]: what is computed, and the core of it that counts."""

    top: int
    left: int
    bottom: int
    right: int
    core: tuple[slice, slice]  #: in the piece
    place: tuple[slice, slice]  #: in the image


def pieces(shape: tuple[int, int], tile: int, halo: int) -> Iterator[Piece]:
    """Cover an image with tiles, each with a halo that ends at the border of the image."""
    for top in range(0, shape[0], tile):
        for left in range(0, shape[1], tile):
            bottom, right = min(top + tile, shape[0]), min(left + tile, shape[1])
            high, low = max(0, top - halo), min(shape[0], bottom + halo)
            first, last = max(0, left - halo), min(shape[1], right + halo)
            yield Piece(high, first, low, last,
                        core=(slice(top - high, bottom - high), slice(left - first, right - first)),
                        place=(slice(top, bottom), slice(left, right)))


def gathered(shape: tuple[int, int], tile: int, halo: int, answer: Callable[[Piece], Tensor]) -> Tensor:
    """What is answered to each piece, (n, channels, rows, columns), put together to (n, channels, *shape)."""
    found: Tensor | None = None
    for piece in pieces(shape, tile, halo):
        core = answer(piece)[:, :, *piece.core]
        if core.shape[2:] == shape:
            return core
        if found is None:
            found = torch.empty((*core.shape[:2], *shape), dtype=core.dtype, device=core.device,
                                memory_format=torch.channels_last)
        found[:, :, *piece.place] = core
    assert found is not None
    return found
