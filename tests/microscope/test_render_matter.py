"""How strongly phases scatter, against the table of weights and hand calculations."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray import materials
from ssbray.errors import InputError
from ssbray.microscope.rendering import composition, elements, optics

P = (1.6, 1.7, 2.0)

#: Phase -> HAADF weight per volume relative to LLZO at the exponents P; Ta 0.6 lies a little above the Ta 0.5 (1.10,
#: 1.11, 1.14) that was computed elsewhere.
WEIGHTS = {"Al-LLZO": (1, 1, 1), "NMC811": (0.70, 0.65, 0.53), "NMC622": (0.69, 0.64, 0.51),
           "La2Zr2O7": (1.26, 1.27, 1.28), "Li2ZrO3": (0.68, 0.65, 0.59), "Li6Zr2O7": (0.55, 0.53, 0.47),
           "Li2CO3": (0.17, 0.15, 0.08), "Ta-LLZO": (1.12, 1.13, 1.17), "La(Ni,Co)O3": (1.485, 1.485, 1.485)}


@pytest.mark.parametrize("key", WEIGHTS)
def test_weights_relative_to_llzo(key):
    phases = composition.of_phases((key,), materials.load(), {})
    found = [composition.powers(phases, p)[0] for p in P]
    assert found == pytest.approx(WEIGHTS[key], rel=0.04, abs=0.006)


def test_number_densities_of_a_known_cell():
    """Pyrochlore: 8 formula units in (1.0786 nm)^3, whatever the density table says, within a per cent."""
    made = composition.of_phases(("La2Zr2O7",), materials.load(), {})[0]
    assert made.atoms_per_cm3["La"] == pytest.approx(16 / 1.0786e-7**3, rel=0.012)
    assert made.atoms_per_cm3["O"] / made.atoms_per_cm3["Zr"] == pytest.approx(3.5)


def test_every_bundled_phase_can_be_rendered():
    keys = tuple(materials.load().phases)
    made = composition.of_phases(keys, materials.load(), {})
    assert all(each.density_g_per_cm3 > 0 for key, each in zip(keys, made, strict=True) if key != "pore")


def test_a_phase_without_a_density_is_refused_until_one_is_given():
    entry = {"formula": "LiTaO3", "family": "coating", "ionic": None}
    tables = materials.load({"phases": {"LiTaO3": entry}})
    with pytest.raises(InputError, match="give it in g/cm3"):
        composition.of_phases(("LiTaO3",), tables, {})
    made = composition.of_phases(("LiTaO3",), tables, {"LiTaO3": 7.45})[0]
    assert made.atoms_per_cm3["Ta"] == pytest.approx(7.45 / 235.9 * 6.022e23, rel=1e-3)


def test_spread_of_the_beam_in_llzo():
    """6.5 nm at 100 nm and 200 keV, and as the power 1.5 of the thickness."""
    b = optics.beam_spread_nm(composition.REFERENCE, 100, 200)
    assert b == pytest.approx(6.5, rel=0.03)
    assert optics.beam_spread_nm(composition.REFERENCE, 200, 200) == pytest.approx(b * 2**1.5)
    assert optics.beam_spread_nm(composition.NOTHING, 100, 200) == 0
    width = optics.spread_fwhm_nm((composition.REFERENCE, composition.NOTHING), np.array([0.8, 0.2]), 100, 200)
    assert width == pytest.approx(b / 2 / 4.292 * 2.3548, rel=1e-3)


def test_elements_are_in_order():
    assert [elements.number(name) for name in ("H", "O", "Ni", "Zr", "La", "Ta", "Pt")] == [1, 8, 28, 40, 57, 73, 78]
    assert elements.weight("La") == 138.91
    with pytest.raises(InputError, match="Xx"):
        elements.number("Xx")
