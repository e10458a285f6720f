"""Reading formulas."""

from collections import Counter
from fractions import Fraction

import pytest

from ssbray.errors import InputError
from ssbray.materials.formula import parse


def amounts(formula: str) -> dict[str, Fraction]:
    total: Counter[str] = Counter()
    for site in parse(formula):
        total["/".join(site.elements)] += site.amount
    return dict(total)


@pytest.mark.parametrize(("formula", "expected"), [
    ("Li2ZrO3", {"Li": 2, "Zr": 1, "O": 3}),
    ("Li6.4La3Zr1.4Ta0.6O12", {"Li": Fraction(32, 5), "La": 3, "Zr": Fraction(7, 5), "Ta": Fraction(3, 5), "O": 12}),
    ("Co", {"Co": 1}),
    ("CO", {"C": 1, "O": 1}),
    ("Li1.3Al0.3Ti1.7(PO4)3", {"Li": Fraction(13, 10), "Al": Fraction(3, 10), "Ti": Fraction(17, 10), "P": 3, "O": 12}),
    ("Mg((OH)2(CO3)0.5)2", {"Mg": 1, "O": 7, "H": 4, "C": 1}),
    ("[LiO2]2Li", {"Li": 3, "O": 4}),
    ("La(Ni,Co)O3", {"La": 1, "Ni/Co": 1, "O": 3}),
    ("(La,Sr)2(Ni,Co,Mn)O4", {"La/Sr": 2, "Ni/Co/Mn": 1, "O": 4}),
    ("La(Ni0.5,Co0.5)O3", {"La": 1, "Ni": Fraction(1, 2), "Co": Fraction(1, 2), "O": 3}),
])
def test_amounts(formula, expected):
    assert amounts(formula) == expected


@pytest.mark.parametrize("formula", [
    "", "li2O", "Li2 O", "2LiO", "Li7-xLa3", "La(Ni,Co", "La(Ni,Co]O3", "LaNi)O3", "La()O3", "La(Ni,)O3", "La,Ni",
    "La(Ni0.5,Co)O3", "La(NiO,Co)O3", "Li1.", "Li.5O",
])
def test_what_is_no_formula_is_refused_by_its_name(formula):
    with pytest.raises(InputError) as refused:
        parse(formula)
    assert (refused.value.field, refused.value.value) == ("formula", formula)
