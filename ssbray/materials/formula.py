"""Chemical formulas, read into sites."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

from ssbray.errors import InputError

_TOKEN = re.compile(r"[A-Z][a-z]?|\d+(?:\.\d+)?|[()\[\],]")
_CLOSING = {"(": ")", "[": "]"}


@dataclass(frozen=True)
class Site:
    """Places in a formula unit, and the elements that share them in unstated proportions (usually one)."""

    elements: tuple[str, ...]
    amount: Fraction


def parse(formula: str) -> tuple[Site, ...]:
    """Split a formula into its sites, in the order of writing.

    Subscripts may be decimal, brackets nest, and ``(Ni,Co)`` is one site that the two share;
    with subscripts, ``(Ni0.5,Co0.5)``, the comma only separates.

    Raises
    ------
    InputError : where the formula cannot be read.

    >>> [(site.elements, str(site.amount)) for site in parse("La(Ni,Co)O3")]
    [(('La',), '1'), (('Ni', 'Co'), '1'), (('O',), '3')]
    """
    tokens, position = deque[str](), 0
    while position < len(formula):
        match = _TOKEN.match(formula, position)
        if match is None:
            raise _unreadable(formula, f"cannot be read at {formula[position:]!r}")
        tokens.append(match.group())
        position = match.end()
    sites = _sequence(formula, tokens)
    if tokens:
        raise _unreadable(formula, f"has a stray {tokens[0]!r}")
    return tuple(sites)


def _sequence(formula: str, tokens: deque[str]) -> list[Site]:
    """Consume sites until a closing bracket, a comma or the end."""
    sites: list[Site] = []
    while tokens and tokens[0] not in ")],":
        token = tokens.popleft()
        if token in _CLOSING:
            inside = _bracket(formula, tokens, _CLOSING[token])
        elif token[0].isalpha():
            inside = [Site((token,), Fraction(1))]
        else:
            raise _unreadable(formula, f"has a stray {token!r}")
        if tokens and tokens[0][0].isdigit():
            times = Fraction(tokens.popleft())
            inside = [Site(site.elements, site.amount * times) for site in inside]
        sites += inside
    if not sites:
        raise _unreadable(formula, "has an empty part")
    return sites


def _bracket(formula: str, tokens: deque[str], closing: str) -> list[Site]:
    """Consume a bracket that is already open: a group, or a site that several elements share."""
    members = [_sequence(formula, tokens)]
    while tokens and tokens[0] == ",":
        tokens.popleft()
        members.append(_sequence(formula, tokens))
    if not tokens or tokens.popleft() != closing:
        raise _unreadable(formula, f"lacks a {closing!r}")
    if len(members) == 1:
        return members[0]
    sites = [site for member in members for site in member]
    if len(sites) > len(members):
        raise _unreadable(formula, "lists more than single elements on a shared site")
    bare = [site.amount == 1 for site in sites]
    if all(bare):
        return [Site(tuple(name for site in sites for name in site.elements), Fraction(1))]
    if any(bare):
        raise _unreadable(formula, "gives a subscript to some elements of a shared site and not to others")
    return sites


def _unreadable(formula: str, why: str) -> InputError:
    return InputError("formula", formula, f"{why}; write it like Li6.4La3Zr1.4Ta0.6O12 or La(Ni,Co)O3")
