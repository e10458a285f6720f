"""Who is champion: a challenger must be better in the likelihood of what it has not seen, and no worse in coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import beta

NOMINAL = 0.90  #: share of values that 90 % intervals should hold
PREFIX = "ssbray.score."


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How good a model was on specimens that it has not seen."""

    nll: float  #: mean negative log density of ln sigma [nats]
    coverage90: float  #: share of the values inside their 90 % interval
    n: int  #: specimens
    data: str  #: sha256 of which specimens; scores of different ones say nothing about each other

    def as_tags(self) -> dict[str, str]:
        """For MLflow."""
        return {f"{PREFIX}{name}": str(getattr(self, name)) for name in ("nll", "coverage90", "n", "data")}

    def in_words(self) -> str:
        """For people, short enough for a column of MLflow's table.

        >>> Scores(nll=-1.2345, coverage90=0.9, n=60, data="").in_words()
        'NLL -1.234, covers 90 % (n 60)'
        """
        return f"NLL {self.nll:.3f}, covers {100 * self.coverage90:.0f} % (n {self.n})"

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Scores | None:
        """What `as_tags` wrote; None if it is not there."""
        try:
            return cls(nll=float(tags[f"{PREFIX}nll"]), coverage90=float(tags[f"{PREFIX}coverage90"]),
                       n=int(tags[f"{PREFIX}n"]), data=tags[f"{PREFIX}data"])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a version became, or stays, champion, and why."""

    promoted: bool
    version: int  #: the challenger
    champion: int | None  #: afterwards
    reason: str


def judge(version: int, scores: Scores | None, holder: int | None, holders: Scores | None) -> Decision:
    """Decide between a challenger and the holder of the title.

    The challenger needs the lower NLL, and a coverage that is no worse: as near to 90 % as the
    holder's, or no farther from it than chance explains (the exact 95 % interval of a share seen in n
    cases, Clopper and Pearson, Biometrika 26, 404 (1934), holds 90 %). Where nobody holds the title the
    second condition alone decides. Scores on different specimens are not compared.
    """
    def verdict(promoted: bool, reason: str) -> Decision:
        return Decision(promoted=promoted, version=version, champion=version if promoted else holder, reason=reason)

    if holder == version:
        return verdict(True, "is champion already")
    if scores is None or not math.isfinite(scores.nll) or scores.n < 1:
        return verdict(False, "has no held-out NLL and coverage")
    fair = explained(scores)
    covers = f"coverage {scores.coverage90:.1%} of {scores.n}"
    if holder is None:
        return verdict(fair, f"there was no champion, and {covers} is within chance of {NOMINAL:.0%}" if fair else
                       f"{covers} is farther from {NOMINAL:.0%} than chance explains")
    if holders is None:
        return verdict(False, f"the champion, version {holder}, has no scores: score both on the same specimens")
    if holders.data != scores.data:
        return verdict(False, f"it and the champion, version {holder}, were scored on different specimens: score both "
                       "on the same")
    likelier = scores.nll < holders.nll
    nearer = abs(scores.coverage90 - NOMINAL) <= abs(holders.coverage90 - NOMINAL)
    facts = (f"NLL {scores.nll:.3f} against {holders.nll:.3f} of version {holder}, {covers} against "
             f"{holders.coverage90:.1%}")
    return verdict(likelier and (nearer or fair), facts)


def explained(scores: Scores) -> bool:
    """Whether chance explains how far the coverage is from nominal.

    >>> explained(Scores(nll=0.0, coverage90=0.8, n=10, data="")), explained(Scores(nll=0.0, coverage90=0.8, n=200,
    ...                                                                             data=""))
    (True, False)
    """
    n, k = scores.n, round(scores.coverage90 * scores.n)
    low = float(beta.ppf(0.025, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return low <= NOMINAL <= high
