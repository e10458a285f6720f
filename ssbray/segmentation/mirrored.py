"""Nets that see an image from several sides: what is no matter of orientation is averaged out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ssbray.segmentation.net import Net

MOST = 4  #: orientations: as it is, left-right, upside down, and both
LEFT_RIGHT = 2  #: those that an image with a top and a bottom has
CHOICES = (1, LEFT_RIGHT, MOST)
AXES: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))  #: of (n, channels, rows, columns), reversed in each


class MirroredPart(nn.Module):
    """A part of a net that is given its inputs reversed; its answers are reversed back."""

    def __init__(self, part: nn.Module, axes: Sequence[int]) -> None:
        super().__init__()
        self.part, self.axes = part, tuple(axes)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the part gives, in the orientation of the inputs."""
        answer = self.part(*(x.flip(self.axes) for x in inputs))
        return answer.flip(self.axes) if isinstance(answer, Tensor) else tuple(each.flip(self.axes) for each in answer)


class Mirrored(nn.Module):
    """A net for one orientation; shares the weights."""

    def __init__(self, net: Net, axes: Sequence[int]) -> None:
        super().__init__()
        self.coarse, self.fine = MirroredPart(net.coarse, axes), MirroredPart(net.fine, axes)


def seen_from(nets: Sequence[Net], orientations: int) -> tuple[Net | Mirrored, ...]:
    """Each net in the first so many orientations. The sides of what they are given are multiples of `net.UNIT`."""
    return tuple(Mirrored(net, axes) if axes else net for net in nets for axes in AXES[:orientations])
