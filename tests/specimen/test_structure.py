import numpy as np
import pytest

from ssbray.specimen import ProcessParameters, structure
from ssbray.specimen.laws import load


def test_layers_run_from_the_electrolyte_to_the_cathode(state):
    layers = state(coating="LCBO", coating_thickness_nm=20, atmosphere="O2").layers
    assert [layer.phase for layer in layers] == ["t-LLZO", "La2Zr2O7", "LCBO"]
    assert [layer.sort for layer in layers] == ["reaction", "reaction", "coating"]


def test_layers_have_the_resistance_of_their_thickness(state, materials):
    for layer in state(coating="Li3BO3").layers:
        assert layer.asr_ohm_cm2 == pytest.approx(materials.layer_asr_ohm_cm2(layer.phase, layer.thickness_nm))


def test_thickness_is_shared_between_the_products(state, laws):
    from ssbray.specimen.reaction import reaction_thickness_nm

    at = state(atmosphere="O2", cosintering_temperature_C=830)
    expected = reaction_thickness_nm(ProcessParameters(atmosphere="O2", cosintering_temperature_C=830), laws)
    assert at.reaction_thickness_nm == pytest.approx(expected, rel=1e-12)
    assert at.reaction_phase == "La2Zr2O7"
    assert at.coating_phase is None
    assert at.coating_thickness_nm == 0


def test_interfaces_span_what_the_literature_has(state):
    """Best tens of ohm cm2 (50-62 published), bare at 700 C in air 1e3 and more."""
    best = state(coating="LCBO", coating_thickness_nm=50).interface_asr_ohm_cm2
    bare = state().interface_asr_ohm_cm2
    clean = state(atmosphere="O2").interface_asr_ohm_cm2
    assert 50 < best < 100
    assert 1e3 < bare < 1e5
    assert best < clean < bare


def interior_minimum(values):
    values = np.array(values)
    k = int(np.argmin(values))
    assert 0 < k < len(values) - 1, values
    assert values[0] > 1.3 * values[k]
    assert values[-1] > 1.05 * values[k]
    return k


@pytest.mark.parametrize("parameters", [
    {"atmosphere": "O2"},
    {"coating": "LCBO", "coating_thickness_nm": 20},
    {"coating": "Li3BO3", "coating_thickness_nm": 20, "atmosphere": "O2"},
    {"coating": "LiAlO2", "coating_thickness_nm": 8},
])
def test_temperature_has_an_optimum_inside(parameters, state):
    """Contact against reaction."""
    T = range(400, 1001, 10)
    asr = [state(cosintering_temperature_C=t, **parameters).interface_asr_ohm_cm2 for t in T]
    assert 550 <= T[interior_minimum(asr)] <= 800


@pytest.mark.parametrize("coating", ["LCBO", "Li3BO3", "LiAlO2"])
def test_coating_thickness_has_an_optimum_inside(coating, state):
    """Time lag against the coating's own resistance."""
    interior_minimum([state(coating=coating, coating_thickness_nm=t).interface_asr_ohm_cm2 for t in range(0, 121, 2)])


def test_crystalline_lithium_niobate_is_no_coating_to_keep(state):
    cold = state(coating="LiNbO3", cosintering_temperature_C=450)
    hot = state(coating="LiNbO3", cosintering_temperature_C=451)
    assert hot.interface_asr_ohm_cm2 > 10 * cold.interface_asr_ohm_cm2


def test_lost_lithium_makes_boundaries_resist(state):
    assert state().grain_boundary_asr_ohm_cm2 == pytest.approx(0.05)
    protic = state(milling_solvent="protic", milling_time_h=60)
    assert protic.la2zr2o7_boundary_share > 0
    assert protic.grain_boundary_asr_ohm_cm2 > 0.05


def test_an_overridden_law_changes_the_structure(materials):
    slow = load({"cobalt_diffusivity_700C_cm2_per_s": 9.46e-16})
    thin = structure(ProcessParameters(), slow, materials).reaction_thickness_nm
    assert thin == pytest.approx(structure(ProcessParameters(), load(), materials).reaction_thickness_nm / 10)
