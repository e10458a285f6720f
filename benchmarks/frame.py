"""A 4096 x 4096 frame through a segmenter: pixel rate against the bare nets, memory, and the analysis after it.

    .venv/bin/python benchmarks/frame.py --model models/segmenter
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch
from record import record

from ssbray import rng
from ssbray.analysis.draws import Trust, dislocations, drawn, likely, measured
from ssbray.analysis.interval import intervals
from ssbray.domain import Micrograph
from ssbray.segmentation import Segmenter
from ssbray.segmentation.net import STRIDE


def peak_gb() -> float:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Time it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--tiles", type=int, nargs="+", default=[512, 1024], help="of the bare nets: the faster counts")
    parser.add_argument("--draws", type=int, default=4)
    options = parser.parse_args()
    model = Segmenter.load(options.model)
    bare = max(_bare(model, side) for side in options.tiles)
    image = _frame(options.side)
    before = peak_gb()
    began = time.perf_counter()
    found = model.segment(image)
    spent = time.perf_counter() - began
    rate = options.side**2 / spent
    print(f"segment {options.side}^2: {spent:.1f} s, {rate / 1e6:.2f} Mpx/s, {rate / bare:.2f} of the bare nets; "
          f"peak {peak_gb():.2f} GB, {peak_gb() - before:.2f} GB more than before", flush=True)
    record("segmentation", f"{options.side}^2 frame", "million pixels a second", rate / 1e6,
           {"bare nets on tiles": bare / 1e6}, less_is_better=False, note=f"{peak_gb() - before:.2f} GB more")
    began = time.perf_counter()
    lines, centre, trust = dislocations(found), likely(found), Trust.of(model.card)
    own = measured(lines, centre)
    once = time.perf_counter() - began
    intervals(own, [measured(lines, each) for each in drawn(found, centre, options.draws, trust, 0)], trust)
    print(f"grains and measurements {once:.1f} s; with {options.draws} draws {time.perf_counter() - began:.1f} s; "
          f"peak {peak_gb():.2f} GB")


def _bare(model: Segmenter, side: int) -> float:
    """Pixels a second of all passes over one tile, again and again."""
    net = model.nets[0]
    channels = {1: net.fine.stem.first.in_channels // 4, STRIDE: net.coarse.context.down[0].first.in_channels}
    images, cells = (torch.rand(1, count, side // part, side // part).contiguous(memory_format=torch.channels_last)
                     for part, count in channels.items())
    rates = []
    with torch.inference_mode():
        for _ in range(6):
            began = time.perf_counter()
            for each in model.passes:
                each.fine(images, each.coarse(cells)[0])
            rates.append(side**2 / (time.perf_counter() - began))
    found = float(np.median(rates[1:]))
    print(f"bare nets ({len(model.nets)}, {len(model.passes)} passes), {side}^2: {found / 1e6:.2f} Mpx/s "
          f"({min(rates[1:]) / 1e6:.2f} to {max(rates[1:]) / 1e6:.2f})", flush=True)
    return found


def _frame(side: int) -> Micrograph:
    """Something like an interface: bands with pores and noise."""
    random = rng.stream(0, "frame")
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    line = 0.5 + 0.03 * np.sin(9 * x) + 0.01 * np.sin(31 * x)
    image = np.where(y < line, 1.0, np.where(y < line + 0.02, 1.25, 0.65)).astype(np.float32)
    for cx, cy, r in random.uniform((0, 0, 0.01), (1, 0.45, 0.03), (12, 3)):
        image[(x - cx) ** 2 + (y - cy) ** 2 < r**2] = 0.05
    image += 0.05 * random.standard_normal(image.shape, dtype=np.float32)
    return Micrograph(images={"haadf": image}, pixel_size_nm=2.0)


if __name__ == "__main__":
    main()
