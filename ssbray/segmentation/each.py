"""A function called with many items: one after the other here, or as whoever calls has it done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ssbray.segmentation.fit import Progress

Each = Callable[[Callable[[Any], Any], Sequence[Any], Progress | None], list[Any]]


def one_by_one(function: Callable[[Any], Any], items: Sequence[Any], progress: Progress | None = None) -> list[Any]:
    """Call a function with each item; answers in the order of the items."""
    answers = []
    for item in items:
        answers.append(function(item))
        if progress is not None:
            progress(len(answers), len(items))
    return answers
