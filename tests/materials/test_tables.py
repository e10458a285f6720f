"""The bundled tables, and what users merge over them."""

import warnings
from importlib import resources
from itertools import combinations

import numpy as np
import pytest
import yaml

from ssbray.errors import InputError, SsbrayWarning
from ssbray.materials import STANDINGS, check_formula, from_ln_sigma, load

KEYS = ["Al-LLZO", "Ta-LLZO", "Ga-LLZO", "t-LLZO", "a-LLZO", "NMC811", "NMC622", "NMC111", "La2Zr2O7", "Li2ZrO3",
        "Li6Zr2O7", "La(Ni,Co)O3", "Li2CO3", "LiNbO3-amorphous", "LiNbO3-crystalline", "Li3BO3", "LCBO", "LiAlO2",
        "pore"]


def bundled(name):
    return yaml.safe_load((resources.files("ssbray.materials") / name).read_text(encoding="utf-8"))


def leaves(node, path=""):
    """Every leaf of a table that is a number, or that YAML 1.1 took for text where a number belongs."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}.{key}")
        elif isinstance(value, int | float) or key in ("value", "low", "high"):
            yield f"{path}.{key}", value, node


@pytest.mark.parametrize("name", ["phases.yaml", "interfaces.yaml"])
def test_every_number_has_a_standing_and_a_source(name):
    found = list(leaves(bundled(name)))
    assert len(found) > 10
    for path, value, node in found:
        assert isinstance(value, float), path  # 1e-8 is text to PyYAML, 1.0e-8 a number
        assert node.get("standing") in STANDINGS, path
        assert node.get("source", "").strip(), path


def test_the_phases_are_all_there_and_the_loading_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        materials = load()
        assert list(materials.phases) == KEYS
        assert [check_formula(phase.formula) for phase in materials.phases.values() if phase.formula] == [0] * 18


def test_each_value_lies_in_its_range_and_is_what_comes_out_at_25_C():
    materials = load()
    for phase in materials.phases.values():
        for carrier, arrhenius in (("ionic", phase.ionic), ("electronic", phase.electronic)):
            if arrhenius is None or arrhenius.blocks:
                continue
            low, high = arrhenius.range_S_per_cm
            assert low <= arrhenius.sigma_25C_S_per_cm <= high, (phase.key, carrier)
            assert arrhenius.range_origin.source
            assert materials.sigma(phase.key, 298.15, carrier) == arrhenius.sigma_25C_S_per_cm * 1e2
            assert materials.sigma(phase.key, 333.15, carrier) > materials.sigma(phase.key, 298.15, carrier)
    for interface in materials.interfaces.values():
        low, high = interface.range_ohm_cm2
        assert low <= interface.asr_25C_ohm_cm2 <= high, interface.kind


def test_a_slope_fitted_to_ln_sigma_is_converted_on_loading():
    table = bundled("phases.yaml")["phases"]["NMC811"]["ionic"]
    assert table["Ea_form"] == "ln sigma"
    assert load().phase("NMC811").ionic.Ea_eV == from_ln_sigma(table["Ea_eV"]["value"])
    override = {"phases": {"NMC811": {"ionic": {"Ea_eV": 0.3}}}}
    assert load(override).phase("NMC811").ionic.Ea_eV == 0.3  # what was said of the old number is gone


def test_thin_zirconate_meets_the_crystal_at_400_C():
    """3e-4 S/cm, the geometric middle of 1e-4..1e-3."""
    assert load().sigma("Li2ZrO3", 673.15) * 1e-2 == pytest.approx(3e-4, rel=0.1)


def lab(hex_colour, deficiency):
    """CIELAB of a colour as a dichromat sees it (Machado 2009, 10.1109/TVCG.2009.113, severity 1)."""
    srgb = np.array([int(hex_colour[i:i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(deficiency) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 216 / 24389))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", [
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],  # protan
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],  # deutan
], ids=["normal", "protanope", "deuteranope"])
def test_the_phases_of_a_picture_are_told_apart_by_everyone(deficiency):
    seen = {key: lab(phase.colour, deficiency) for key, phase in load().phases.items()}
    apart = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(seen, 2)}
    assert min(apart.values()) > 18, min(apart, key=apart.get)  # 2 is just noticeable side by side


# --- what users give ---------------------------------------------------------------------------------------------


def test_a_bare_number_replaces_value_range_and_source_but_not_the_rest():
    ionic = load({"phases": {"LLZO": {"ionic": {"sigma_25C_S_per_cm": 1e-2}}}}).phase("Al-LLZO").ionic
    assert ionic.sigma_25C_S_per_cm == 1e-2
    assert (ionic.sigma_origin.standing, ionic.sigma_origin.source) == ("assumption", "given by the user")
    assert ionic.range_S_per_cm is None
    assert ionic.Ea_eV == 0.30
    assert "engineering" in ionic.Ea_origin.source


def test_a_sourced_number_does_not_inherit_the_old_source():
    mine = {"value": 5e-4, "standing": "measured", "source": "our impedance, batch 7"}
    ionic = load({"phases": {"Al-LLZO": {"ionic": {"sigma_25C_S_per_cm": mine}}}}).phase("LLZO").ionic
    assert ionic.sigma_origin.source == "our impedance, batch 7"
    with pytest.raises(InputError, match="source"):
        load({"phases": {"Al-LLZO": {"ionic": {"sigma_25C_S_per_cm": {"value": 5e-4, "standing": "measured"}}}}})


def test_the_section_of_a_spec_goes_over_the_file_and_the_file_over_the_bundle(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("phases:\n  LLZO: {ionic: {sigma_25C_S_per_cm: 2e-4, range_S_per_cm: [1e-4, 3e-4]}}\n"
                    "interfaces:\n  contact: {asr_25C_ohm_cm2: 77}\n")
    materials = load({"phases": {"Al-LLZO": {"ionic": {"sigma_25C_S_per_cm": 6e-4}}}}, path)
    assert materials.sigma("LLZO", 298.15) == pytest.approx(0.06)
    assert materials.phase("LLZO").ionic.range_S_per_cm is None
    assert materials.interface("contact").asr_25C_ohm_cm2 == 77
    assert load(path=path).phase("LLZO").ionic.range_S_per_cm == (1e-4, 3e-4)


def test_overrides_leave_the_bundle_and_the_caller_alone():
    override = {"phases": {"pore": {"colour": "#111111"}}}
    load(override)
    assert override == {"phases": {"pore": {"colour": "#111111"}}}
    assert load().phase("pore").colour == "#000000"


def test_a_new_phase_is_accepted_when_it_is_complete():
    new = {"formula": "Li1.3Al0.3Ti1.7(PO4)3", "family": "electrolyte", "aliases": ["latp"],
           "ionic": {"sigma_25C_S_per_cm": 3e-4, "Ea_eV": 0.35}}
    assert load({"phases": {"LATP": new}}).sigma("latp", 298.15) == pytest.approx(0.03)


def test_li2zr2o7_with_a_conductivity_of_the_users_warns_and_works():
    given = {"phases": {"Li2Zr2O7": {"ionic": {"sigma_25C_S_per_cm": 1e-9, "Ea_eV": 0.8}}}}
    with pytest.warns(SsbrayWarning, match="probably La2Zr2O7 or Li6Zr2O7"):
        materials = load(given)
    with pytest.warns(SsbrayWarning, match="probably La2Zr2O7 or Li6Zr2O7"):
        assert materials.sigma("Li2Zr2O7", 298.15) == pytest.approx(1e-7)
    with pytest.raises(InputError, match=r"materials\.phases\.Li2Zr2O7\.ionic"):
        load({"phases": {"Li2Zr2O7": {"colour": "#123456"}}})


def test_a_formula_that_is_not_neutral_needs_a_conductivity_beside_it():
    with (pytest.warns(SsbrayWarning, match="not charge-neutral"),
          pytest.raises(InputError, match="give its ionic conductivity beside it")):
        load({"phases": {"La2Zr2O7": {"formula": "La3Zr2O7"}}})
    with (pytest.warns(SsbrayWarning), pytest.raises(InputError, match="give its ionic conductivity beside it")):
        load({"phases": {"La2Zr2O7": {"formula": "La3Zr2O7", "ionic": {"Ea_eV": 0.9}}}})
    with pytest.warns(SsbrayWarning, match=r"\+17 against -14"):
        load({"phases": {"La2Zr2O7": {"formula": "La3Zr2O7", "ionic": {"sigma_25C_S_per_cm": 1e-9}}}})


@pytest.mark.parametrize(("override", "field", "says"), [
    ({"phase": {}}, "materials.phase", "did you mean 'phases'"),
    ({"phases": {"NMC81": {"colour": "#000000"}}}, "materials.phases.NMC81", "did you mean 'NMC811'"),
    ({"phases": {"NMC811": {1: None}}}, "materials.phases.NMC811.1", "unknown key"),
    ({"phases": {"NMC811": {"ionik": None}}}, "materials.phases.NMC811.ionik", "did you mean 'ionic'"),
    ({"phases": {"NMC811": {"ionic": {"sigma_25C": 1.0}}}}, "materials.phases.NMC811.ionic.sigma_25C",
     "did you mean 'sigma_25C_S_per_cm'"),
    ({"phases": {"NMC811": {"ionic": {"sigma_25C_S_per_cm": -1.0}}}},
     "materials.phases.NMC811.ionic.sigma_25C_S_per_cm", "zero or more"),
    ({"phases": {"NMC811": {"ionic": {"range_S_per_cm": [1e-9, 1e-8]}}}},
     "materials.phases.NMC811.ionic.sigma_25C_S_per_cm", "outside its own range"),
    ({"phases": {"pore": {"ionic": {"sigma_25C_S_per_cm": 1e-9}}}}, "materials.phases.pore.ionic", "give Ea_eV"),
    ({"phases": {"LLZO": {"ionic": {"Ea_eV": 28.9}}}}, "materials.phases.Al-LLZO.ionic.Ea_eV", "divide kJ/mol"),
    ({"phases": {"LLZO": {}, "Al-LLZO": {}}}, "materials.phases.Al-LLZO", "given twice"),
    ({"phases": {"LLZO": {"colour": "red"}}}, "materials.phases.Al-LLZO.colour", "pattern"),
    ({"phases": {"LLZO": {"family": "garnet"}}}, "materials.phases.Al-LLZO.family", "'electrolyte'"),
    ({"phases": {"NMC622": {"aliases": ["LLZO"]}}}, "materials.phases.NMC622.aliases", "already names another phase"),
    ({"phases": {"a:b": {}}}, "materials.phases", "without a colon"),
    ({"phases": {"LLZO": {"formula": "Li7-xLa3O12"}}}, "materials.phases.Al-LLZO.formula", "cannot be read at '-xLa3"),
    ({"phases": {"LLZO": {"formula": "XeO3"}}}, "materials.phases.Al-LLZO.formula", "oxidation state is known for Xe"),
    ({"phases": ["LLZO"]}, "materials.phases", "must map each name"),
    ({"interfaces": {"contact": {"asr_ohm_cm2": 3}}}, "materials.interfaces.contact.asr_ohm_cm2",
     "did you mean 'asr_25C_ohm_cm2'"),
    ({"interfaces": {"contract": {"Ea_eV": 0.3}}}, "materials.interfaces.contract", "did you mean 'contact'"),
    (["phases"], "materials", "must be a mapping"),
])
def test_bad_tables_are_refused_by_field_value_and_remedy(override, field, says):
    with pytest.raises(InputError) as refused:
        load(override)
    assert refused.value.field == field
    assert says in refused.value.remedy


@pytest.mark.parametrize(("text", "says"), [
    ("a: [1", "is not YAML"), ("- 1", "must be a mapping"), (None, "cannot be read"),
])
def test_bad_files_are_refused(tmp_path, text, says):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=says):
        load(path=path)
