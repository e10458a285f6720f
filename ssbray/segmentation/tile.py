"""A net over a whole image, piece by piece, with the same answer as in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssbray.segmentation.inputs import Planes
from ssbray.segmentation.net import STRIDE, UNIT, Net, reach
from ssbray.segmentation.pieces import Piece, gathered, pieces
from ssbray.segmentation.views import assemble, with_presence

TILE = 512  #: pixels a side that the fine part yields at a time: what it holds of them fits in a cache
CELLS = 1536  #: cells a side that the coarse part sees at a time, halo apart


def prepared(planes: Planes) -> tuple[Tensor, Tensor, Tensor]:
    """Images (1, k, H, W) extended to multiples of `UNIT`, input of the coarse part (1, c, h, w), presence (1, k)."""
    height, width = planes.images.shape[1:]
    more = (-width % UNIT, -height % UNIT)
    images = torch.from_numpy(np.pad(planes.images, ((0, 0), (0, more[1]), (0, more[0])), mode="edge"))[None]
    elements = torch.from_numpy(planes.elements)[None]
    cells = (images.shape[2] // STRIDE, images.shape[3] // STRIDE)
    if elements.shape[1]:
        grown = (0, cells[1] - elements.shape[3], 0, cells[0] - elements.shape[2])
        elements = F.pad(elements, grown, mode="replicate")
    else:
        elements = elements.new_zeros(1, 0, *cells)
    has_image = torch.from_numpy(planes.has_image)[None]
    has_element = torch.from_numpy(planes.has_element)[None]
    return images, assemble(F.avg_pool2d(images, STRIDE), elements, has_image, has_element), has_image


def run(part: nn.Module, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """A part of a net on inputs in the layout that is fastest for it."""
    return part(*(x.contiguous(memory_format=torch.channels_last) for x in inputs))


def coarse_features(net: Net, cells: Tensor, device: str, size: int = CELLS) -> Tensor:
    """Features (1, width, h, w) of the coarse part, on the processor; in pieces where the image is large."""
    multiple = UNIT // STRIDE
    halo = -(-reach()[0] // UNIT) * multiple

    def answer(piece: Piece) -> Tensor:
        part = cells[:, :, piece.top : piece.bottom, piece.left : piece.right].to(device)
        return run(net.coarse, part)[0].to("cpu")
    return gathered((cells.shape[2], cells.shape[3]), size // multiple * multiple, halo, answer)


def logits(nets: Sequence[Net], planes: Planes, *, device: str = "cpu", tile: int | None = TILE,
           coarse: int = CELLS, together: int = 1) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
    """Run nets over an image; tile=None takes it in one piece.

    Of so many nets `together`, one after the other in `nets`, there is one answer: the mean of their logits.

    Yields
    ------
    Place in the image (rows, columns), and for each answer the logits there, (classes + heads, rows, columns).
    """
    shape = (planes.images.shape[1], planes.images.shape[2])
    images, cells, has_image = prepared(planes)
    with torch.inference_mode():
        features = [coarse_features(net, cells, device, coarse) for net in nets]
        del cells
        halo = 0 if tile is None else -(-reach()[1] // STRIDE) * STRIDE
        step = max(images.shape[2:]) if tile is None else max(1, tile // UNIT) * UNIT
        for piece in pieces((images.shape[2], images.shape[3]), step, halo):
            rows, columns = (slice(place.start, min(place.stop, side))
                             for place, side in zip(piece.place, shape, strict=True))
            if rows.start >= shape[0] or columns.start >= shape[1]:
                continue
            part = with_presence(images[:, :, piece.top : piece.bottom, piece.left : piece.right], has_image).to(device)
            kept = (slice(piece.core[0].start, piece.core[0].start + rows.stop - rows.start),
                    slice(piece.core[1].start, piece.core[1].start + columns.stop - columns.start))
            found: list[Tensor] = []
            for k, (net, feature) in enumerate(zip(nets, features, strict=True)):
                cut = feature[:, :, piece.top // STRIDE : piece.bottom // STRIDE,
                              piece.left // STRIDE : piece.right // STRIDE].to(device)
                answer = run(net.fine, part, cut)
                assert isinstance(answer, Tensor)
                inner = answer[0, :, kept[0], kept[1]]
                if k % together:
                    found[-1] += inner
                else:
                    found.append(inner)
            yield (rows, columns), found if together == 1 else [total.div_(together) for total in found]
