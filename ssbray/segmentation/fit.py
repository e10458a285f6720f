"""Training of one net: the context first, then the coarse part on top of it, then the fine part."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ssbray import rng
from ssbray.segmentation import loss, views
from ssbray.segmentation.augment import Augmentation
from ssbray.segmentation.example import Example
from ssbray.segmentation.mirrored import LEFT_RIGHT, MOST
from ssbray.segmentation.net import STRIDE, UNIT, Net, Size, placed
from ssbray.segmentation.views import Batch, Pooled

Progress = Callable[[int, int], None]
Part = TypeVar("Part", bound=nn.Module)
FROZEN = 0.6  #: share of a stage after which batch statistics no longer change
MEASURED = 48  #: windows on which they are measured
CROPS = 2  #: of a window, where it has room for them
PRESENT = 1e-3  #: share of an image from which a class counts as there


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train. Time or steps limit it; with steps the result does not depend on the machine's speed."""

    minutes: float = 12.0  #: for each net
    steps: int | None = None  #: for each net, instead of minutes
    context_share: float = 0.3  #: of the time or the steps
    coarse_share: float = 0.2
    rate: float = 2e-3  #: peak learning rate
    decay: float = 1e-2  #: of weights (AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101)
    window: int = 1024  #: largest window that the coarse part and the context see [pixels]
    cells: int = 2**14  #: cells in a step of either, one window at least: many small steps learn more in a given time
    crop: int = 256  #: pixels a side of what the fine part sees
    even: float = 0.0  #: share of the fine part's loss in which rare classes weigh more, see `loss.phase_loss`
    pixels: int = 2**16  #: pixels in a step of the fine part, one window at least
    augmentation: Augmentation = field(default_factory=Augmentation)
    size: Size = field(default_factory=Size)
    orientations: int | None = None  #: in which the net sees an image in use; all that it learns by default

    @property
    def sides(self) -> int:
        """Number of orientations in use."""
        return self.orientations or (MOST if self.augmentation.any_way_up else LEFT_RIGHT)

    @classmethod
    def suited(cls, pixel_size_nm: float | None, **options: Any) -> Self:
        """As it is for images of one scale; where there is none, more time for the context: it must tell the scale.

        Folders without a scale are also small: what is rare in them, as cracks, would hardly be learnt unless it
        weighed more. It does not otherwise, since probabilities would be off at edges, and thin layers too thick.
        """
        slow: dict[str, Any] = {} if pixel_size_nm is not None else {
            "context_share": 0.55, "coarse_share": 0.15, "even": 1.0}
        return cls(**{**slow, **options})


class Clock:
    """How far a stage is: by steps, or by the clock."""

    def __init__(self, seconds: float, steps: int | None, report: Progress | None, share: tuple[float, float]) -> None:
        self._seconds, self._steps, self._report, self._share = seconds, steps, report, share
        self._began, self.step = time.monotonic(), 0

    def tick(self) -> float | None:
        """Share of the stage that is done, 0..1; None when it is over."""
        done = (self.step / self._steps if self._steps is not None
                else (time.monotonic() - self._began) / self._seconds)
        if self._report is not None:
            low, high = self._share
            self._report(round(1000 * (low + (high - low) * min(done, 1.0))), 1000)
        if done >= 1:
            return None
        self.step += 1
        return done


