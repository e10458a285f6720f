"""A function called with many items, side by side on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray

from ssbray.cluster.session import THREADS
from ssbray.errors import InputError


def each(function: Callable[[Any], Any], items: Sequence[Any], progress: Callable[[int, int], None] | None = None
         ) -> list[Any]:
    """Call a function with each item, one CPU and one thread for each; answers in the order of the items.

    A machine that dies is asked for again, elsewhere; what the function raises is raised here.
    """
    task = ray.remote(num_cpus=1, max_retries=2, runtime_env={"env_vars": THREADS})(_call)
    shared = [ray.put(function)]  # in a list, Ray leaves it to the worker to fetch it
    waiting = [task.remote(shared, item) for item in items]
    pending, count = list(waiting), len(waiting)
    try:
        while pending:
            done, pending = ray.wait(pending, num_returns=1)
            ray.get(done)  # what went wrong is told at once
            if progress is not None:
                progress(count - len(pending), count)
        return list(ray.get(waiting))
    except BaseException as error:
        for reference in pending:
            ray.cancel(reference, force=True)
        if isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, InputError):
            raise error.cause from None
        raise


_fetched: dict[str, Callable[[Any], Any]] = {}  #: the last function of this worker: nets need not come for each item


def _call(shared: list[Any], item: Any) -> Any:
    name = shared[0].hex()
    if name not in _fetched:
        _fetched.clear()
        _fetched[name] = ray.get(shared[0])
    return _fetched[name](item)
