"""The nets of an ensemble as Ray tasks, side by side where there is room."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import ray

from ssbray.cluster.session import THREADS, cluster_cpus, cluster_gpus
from ssbray.errors import InputError
from ssbray.segmentation.fit import Training
from ssbray.segmentation.train import Inputs, Member, member


def train_members(count: int, place: str, stems: Sequence[str], found: Inputs, seed: int, training: Training,
                  device: str, on_time: Callable[[float, float], None] | None = None) -> list[Member]:
    """Train the nets of an ensemble; `training.minutes` is the time for all of them together.

    Each task gets an equal share of the CPUs (of the GPUs, on CUDA); with more nets than that they take turns. The
    folder must be visible on every node.
    """
    cpus = max(1, cluster_cpus())
    gpus = cluster_gpus() if device.startswith("cuda") else 0.0
    threads = max(1, cpus // count)
    turns = math.ceil(count / max(1, cpus // threads)) if not gpus else math.ceil(count / max(1, int(gpus)))
    each = replace(training, minutes=training.minutes / turns)
    names = {name: str(threads) for name in THREADS}
    task = ray.remote(num_cpus=threads, num_gpus=min(1.0, gpus), max_retries=1,
                      runtime_env={"env_vars": names})(member)
    waiting = [task.remote(place, list(stems), found, seed, k, each, device, threads=threads) for k in range(count)]
    began, limit = time.monotonic(), 60 * training.minutes
    pending = list(waiting)
    while pending:
        _, pending = ray.wait(pending, num_returns=len(pending), timeout=1.0)
        if on_time is not None and time.monotonic() - began < limit:
            on_time(min(time.monotonic() - began, limit), limit)
    try:
        return ray.get(waiting)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise
