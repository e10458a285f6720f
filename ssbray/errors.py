"""What can go wrong, by who can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is wrong, and the user can mend it (exit code 2, HTTP 422)."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(f"{field} = {value!r}: {remedy}")
        self.field, self.value, self.remedy = field, value, remedy

    def __reduce__(self) -> tuple[type[InputError], tuple[str, object, str]]:
        return type(self), (self.field, self.value, self.remedy)  # survives a process border


class SolverError(RuntimeError):
    """A linear solve gave no usable answer; nothing was returned in its place."""


class SsbrayWarning(UserWarning):
    """A result stands, but under a condition that the user should know."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Name the closest known word, as the tail of a remedy.

    >>> nearest("NMC81", ["NMC811", "LLZO"])
    "did you mean 'NMC811'? Known: LLZO, NMC811"
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    listing = f"Known: {', '.join(names)}"
    return f"did you mean {close[0]!r}? {listing}" if close else listing
