"""Sentences that say what is unusual about a map, in words of those who look at maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssbray.domain import FloatArray

PERCENTILE = 99
SMALL_SHARE = 0.01  #: of the loss, below which a phase's share is not worth a word


def percent(value: float) -> str:
    """Write a share.

    >>> percent(0.4137), percent(0.0041)
    ('41 %', '0.41 %')
    """
    return f"{100 * value:.2g} %" if value < 0.995 else "100 %"


def _three(value: float) -> str:
    return f"{value:.3g}"


PHRASES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "area": ("{what} covers {value} of the map", percent),
    "loss": ("{what} carries {value} of the loss", percent),
    "thickness": ("{what} has a mean thickness of {value}", lambda value: f"{value:.3g} nm"),
    "regions": ("{what} is in {value} regions", lambda value: f"{value:.0f}"),
    "largest": ("the largest region of {what} covers {value} of the map", percent),
    "length": ("the longest region of {what} is {value} times as long as the electrodes are apart", _three),
    "slenderness": ("a region of {what} is {value} times as long as thick", _three),
    "width": ("the longest region of {what} is {value} thick", lambda value: f"{value:.3g} nm"),
    "contact": ("{what} meet along {value} times the distance of the electrodes", _three),
}

BROKEN = "nothing that conducts joins the electrodes"
WORDS = {"interfaces": "what has no thickness (films, grain boundaries, charge transfer)"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One quantity that is unusual."""

    name: str  #: "<sort>:<phase>"
    beyond: float  #: by how much it lies outside the percentiles of the known maps
    sentence: str


def say(name: str, value: float) -> str:
    """Put a quantity of `describe` into words.

    >>> say("loss:La2Zr2O7", 0.41)
    'La2Zr2O7 carries 41 % of the loss'
    >>> say("contact:LLZO|NMC811", 1.6)
    'LLZO and NMC811 meet along 1.6 times the distance of the electrodes'
    """
    sort, what = name.split(":", 1)
    phrase, form = PHRASES[sort]
    return phrase.format(what=WORDS.get(what, what.replace("|", " and ")), value=form(value))


def compare(name: str, sentence: str, value: float, known: FloatArray, form: Callable[[float], str]
            ) -> Finding | None:
    """Say how a quantity compares with known ones, (n,); None where it lies among them.

    >>> compare("area:pore", "pore covers 12 % of the map", 0.12, np.array([0.02, 0.11]), percent).sentence
    'pore covers 12 % of the map: more than in any of 2 training maps (at most 11 %)'
    """
    n = len(known)
    low, high = np.percentile(known, [100 - PERCENTILE, PERCENTILE])
    if value > high:
        beyond = value - high
        if not known.any():
            tail = f"none of {n} training maps has any"
        elif value > known.max():
            tail = f"more than in any of {n} training maps (at most {form(float(known.max()))})"
        else:
            tail = f"beyond the {PERCENTILE}th percentile of {n} training maps ({form(float(high))})"
    elif value < low:
        beyond = low - value
        tail = (f"less than in any of {n} training maps (at least {form(float(known.min()))})"
                if value < known.min() else f"below the 1st percentile of {n} training maps ({form(float(low))})")
    else:
        return None
    return Finding(name=name, beyond=float(beyond), sentence=f"{sentence}: {tail}")


def sentences(findings: Sequence[Finding], losses: Mapping[str, float], most: int = 3) -> tuple[str, ...]:
    """Choose the most telling findings, one for each phase or contact, with what the phase costs.

    Parameters
    ----------
    findings : of one map.
    losses : phase -> share of the loss.
    most : sentences, at most.
    """
    told: dict[str, str] = {}
    for finding in sorted(findings, key=lambda one: (-one.beyond, one.name)):
        sort, what = finding.name.split(":", 1)
        if what not in told:
            share = losses.get(what, 0.0)
            cost = f"{say(f'loss:{what}', share)}; " if sort != "loss" and share >= SMALL_SHARE else ""
            told[what] = cost + finding.sentence
    return tuple(told.values())[:most]


def carriers(losses: Mapping[str, float], least: float = 0.05) -> str:
    """Say which phases carry the loss, from the largest share on; the first is named whatever its share.

    >>> carriers({"La2Zr2O7": 0.41, "NMC811": 0.36, "interfaces": 0.21, "LLZO": 0.02})
    'of the loss, 41 % is in La2Zr2O7, 36 % in NMC811, 21 % in thin interfaces'
    """
    order = sorted(losses.items(), key=lambda item: (-item[1], item[0]))
    chosen = [(f"thin {name}" if name == "interfaces" else name, percent(share))
              for k, (name, share) in enumerate(order) if k == 0 or share >= least]
    first, *others = chosen
    return ", ".join([f"of the loss, {first[1]} is in {first[0]}", *(f"{share} in {name}" for name, share in others)])


def disagreement(ln_truth: float, mean: float, std: float) -> str:
    """Say how a solved conductivity compares with the predicted one, both as ln sigma.

    >>> disagreement(0.0, 1.0986, 0.2)
    'the solved conductivity is 3 times lower than the predicted one, 5.5 standard deviations of the prediction'
    """
    if not (np.isfinite(ln_truth) and np.isfinite(mean)):
        who = "solved" if np.isfinite(mean) else "predicted"
        other = "predicted" if who == "solved" else "solved"
        return f"the {who} map does not conduct, the {other} one does"
    factor, way = np.exp(abs(ln_truth - mean)), "lower" if ln_truth < mean else "higher"
    return (f"the solved conductivity is {factor:.2g} times {way} than the predicted one, "
            f"{abs(ln_truth - mean) / std:.2g} standard deviations of the prediction")
