"""Phases to visible classes and back."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray import materials
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.microscope.classes import CLASSES, solid, visible

TABLES = materials.load()
PHASES = ("Ga-LLZO", "t-LLZO", "La2Zr2O7", "LCBO", "NMC622", "pore")


def map_of(phases):
    return PhaseMap(labels=np.arange(len(phases), dtype=np.uint8)[None, :], phases=phases, pixel_size_nm=2.0)


def test_the_order_is_fixed_whatever_the_map():
    labels, names = visible(map_of(PHASES), TABLES)
    assert names == CLASSES == ("LLZO", "t-LLZO", "La2Zr2O7", "coating", "NMC", "pore")
    assert labels.tolist() == [[0, 1, 2, 3, 4, 5]]
    labels, names = visible(map_of(tuple(reversed(PHASES))), TABLES)
    assert (labels.tolist(), names) == ([[5, 4, 3, 2, 1, 0]], CLASSES)
    assert labels.dtype == np.uint8


def test_other_products_come_after_with_their_key():
    labels, names = visible(map_of(("Li2CO3", "a-LLZO", "Li2ZrO3", "LiNbO3")), TABLES)
    assert names == (*CLASSES, "Li2CO3", "Li2ZrO3")
    assert labels.tolist() == [[6, 0, 7, 3]]


def test_there_and_back():
    start = map_of(PHASES)
    labels, names = visible(start, TABLES)
    back = solid(labels, names, electrolyte="Ga-LLZO", cathode="NMC622", coating="LCBO", pixel_size_nm=2.0,
                 grains=np.ones((1, 6), np.int32), boundaries={"Ga-LLZO:NMC622:charge transfer": 30.0})
    assert [back.phases[k] for k in back.labels[0]] == list(PHASES)
    assert back.boundaries == {"Ga-LLZO:NMC622:charge transfer": 30.0}
    assert back.pixel_size_nm == 2.0


def test_a_coating_that_is_there_must_be_named():
    labels = np.array([[0, 3, 4]], dtype=np.uint8)
    with pytest.raises(InputError) as caught:
        solid(labels, CLASSES, electrolyte="Al-LLZO", cathode="NMC811", pixel_size_nm=1.0)
    assert str(caught.value) == "coating = None: say which coating it is, e.g. --phase coating=Li3BO3"
    bare = solid(np.array([[0, 4, 5]], np.uint8), CLASSES, electrolyte="Al-LLZO", cathode="NMC811", pixel_size_nm=1.0)
    assert "coating" not in bare.phases
    assert [bare.phases[k] for k in bare.labels[0]] == ["Al-LLZO", "NMC811", "pore"]


def test_labels_without_a_name_are_refused():
    with pytest.raises(InputError, match=r"only 0\.\.5 are named"):
        solid(np.array([[6]], np.uint8), CLASSES, electrolyte="Al-LLZO", cathode="NMC811", pixel_size_nm=1.0)
