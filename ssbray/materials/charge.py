"""Whether the charges of a formula balance."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from fractions import Fraction

from ssbray.errors import InputError, SsbrayWarning
from ssbray.materials.formula import parse

Oxidation = Mapping[str, int | Iterable[int]]  #: element -> state, or the states it may take

#: Usual states in oxides and halides. The ions of an element with several may share them in any
#: proportion, so that every mean between the extremes is allowed.
VALENCE: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("H", "Li", "Na", "K", "Rb", "Cs", "Ag"), (1,)),
    **dict.fromkeys(("Mg", "Ca", "Sr", "Ba", "Zn", "Cd"), (2,)),
    **dict.fromkeys(("B", "Al", "Ga", "In", "Sc", "Y", "La", "Nd", "Sm", "Gd", "Dy", "Er", "Yb", "Lu", "Bi"), (3,)),
    **dict.fromkeys(("C", "Si", "Ge", "Ti", "Zr", "Hf"), (4,)),
    **dict.fromkeys(("P", "Nb", "Ta", "Sb"), (5,)),
    **dict.fromkeys(("Mo", "W", "Te"), (6,)),
    **dict.fromkeys(("Ni", "Co", "Mn"), (2, 3, 4)),
    "Fe": (2, 3), "Cr": (3, 6), "Cu": (1, 2), "V": (2, 3, 4, 5), "Ce": (3, 4), "Pr": (3, 4), "Sn": (2, 4), "Pb": (2, 4),
    **dict.fromkeys(("F", "Cl", "Br", "I"), (-1,)),
    **dict.fromkeys(("O", "S"), (-2,)),
    "N": (-3,),
}

#: What an unbalanced name most likely stands for.
PROBABLY: Mapping[str, str] = {"Li2Zr2O7": "La2Zr2O7 or Li6Zr2O7"}


def charge_balance(formula: str, oxidation: Oxidation | None = None) -> int | float:
    """Charge that a formula leaves over; zero if it can be neutral.

    Elements with several valences (Ni, Co and Mn: 2 to 4; others in `VALENCE`) and shared sites take the mean
    charge that comes nearest to neutrality. A bare element is neutral.

    Parameters
    ----------
    formula : such as "Li6.4La3Zr1.4Ta0.6O12".
    oxidation : state, or allowed states, per element; goes before the table `VALENCE`.

    Returns
    -------
    Elementary charges per formula unit; an int unless the subscripts make it a fraction.

    Raises
    ------
    InputError : if the formula cannot be read, or an element has no known state.

    >>> charge_balance("La2Zr2O7"), charge_balance("Li2Zr2O7"), charge_balance("LiNi0.8Mn0.1Co0.1O2")
    (0, -4, 0)
    """
    return _plain(sum(_charges(formula, oxidation)))


def check_formula(formula: str, oxidation: Oxidation | None = None) -> int | float:
    """Warn when a formula is not neutral, with what it may stand for; give its `charge_balance`."""
    positive, negative = _charges(formula, oxidation)
    if positive + negative:
        hint = f", probably {PROBABLY[formula]}" if formula in PROBABLY else ""
        warnings.warn(
            f"{formula} is not charge-neutral: {_plain(positive):+} against {_plain(negative):+}{hint}",
            SsbrayWarning, stacklevel=2)
    return _plain(positive + negative)


def _charges(formula: str, oxidation: Oxidation | None) -> tuple[Fraction, Fraction]:
    """Charge of the cations and of the anions, each as near to neutrality as its valences allow."""
    sites = parse(formula)
    if len({name for site in sites for name in site.elements}) == 1:
        return Fraction(0), Fraction(0)
    known = {**VALENCE, **{name: (s,) if isinstance(s, int) else tuple(s) for name, s in (oxidation or {}).items()}}
    low = {sign: Fraction(0) for sign in (1, -1)}
    high = dict(low)
    for site in sites:
        for name in site.elements:
            if name not in known:
                raise InputError("formula", formula, f"no oxidation state is known for {name}: pass one as "
                                 "`oxidation`, or leave the formula of a phase null")
        states = [state for name in site.elements for state in known[name]]
        sign = 1 if max(states) > 0 else -1
        low[sign] += site.amount * min(states)
        high[sign] += site.amount * max(states)
    negative = min(max(-low[1], low[-1]), high[-1])
    return min(max(-negative, low[1]), high[1]), negative


def _plain(charge: Fraction | int) -> int | float:
    return int(charge) if charge == int(charge) else float(charge)
