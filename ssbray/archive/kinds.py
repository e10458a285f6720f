"""What an archive holds, and what each kind may come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ssbray.errors import InputError, nearest


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Parents that a kind must have."""

    parents: tuple[str, ...]  #: kinds that its parents may be of
    least: int = 1  #: fewest parents
    most: int | None = 1  #: most parents; None: any number


KINDS = {
    "sample": Rule(parents=(), least=0, most=0),
    "location": Rule(parents=("sample",)),
    "micrograph": Rule(parents=("location",)),
    "segmentation": Rule(parents=("micrograph",), most=None),
    "graph": Rule(parents=("segmentation",)),
    "solution": Rule(parents=("segmentation", "graph"), most=None),
}  #: kind -> rule, from the sample down


def check_kind(kind: str) -> None:
    """Refuse a kind that there is not."""
    if kind not in KINDS:
        raise InputError("kind", kind, nearest(kind, KINDS))


def broken_rule(kind: str, parents: Sequence[str]) -> str | None:
    """Why entries of the kinds `parents` cannot be the parents of a `kind`; None if they can.

    >>> broken_rule("micrograph", ["sample"])
    'a micrograph comes from one location, not from a sample'
    >>> broken_rule("solution", ["segmentation", "graph"])
    """
    rule = KINDS[kind]
    many = len(parents) < rule.least or (rule.most is not None and len(parents) > rule.most)
    if not many and set(parents) <= set(rule.parents):
        return None
    given = ", ".join(f"{n} {name}s" if n > 1 else f"a {name}" for name, n in Counter(parents).items()) or "nothing"
    if not rule.parents:
        return f"a {kind} comes from nothing, not from {given}"
    number = "one" if rule.most == 1 else "one or more of"
    return f"a {kind} comes from {number} {' or '.join(rule.parents)}, not from {given}"
