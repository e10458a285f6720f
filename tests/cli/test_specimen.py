"""`ssbray specimen`: the training folder, and the section `microscope` of a spec."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from ssbray import campaign
from ssbray.errors import InputError
from ssbray.microscope import read

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "jobs" / "smoke.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two specimens of the smoke spec with their micrographs."""
    from ssbray.cli import main

    out = tmp_path_factory.mktemp("specimens")
    assert main(["specimen", str(SMOKE), "--count", "2", "--seed", "5", "--out", str(out), "--json"]) == 0
    return out


def test_every_specimen_has_its_image_and_its_masks(folder):
    listing = json.loads((folder / "specimens.json").read_text())["specimens"]
    names = yaml.safe_load((folder / "classes.yaml").read_text())
    assert list(names.values())[:6] == ["LLZO", "t-LLZO", "La2Zr2O7", "coating", "NMC", "pore"]
    for row in listing:
        stem = row["name"]
        micrograph = read(folder / "images" / f"{stem}.emd")
        assert micrograph.shape == (80, 120)
        assert {"haadf", "bf"} == set(micrograph.images)
        assert {"O", "La", "Zr", "Ni"} <= set(micrograph.eds)
        mask = np.asarray(Image.open(folder / "masks" / f"{stem}.png"))
        assert (mask.dtype, mask.shape) == (np.uint8, (80, 120))
        assert set(np.unique(mask)) <= set(names)
        grains = tifffile.imread(folder / "grains" / f"{stem}.tif")
        assert (grains.dtype, grains.shape) == (np.int32, (80, 120))
        assert set(np.unique(np.asarray(Image.open(folder / "dislocations" / f"{stem}.png")))) <= {0, 1}


def test_the_sample_sheet_travels_with_the_image(folder):
    row = json.loads((folder / "specimens.json").read_text())["specimens"][1]
    about = read(folder / "images" / "specimen-001.emd").metadata
    assert (about["sample"], about["location"], about["cathode"]) == ("specimen-001", 0, "NMC811")
    assert about["electrolyte"] == row["structure"]["electrolyte"]
    assert about["coating"] == row["structure"]["coating_phase"]
    assert about["boundaries_ohm_cm2"] == row["boundaries_ohm_cm2"]
    assert about["rendering"] == row["rendering"]
    assert about["beam_energy_keV"] == 200


def test_the_truth_is_not_what_is_seen(folder):
    """Truth and label file are one and the same map; the masks are it, displaced by a few pixels."""
    row = json.loads((folder / "specimens.json").read_text())["specimens"][0]
    names = list(yaml.safe_load((folder / "classes.yaml").read_text()).values())
    true = np.load(folder / "truth" / "specimen-000.npz")
    assert (true["labels"] == tifffile.imread(folder / "labels" / "specimen-000.tif")).all()
    assert (true["grains"] == tifffile.imread(folder / "truth" / "grains" / "specimen-000.tif")).all()
    cathode = true["labels"] == row["phases"].index("NMC811")
    seen = np.asarray(Image.open(folder / "masks" / "specimen-000.png")) == names.index("NMC")
    assert (cathode & seen).sum() / (cathode | seen).sum() > 0.95
    assert 0 < row["structure"]["contact_fraction"] <= 1
    assert row["structure"]["reaction_thickness_nm"] >= 0


def test_without_micrographs_there_are_none_and_the_maps_are_the_same(cli, folder, tmp_path):
    code, out, _ = cli("specimen", SMOKE, "--count", 2, "--seed", 5, "--out", tmp_path, "--no-micrographs", "--json")
    assert (code, out["specimens"], out["micrographs"]) == (0, 2, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"labels", "truth", "pictures", "specimens.json"}
    for name in ("labels/specimen-001.tif", "truth/grains/specimen-001.tif"):
        assert (tifffile.imread(tmp_path / name) == tifffile.imread(folder / name)).all()


def spec(**microscope):
    return campaign.parse({"name": "x", "seed": 1, "microscope": microscope})


def test_the_section_microscope_is_checked_with_the_spec():
    assert spec(thickness_nm=[70, 90]).microscope == {"thickness_nm": [70, 90]}
    with pytest.raises(InputError, match=r"microscope\.thicknes_nm = 80: did you mean 'thickness_nm'"):
        spec(thicknes_nm=80)
    with pytest.raises(InputError, match=r"microscope\.eds_frames = 0"):
        spec(eds_frames=0)


def test_a_spec_without_the_section_keeps_its_digest():
    assert spec().digest == campaign.parse({"name": "x", "seed": 1}).digest
    assert spec().digest != spec(thickness_nm=80).digest


def test_the_spec_of_the_training_set_is_sound():
    made = campaign.load(ROOT / "jobs" / "micrographs.yaml")
    assert made.specimen.size_nm == (768, 512)
    assert made.microscope["eds_frames"] == 20
    main = campaign.load(ROOT / "jobs" / "llzo_nmc.yaml")
    assert (made.process, made.search, made.laws) == (main.process, main.search, main.laws)
