"""What the rest of the package asks of the tables."""

import math
import pickle

import pytest

from ssbray.errors import InputError, SsbrayWarning
from ssbray.materials import Materials, activation, load

WARM_K = 353.15


@pytest.fixture(scope="module")
def materials() -> Materials:
    return load()


@pytest.mark.parametrize(("alias", "key"), [
    ("LLZO", "Al-LLZO"), ("LLZTO", "Ta-LLZO"), ("LiNbO3", "LiNbO3-amorphous"), ("NMC", "NMC811"), ("pore", "pore"),
])
def test_aliases_lead_to_their_phase(materials, alias, key):
    assert materials.phase(alias).key == key


def test_an_unknown_phase_names_the_nearest(materials):
    with pytest.raises(InputError, match="did you mean 'NMC811'") as refused:
        materials.phase("NMC81")
    assert (refused.value.field, refused.value.value) == ("phase", "NMC81")


@pytest.mark.parametrize("ask", [
    lambda m: m.phase("Li2Zr2O7"), lambda m: m.sigma("Li2Zr2O7", 298.15),
    lambda m: m.layer_asr_ohm_cm2("Li2Zr2O7", 5.0), lambda m: m.asr("LLZO:NMC811:Li2Zr2O7", 10.0, 298.15),
])
def test_li2zr2o7_warns_and_has_no_conductivity(materials, ask):
    with (pytest.warns(SsbrayWarning, match=r"\+10 against -14, probably La2Zr2O7 or Li6Zr2O7"),
          pytest.raises(InputError, match="give materials.phases.Li2Zr2O7.ionic explicitly")):
        ask(materials)


def test_sigma_is_in_SI_and_follows_the_carrier(materials):
    assert materials.sigma("LLZO", 298.15) == pytest.approx(0.04, rel=1e-12)
    assert materials.sigma("NMC811", 298.15, "electronic") == pytest.approx(0.1, rel=1e-12)
    assert materials.sigma("NMC811", 298.15) == pytest.approx(2e-5, rel=1e-12)
    with pytest.raises(InputError, match="ionic, electronic"):
        materials.sigma("NMC811", 298.15, "holes")


def test_what_blocks_is_exactly_zero(materials):
    assert materials.sigma("pore", WARM_K) == 0.0
    assert materials.sigma("pore", WARM_K, "electronic") == 0.0
    assert materials.sigma("La(Ni,Co)O3", WARM_K) == 0.0
    assert materials.sigma("La(Ni,Co)O3", WARM_K, "electronic") > 0
    assert materials.sigma("La2Zr2O7", WARM_K) > 0


@pytest.mark.parametrize(("phase", "nm", "ohm_cm2"), [
    ("LiNbO3", 7.0, 1.0), ("Li2CO3", 10.0, 1000.0), ("Li2ZrO3", 10.0, 100.0), ("pore", 1.0, math.inf),
    ("pore", 0.0, 0.0),
])
def test_a_layer_resists_by_thickness_over_conductivity(materials, phase, nm, ohm_cm2):
    """10 nm at 1e-9 S/cm is 1000 ohm cm2."""
    assert materials.layer_asr_ohm_cm2(phase, nm) == pytest.approx(ohm_cm2, rel=1e-12)


@pytest.mark.parametrize("thickness", [-1.0, math.nan, math.inf])
def test_an_impossible_thickness_is_refused(materials, thickness):
    with pytest.raises(InputError, match="nanometres"):
        materials.layer_asr_ohm_cm2("LLZO", thickness)


def test_interfaces_are_known_by_kind(materials):
    for kind in ("grain boundary", "charge transfer", "contact"):
        interface = materials.interface(kind)
        assert interface.asr_25C_ohm_cm2 > 0
        assert interface.source
        assert interface.standing in ("measured", "recalled", "assumption", "prior")
    with pytest.raises(InputError, match="did you mean 'grain boundary'"):
        materials.interface("grain boundry")


@pytest.mark.parametrize(("what", "Ea_eV"), [
    ("grain boundary", 0.40), ("charge transfer", 0.40), ("contact", 0.30), ("LiNbO3-amorphous", 0.38),
    ("LiNbO3", 0.38), ("La2Zr2O7", 0.8),
])
def test_a_boundary_thaws_with_the_activation_energy_of_what_it_is(materials, what, Ea_eV):
    name = f"Al-LLZO:NMC811:{what}"
    assert materials.asr(name, 50.0, 298.15) == pytest.approx(50e-4, rel=1e-15)
    assert materials.asr(name, 50.0, WARM_K) == pytest.approx(50e-4 / activation(Ea_eV, WARM_K), rel=1e-12)


def test_a_warm_layer_is_the_thickness_over_the_warm_conductivity(materials):
    cold = materials.layer_asr_ohm_cm2("La2Zr2O7", 20.0)
    warm = materials.asr("LLZO:NMC811:La2Zr2O7", cold, WARM_K)
    assert warm == pytest.approx(20e-9 / materials.sigma("La2Zr2O7", WARM_K), rel=1e-12)


def test_a_blocking_layer_is_infinite_or_absent(materials):
    name = "LLZO:NMC811:pore"
    assert materials.asr(name, math.inf, WARM_K) == math.inf
    assert materials.asr(name, 0.0, WARM_K) == 0.0
    with pytest.raises(InputError, match="a layer of pore blocks"):
        materials.asr(name, 5.0, WARM_K)


@pytest.mark.parametrize(("name", "asr", "says"), [
    ("LLZO:NMC811", 5.0, "<phase>:<phase>:<what>"), ("LLZO:LLZO:grain boundry", 5.0, "did you mean 'grain boundary'"),
    ("LLZO:LLZO:grain boundary", -5.0, "zero or more"), ("LLZO:LLZO:grain boundary", math.nan, "zero or more"),
])
def test_bad_boundaries_are_refused(materials, name, asr, says):
    with pytest.raises(InputError, match=says):
        materials.asr(name, asr, 298.15)


def test_it_is_read_only_and_crosses_a_process_border(materials):
    with pytest.raises(TypeError):
        materials.phases["LLZO"] = materials.phase("pore")
    copy = pickle.loads(pickle.dumps(materials))
    assert copy.sigma("Ta-LLZO", WARM_K) == materials.sigma("Ta-LLZO", WARM_K)
    assert copy.table() == materials.table()


def test_the_listing_has_a_row_per_phase_and_carrier(materials):
    rows = {(row["phase"], row["carrier"]): row for row in materials.table()}
    assert len(rows) == len(materials.table())
    assert {phase for phase, carrier in rows if carrier == "ionic"} == set(materials.phases)
    garnet = rows["Al-LLZO", "ionic"]
    assert (garnet["sigma_25C_S_per_cm"], garnet["Ea_eV"], garnet["range_S_per_cm"]) == (4e-4, 0.30, (1e-4, 6e-4))
    assert garnet["standing"] == "assumption"
    assert "10.1016/j.ssi.2020.115407" in garnet["source"]
    assert [row["interface"] for row in materials.interface_table()] == list(materials.interfaces)
