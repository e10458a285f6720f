"""Held-out sets that ask for more than more of the same: between what was learnt, and beyond it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssbray.errors import InputError

SHARE = 0.2  #: of the specimens held out


def split(values: ArrayLike, kind: str) -> NDArray[np.bool_]:
    """Mark the specimens to hold out, (n,), by a parameter of their process.

    Parameters
    ----------
    values : (n,) the parameter of each specimen.
    kind : "between": the middle fifth of the values, so that a model must join what lies on either side
        (where mean-field posteriors are too sure: Foong et al., arXiv 1906.11537); "beyond": the top fifth.

    >>> split([3.0, 1.0, 2.0, 5.0, 4.0], "between").tolist()
    [True, False, False, False, False]
    >>> split([3.0, 1.0, 2.0, 5.0, 4.0], "beyond").tolist()
    [False, False, False, True, False]
    """
    if kind not in ("between", "beyond"):
        raise InputError("split", kind, "choose between or beyond")
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        raise InputError("by", "this parameter", "a split needs a numeric parameter that varies: name another")
    low, high = (0.5 - SHARE / 2, 0.5 + SHARE / 2) if kind == "between" else (1 - SHARE, 1.0)
    below, above = np.quantile(x, [low, high])
    out = np.asarray((x >= below) & (x <= above) if kind == "between" else x > below)
    if not 0 < out.sum() < len(out):
        raise InputError("by", "this parameter", "has too few different values for a split: name another")
    return out
