"""What deviations and intervals are worth, from predictions of groups that a member has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.rng import stream
from ssbray.surrogate.scores import half_width

FEWEST_GRAPHS = 30  #: below this nothing is held out, and intervals are as the posterior has them
FEWEST_GROUPS = 5
FEWEST_CONFORMAL = 40  #: groups below which intervals stay Gaussian
LEVEL = 90  #: per cent


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """Factors on the deviations of a posterior, and the errors that they come from."""

    inflation: float = 1.0  #: of all deviations
    reach: float = half_width(LEVEL)  #: half the width of a 90 % interval, in inflated deviations
    graphs: int = 0  #: predictions of unseen groups behind these; 0: nothing was held out
    conformal: bool = False  #: whether `reach` is a quantile of theirs
    errors: FloatArray = field(default_factory=lambda: np.zeros(0))
    """(graphs,) |error| of each in inflated deviations, ascending: what `anomaly.inconsistency` is counted against"""


def hold_out(groups: Sequence[str], members: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose what each member does not see, (members, n): a fold of the groups; nothing if there are too few."""
    names = sorted(set(groups))
    out = np.zeros((members, len(groups)), dtype=bool)
    if members < 2 or len(groups) < FEWEST_GRAPHS or len(names) < FEWEST_GROUPS:
        return out
    folds = min(max(2, round(1 / fraction)), len(names))
    fold = dict(zip(stream(seed, "calibration groups").permutation(names), np.arange(len(names)) % folds, strict=True))
    for member in range(members):
        out[member] = [fold[group] == member % folds for group in groups]
    return out


def calibrate(error: FloatArray, held: NDArray[np.bool_], std: FloatArray, groups: Sequence[str]) -> Calibration:
    """Compare the errors of unseen predictions with the deviations.

    A graph was left out by a few members only, whose mean errs more than that of the whole mixture. As
    the members differ by independent draws, the mean square error of k of them is a + b / k; where some
    graphs were left out by several, a and b follow, and with them the error of all. Without, the error
    of one stands for it: deviations are then rather too wide than too narrow.

    All deviations are multiplied by the root mean square of the standardised errors (Levi et al., arXiv
    1905.11659), and the 90 % interval reaches to the conformal quantile, ceil((n + 1) 0.9) / n, of their
    absolute values (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018)).

    Parameters
    ----------
    error : (members, n) target - mean of each member.
    held : (members, n) whether the member has not seen the graph.
    std : (n,) deviation of the mixture.
    groups : n names.
    """
    times = held.sum(axis=0)
    unseen = times > 0
    if not unseen.any():
        return Calibration()
    mean = np.where(held, error, 0.0).sum(axis=0)[unseen] / times[unseen]
    z = mean / std[unseen]
    shrink = 1.0
    if (several := times[unseen] > 1).any():
        k = float(times[unseen][several].mean())
        one = np.where(held, error, 0.0)[:, unseen][:, several] / std[unseen][several]
        single = float(np.mean((one**2).sum(axis=0) / times[unseen][several]))
        pair = float(np.mean(z[several] ** 2))
        b = max(single - pair, 0.0) / (1 - 1 / k)
        shrink = max(1 - b * (1 / k - 1 / len(held)) / pair, 0.5) if pair > 0 else 1.0
    z = np.sort(np.abs(z)) * math.sqrt(shrink)
    inflation = float(np.sqrt(np.mean(z**2))) or 1.0
    n = len(z)
    rank = math.ceil((n + 1) * LEVEL / 100)
    if len(set(np.asarray(groups)[unseen])) < FEWEST_CONFORMAL:
        return Calibration(inflation=inflation, graphs=n, errors=z / inflation)
    return Calibration(inflation=inflation, reach=float(z[min(rank, n) - 1]) / inflation, graphs=n, conformal=True,
                       errors=z / inflation)