def fit(examples: Sequence[Example], *, images: int, elements: int, classes: int, pore: int | None, seed: int,
        training: Training, device: str = "cpu", progress: Progress | None = None) -> tuple[Net, dict[str, float]]:
    """Train one net.

    Parameters
    ----------
    examples : labelled images with `images` image planes and `elements` element planes.
    classes : number of classes; pore : index of the class of pores, or None.
    seed : of the initial weights and of all that is drawn.
    progress : called with (done, total).

    Returns
    -------
    The net, its batch statistics frozen, and figures: steps of both stages, seconds.
    """
    torch.manual_seed(rng.subseed(seed, "net"))
    random = rng.stream(seed, "views")
    pools = [views.pooled(example, classes) for example in examples]
    counts = torch.stack([pool.fractions.sum(dim=(1, 2)) for pool in pools]).sum(dim=0)
    weight = loss.class_weights(counts).to(device)
    chance = chances(pools)
    net = placed(Net(images, elements, classes, training.size), device)
    window = _window(pools, training.window)
    began = time.monotonic()

    def cells(spacing: int) -> Batch:
        count = max(1, training.cells * spacing**2 // math.prod(window))
        return views.draw(_pick(pools, count, chance, random), window, training.augmentation, random)

    def far(part: nn.Module, batch: Batch) -> Tensor:
        wide = _last(net.coarse.wide(batch.cells.to(device)))
        shares, lines = nn.functional.avg_pool2d(batch.fractions, 2), nn.functional.max_pool2d(batch.lines, 2)
        return loss.coarse_loss(part(wide)[1], shares.to(device), lines.to(device), weight)

    def phases(part: nn.Module, batch: Batch) -> Tensor:
        answers = part(_last(batch.cells.to(device)))[1]
        return loss.coarse_loss(answers, batch.fractions.to(device), batch.lines.to(device), weight)

    ends = (training.context_share, training.context_share + training.coarse_share)

    def clock(stage: int) -> Clock:
        low, high = (0.0, *ends, 1.0)[stage : stage + 2]
        steps = None if training.steps is None else round(high * training.steps) - round(low * training.steps)
        left = 60 * training.minutes * high - (time.monotonic() - began)
        return Clock(max(left, 1.0), None if steps is None else max(1, steps), progress, (low, high))

    first = clock(0)
    net.coarse.context = _stage(net.coarse.context, first, lambda: cells(2 * STRIDE), far, training=training,
                                device=device).requires_grad_(False)
    second = clock(1)
    net.coarse = _stage(net.coarse, second, lambda: cells(STRIDE), phases, training=training, device=device)
    net.coarse.eval().requires_grad_(False)

    crop = min(training.crop, *window)
    each_window = min(CROPS, math.prod(side // crop for side in window))  # all of a window is seen for them
    many = max(1, training.pixels // crop**2 // each_window)

    def pixels() -> Batch:
        chosen = _pick(pools, many, chance, random)
        return views.draw(chosen, window, training.augmentation, random, crop=crop, crops=each_window, pore=pore)

    def fine(part: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            features = net.coarse(_last(batch.cells.to(device)))[0]
        part_of = crop // STRIDE
        features = torch.stack([features[k, :, row : row + part_of, column : column + part_of]
                                for k, row, column in batch.corners])
        assert batch.pixels is not None
        assert batch.labels is not None
        assert batch.extra is not None
        logits = part(_last(batch.pixels.to(device)), features)
        return (loss.phase_loss(logits[:, :classes], batch.labels.to(device), weight, training.even)
                + 0.5 * loss.heads_loss(logits[:, classes:], batch.extra.to(device)))

    third = clock(2)
    net.fine = _stage(net.fine, third, pixels, fine, training=training, device=device)
    net.eval()
    return net, {"context_steps": first.step, "coarse_steps": second.step, "fine_steps": third.step,
                 "seconds": time.monotonic() - began}


def chances(pools: Sequence[Pooled]) -> np.ndarray:
    """How often each example is drawn, (n,): those with a class that few specimens have come more often.

    The chance goes with the root of the mean, over the classes of an example, of one over the number of specimens that
    have it. It is shared among the examples of a specimen: ten images of one tell less about the next than one image of
    each of ten. Examples without known pixels are not drawn.
    """
    present = np.array([[float(share) > PRESENT for share in pool.fractions.mean(dim=(1, 2))] for pool in pools])
    _, specimen = np.unique([pool.example.group for pool in pools], return_inverse=True)
    having = np.array([len(set(specimen[column])) for column in present.T])
    rarity = np.where(present, 1 / np.maximum(having, 1), 0.0)
    weight = np.sqrt(rarity.sum(axis=1) / np.maximum(present.sum(axis=1), 1))
    weight = weight / np.maximum(np.bincount(specimen, weights=weight > 0), 1)[specimen]
    return weight / weight.sum() if weight.sum() > 0 else np.full(len(pools), 1 / len(pools))


def _window(pools: Sequence[Pooled], most: int) -> tuple[int, int]:
    """Rows and columns of a window that takes in the largest example, or `most` of it."""
    sides = np.max([pool.example.labels.shape for pool in pools], axis=0)
    rows, columns = (min(most, math.ceil(side / UNIT) * UNIT) for side in sides.tolist())
    return rows, columns


def _pick(pools: list[Pooled], count: int, chance: np.ndarray, random: np.random.Generator) -> list[Pooled]:
    return [pools[k] for k in random.choice(len(pools), size=count, p=chance)]


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _stage(part: Part, clock: Clock, draw: Callable[[], Batch], objective: Callable[[Part, Batch], Tensor], *,
           training: Training, device: str) -> Part:
    """Train a part; returns the running average of its weights.

    From `FROZEN` of the way on the batch statistics stay as they are: the net goes on learning as the function that
    it will be, and not as one that knows the other images of its batch.
    """
    part.train()
    for inner in part.modules():
        if (own := list(inner.parameters())) and not any(weight.requires_grad for weight in own):
            inner.eval()  # learnt in an earlier stage
    average: Part | None = None
    optimiser = torch.optim.AdamW([weight for weight in part.parameters() if weight.requires_grad], lr=training.rate,
                                  weight_decay=training.decay)
    kind = "cuda" if device.startswith("cuda") else "cpu"
    averaged = 0
    while (done := clock.tick()) is not None:
        for group in optimiser.param_groups:
            group["lr"] = training.rate * min(1.0, done / 0.05 + 0.02) * 0.5 * (1 + math.cos(math.pi * done))
        if average is None and done >= FROZEN:
            _freeze(part, draw, objective, kind)
            average = copy.deepcopy(part).requires_grad_(False)
        batch = draw()
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=half_is_fast(kind)):
            value = objective(part, batch)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(part.parameters(), 5.0)
        optimiser.step()
        if average is not None:
            averaged += 1
            with torch.no_grad():
                for mean, now in zip(average.parameters(), part.parameters(), strict=True):
                    mean.lerp_(now, max(0.01, 1 / (1 + averaged / 10)))
    if average is None:  # so little time that not even this was reached
        _freeze(part, draw, objective, kind)
        average = part
    return average.eval()


def _freeze(part: Part, draw: Callable[[], Batch], objective: Callable[[Part, Batch], Tensor], kind: str) -> None:
    """Measure the batch statistics anew, as plain means over batches of `MEASURED` windows, and keep them."""
    norms = [module for module in part.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad(), torch.autocast(kind, dtype=torch.bfloat16, enabled=half_is_fast(kind)):
        seen = 0
        while seen < MEASURED:
            batch = draw()
            objective(part, batch)
            seen += len(batch.cells)
    for norm in norms:
        norm.eval()


def half_is_fast(kind: str) -> bool:
    """Whether the processor multiplies bfloat16 in hardware; elsewhere it would be slower than float32."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
