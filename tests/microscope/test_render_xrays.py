"""X-ray counts: budget, overlaps, background, absorption, binning."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray import materials
from ssbray.errors import InputError
from ssbray.microscope.rendering import composition, maps, xrays
from tests.microscope.quiet import settings

TABLES = materials.load()
LLZO, NMC = composition.REFERENCE, composition.of_phases(("NMC811",), TABLES, {})[0]
BUDGET = settings(eds_current_pA=200, eds_dwell_us=20, eds_frames=20, eds_solid_angle_sr=0.7)


def at_80nm(element, phase):
    return 80 * float(xrays.sensitivity([element], phase, BUDGET)[0])


@pytest.mark.parametrize(("element", "phase", "counts"), [
    ("La", LLZO, 0.42), ("Zr", LLZO, 0.27), ("O", LLZO, 0.51), ("Ni", NMC, 0.48), ("Co", NMC, 0.061)])
def test_counts_of_a_pixel_at_80_nm(element, phase, counts):
    assert at_80nm(element, phase) == pytest.approx(counts, rel=0.03)


def test_manganese_that_is_not_there():
    """La L-gamma fakes a tenth of the manganese of NMC811 in LLZO, which has none."""
    assert at_80nm("Mn", NMC) == pytest.approx(0.063, rel=0.03)
    assert at_80nm("Mn", LLZO) / at_80nm("Mn", NMC) == pytest.approx(0.10, abs=0.01)
    assert at_80nm("Ni", LLZO) == 0


def test_platinum_fakes_zirconium():
    made = xrays.sensitivity(["Zr"], composition.PLATINUM, BUDGET)[0]
    equal = LLZO.atoms_per_cm3["Zr"] / composition.PLATINUM.atoms_per_cm3["Pt"]
    assert made * equal / xrays.sensitivity(["Zr"], LLZO, BUDGET)[0] == pytest.approx(1.7, rel=1e-6)


def test_the_leak_matrix_is_one_on_its_diagonal_and_as_tabulated_beside_it():
    names = ["O", "Zr", "La", "Mn", "Pt", "Nb", "Ta", "Si", "Co", "Fe", "P", "Cr"]
    m = xrays.leak_matrix(names, names)
    assert (np.diag(m) == 1).all()
    off = {(a, b): m[i, j] for i, a in enumerate(names) for j, b in enumerate(names) if i != j and m[i, j]}
    assert off == {("Zr", "Pt"): 1.7, ("Zr", "P"): 0.62, ("O", "Cr"): 0.68, ("O", "Mn"): 0.14, ("Ta", "Si"): 0.29,
                   ("Mn", "La"): 0.027, ("Zr", "Nb"): 0.035, ("Co", "Fe"): 0.034}


@pytest.mark.parametrize(("knob", "factor"), [("eds_current_pA", 2), ("eds_dwell_us", 2), ("eds_frames", 3),
                                              ("eds_solid_angle_sr", 1.5), ("eds_efficiency", 0.5)])
def test_counts_scale_with_dose_and_solid_angle(knob, factor):
    base = getattr(BUDGET, knob)
    more = BUDGET.model_copy(update={knob: base * factor})
    assert (xrays.sensitivity(["La"], LLZO, more) / xrays.sensitivity(["La"], LLZO, BUDGET))[0] == pytest.approx(factor)


def test_background_is_under_every_line_and_as_stated_under_lanthanum():
    made = BUDGET.model_copy(update={"eds_background": 0.05})
    found = 80 * xrays.background(["La", "Ni", "O"], LLZO, made)
    assert found[0] == pytest.approx(0.05 * at_80nm("La", LLZO))
    assert found[2] > found[0] > found[1] > 0
    assert (xrays.background(["La"], NMC, made) < xrays.background(["La"], LLZO, made)).all()


def test_absorption_of_oxygen():
    made = BUDGET.model_copy(update={"eds_absorption_100nm": 0.5})
    kept = xrays.absorbed(["O", "La"], np.array([[0.0, 100.0, 200.0]], dtype=np.float32), made)
    assert set(kept) == {"O"}
    assert kept["O"][0] == pytest.approx([1.0, (1 - np.exp(-0.5)) / 0.5, 1 - np.exp(-1.0)], rel=1e-4)


def layer(phase, thickness):
    return maps.Layer(composition=phase, thickness=np.asarray(thickness, dtype=np.float32))


def test_a_map_has_poisson_counts_of_its_budget():
    found = maps.count([layer(LLZO, np.full((300, 300), 80))], ["La", "Ni"], BUDGET, pixel_size_nm=2.0, spread_nm=3.0,
                       seed=1)
    assert found["La"].mean() == pytest.approx(0.42, rel=0.04)
    assert found["La"].var() == pytest.approx(found["La"].mean(), rel=0.03)
    assert not found["Ni"].any()


@pytest.mark.parametrize("shape", [(40, 60), (41, 59)])
def test_binning_keeps_every_count(shape):
    image = np.random.default_rng(1).random(shape).astype(np.float32)
    found = xrays.binned(image, 4)
    assert found.shape == (10, 15)
    assert found.sum() == pytest.approx(image.sum(), rel=1e-5)
    assert xrays.binned(image, 1) is image


def test_binned_maps_count_more_in_each_pixel():
    coarse = BUDGET.model_copy(update={"eds_binning": 4})
    found = maps.count([layer(LLZO, np.full((80, 120), 80))], ["La"], coarse, pixel_size_nm=2.0, spread_nm=3.0, seed=1)
    assert found["La"].shape == (20, 30)
    assert found["La"].mean() == pytest.approx(16 * 0.42, rel=0.05)


def test_binning_does_not_change_what_is_absorbed():
    def oxygen(binning):
        made = BUDGET.model_copy(update={"eds_binning": binning, "eds_absorption_100nm": 0.8})
        thickness = np.full((24, 24), 100.0 * binning**2)
        return maps.expected([layer(LLZO, thickness)], ["O"], made)["O"][0, 0] / binning**2

    assert oxygen(4) == pytest.approx(oxygen(1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_maps_lie_beside_the_image_by_the_stated_shift(seed):
    shifted = BUDGET.model_copy(update={"eds_shift_px": 6.0, "eds_frames": 20_000})
    spot = np.zeros((61, 61))
    spot[25:36, 25:36] = 80
    found = maps.count([layer(LLZO, spot)], ["La"], shifted, pixel_size_nm=2.0, spread_nm=0.0, seed=seed)["La"]
    y, x = np.indices(found.shape)
    away = [(found * axis).sum() / found.sum() - 30 for axis in (y, x)]
    assert np.hypot(*away) == pytest.approx(6.0, abs=0.05)


def test_mapped_elements_are_those_with_a_line():
    assert xrays.mapped([LLZO], ["Ni"]) == ("O", "Zr", "La", "Ni")
    assert xrays.mapped([NMC], []) == ("O", "Mn", "Co", "Ni")
    with pytest.raises(InputError, match="no line of it is tabulated"):
        xrays.mapped([LLZO], ["Li"])
