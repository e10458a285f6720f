"""Keyed randomness: the same key gives the same bits, whoever draws first.

A stream is a Philox counter-based generator (Salmon et al., SC'11, 10.1145/2063384.2063405)
whose key is a hash of (seed, purpose, index...), so streams need no coordination between
workers and do not depend on the order in which they are made.
"""

from __future__ import annotations

import hashlib

import numpy as np


def key(seed: int, purpose: str, *index: int | str) -> int:
    """Hash (seed, purpose, index...) to a 128-bit key."""
    text = "\x1f".join([str(int(seed)), purpose, *(str(part) for part in index)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def stream(seed: int, purpose: str, *index: int | str) -> np.random.Generator:
    """Open the random stream of one purpose.

    >>> a, b = stream(1, "pores", 0), stream(1, "pores", 0)
    >>> bool(a.random() == b.random())
    True
    """
    return np.random.Generator(np.random.Philox(key=key(seed, purpose, *index)))


def subseed(seed: int, purpose: str, *index: int | str) -> int:
    """Derive a 63-bit seed for something that wants an integer (a specimen, torch)."""
    return key(seed, purpose, *index) & (2**63 - 1)
