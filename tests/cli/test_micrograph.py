"""`specimen`, `train segmenter`, `evaluate segmenter`, `segment`, `analyze`, `archive`: one thread from end to end."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from ssbray.analysis import calibrate
from ssbray.cli import main
from ssbray.segmentation import Segmenter
from ssbray.segmentation.folder import open_folder
from ssbray.segmentation.trust import trusted


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Six virtual micrographs, and a segmenter that has hardly learnt anything from them."""
    home = tmp_path_factory.mktemp("micrographs")
    spec = yaml.safe_load(Path("jobs/smoke.yaml").read_text())
    spec["specimen"] |= {"size_nm": [600, 400], "pixel_size_nm": 5.0}
    (home / "spec.yaml").write_text(yaml.safe_dump(spec))
    assert main(["specimen", str(home / "spec.yaml"), "--count", "6", "--seed", "3", "--out", str(home / "data")]) == 0
    assert main(["train", "segmenter", "--data", str(home / "data"), "--out", str(home / "model"), "--steps", "8",
                 "--members", "1", "--hold-out", "0.3", "--calibrate", "0.3"]) == 0
    return home


def image(place, number=0):
    return place / "data" / "images" / f"specimen-{number:03d}.emd"


def test_evaluation_has_its_keys(cli, place):
    code, out, _ = cli("evaluate", "segmenter", "--model", place / "model", "--data", place / "data", "--json")
    assert code == 0
    assert {"iou", "mean_iou", "boundary_f1", "ece", "images"} <= set(out)
    assert out["images"] == 2
    assert set(out["iou"]) == {"LLZO", "t-LLZO", "La2Zr2O7", "coating", "NMC", "pore"}
    code, bare, _ = cli("evaluate", "segmenter", "--model", place / "model", "--data", place / "data", "--only",
                        "haadf", "--json")
    assert code == 0
    assert bare["iou"] != out["iou"]


def test_segment_writes_what_it_says(cli, place, tmp_path):
    code, out, _ = cli("segment", image(place, 0), image(place, 1), "--model", place / "model", "--out", tmp_path,
                       "--draws", 3, "--json")
    assert code == 0
    assert out["failed"] == []
    assert len(out["images"]) == 2
    labels = tifffile.imread(tmp_path / "specimen-000.labels.tif")
    share = tifffile.imread(tmp_path / "specimen-000.probabilities.tif") / 65535
    assert labels.shape == share.shape[1:]
    assert np.allclose(share.sum(axis=0), 1, atol=1e-3)
    assert np.array_equal(share.argmax(axis=0)[share.max(axis=0) > 0.51], labels[share.max(axis=0) > 0.51])
    with Image.open(tmp_path / "specimen-001.overlay.png") as picture:
        assert picture.size[0] > 1000
    told = json.loads((tmp_path / "specimen-000.measurements.json").read_text())
    assert sum(told["phase_fraction"].values()) == pytest.approx(1)
    row = told["measurements"]["fraction:NMC"]
    assert row["low90"] is None or row["low90"] <= row["value"] <= row["high90"]


def test_labels_of_segment_go_into_solve(cli, place, tmp_path):
    cli("segment", image(place), "--model", place / "model", "--out", tmp_path, "--draws", 2)
    labels = tmp_path / "specimen-000.labels.tif"
    present = np.unique(tifffile.imread(labels))
    sigma = [part for k in present for part in ("--sigma", f"{k}=1e-4")]
    code, out, err = cli("solve", labels, "--pixel-size-nm", 5, *sigma, "--json")
    assert code == 0, err
    assert out["sigma_eff_S_per_cm"] == pytest.approx(1e-4)


def test_analyze_solves_once_and_every_number_leads_back(cli, place, tmp_path, monkeypatch):
    from ssbray.analysis import keep

    solves = []
    real = keep.solve_map
    monkeypatch.setattr(keep, "solve_map", lambda *arguments: solves.append(1) or real(*arguments))
    arguments = ("analyze", image(place), "--segmenter", place / "model", "--solve", "--archive", tmp_path / "archive",
                 "--draws", 3, "--phase", "coating=Li3BO3", "--json")
    code, first, err = cli(*arguments)
    assert code == 0, err
    assert 1 <= len(solves) <= 4
    assert set(first["sigma_eff_S_per_cm"]) == {"mean", "std", "interval90"}
    count = len(solves)
    _, again, _ = cli(*arguments)
    assert len(solves) == count
    assert again["solve"] == first["solve"]
    code, listing, _ = cli("archive", "list", tmp_path / "archive")
    assert code == 0
    assert "specimen-000" in listing
    assert cli("archive", "verify", tmp_path / "archive")[0] == 0


def test_analyze_needs_something_to_do(cli, place):
    code, _, err = cli("analyze", image(place), "--segmenter", place / "model")
    assert code == 2
    assert "--solve" in err


def bad_files(home, place):
    good = Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    good.save(home / "uncalibrated.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(home / "colour.png")
    Image.new("CMYK", (32, 32), (9, 80, 3, 0)).save(home / "cmyk.jpg")
    (home / "cut.emd").write_bytes(image(place).read_bytes()[:5000])
    (home / "renamed.dm4").write_bytes((home / "uncalibrated.png").read_bytes())
    (home / "empty.tif").write_bytes(b"")
    (home / "noise.ser").write_bytes(bytes(range(256)) * 8)
    array = np.ones((16, 16), np.float32)
    array[3, 4] = np.nan
    tifffile.imwrite(home / "nan.tif", array)
    return sorted(path for path in home.iterdir() if path.is_file())


def test_bad_images_are_one_line_each_and_do_not_stop_the_good_one(cli, place, tmp_path):
    (tmp_path / "bad").mkdir()
    bad = bad_files(tmp_path / "bad", place)
    good = tmp_path / "good.emd"
    shutil.copy(image(place), good)
    code, out, err = cli("segment", *bad, good, "--model", place / "model", "--out", tmp_path / "out", "--draws", 2,
                         "--json")
    assert code == 2
    lines = [line for line in err.splitlines() if line.startswith("ssbray:")]
    assert len(lines) == len(bad), err
    assert all(any(path.name in line for line in lines) for path in bad)
    assert "--pixel-size-nm" in next(line for line in lines if "uncalibrated" in line)
    assert [row["image"] for row in out["images"]] == [str(good)]
    assert {path.name.split(".")[0] for path in (tmp_path / "out").iterdir()} == {"good"}


@pytest.mark.parametrize(("arguments", "told"), [
    (("--draws", 1), "--draws"), (("--phase", "coating"), "--phase"), (("--phase", "coating=Li3BX"), "Li3B"),
    (("--dropout", -1), "--dropout"), (("--pixel-size-nm", -2), "pixel"), (("--signal", "sem"), "sem")])
def test_bad_options_are_one_line(cli, place, tmp_path, arguments, told):
    code, _, err = cli("segment", image(place), "--model", place / "model", "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert told in err
    assert len([line for line in err.splitlines() if line.startswith("ssbray")]) == 1


def test_a_missing_model_is_one_line(cli, place, tmp_path):
    code, _, err = cli("segment", image(place), "--model", tmp_path, "--out", tmp_path / "out")
    assert code == 2
    assert "train segmenter" in err


@pytest.mark.slow
def test_members_train_as_ray_tasks(cli, place, tmp_path):
    code, out, err = cli("train", "segmenter", "--data", place / "data", "--out", tmp_path / "two", "--steps", 4,
                         "--members", 2, "--calibrate", 0, "--json")
    assert code == 0, err
    assert len(out["members"]) == 2
    assert not out["calibrated"]
    code, _, err = cli("segment", image(place), "--model", tmp_path / "two", "--out", tmp_path / "out", "--draws", 2)
    assert code == 0
    assert "not calibrated" in err


@pytest.mark.slow
def test_calibration_on_ray_is_that_of_one_process(cli, place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(calibrate, "LOOKS", 1)
    code, out, err = cli("train", "segmenter", "--data", "data", "--out", tmp_path / "two", "--steps", 4,
                         "--members", 2, "--calibrate", 2, "--json")
    assert code == 0, err
    model, folder = Segmenter.load(tmp_path / "two"), open_folder("data")
    assert out["intervals"]["specimens"] == out["intervals"]["solved"] == 2
    parts = (list(model.card[part]) for part in ("train", "calibrate"))
    again = trusted(replace(model, scalings={}), folder, *parts, seed=0)
    assert {name: [heat, *bias] for name, (heat, bias) in again.scalings.items()} == {
        name: pytest.approx([heat, *bias], abs=1e-4) for name, (heat, bias) in model.scalings.items()}
    again = calibrate.calibrated(model, folder, list(model.card["calibrate"]), seed=0)
    assert again.card["intervals"]["correlation_px"] == out["intervals"]["correlation_px"]
    for name, width in again.card["intervals"]["widths"].items():
        assert out["intervals"]["widths"][name] == (None if width is None else pytest.approx(width, rel=1e-3)), name


def test_a_sidecar_of_the_same_name_survives(cli, place, tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (64, 80), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text('{"pixel_size_nm": 5.0}')
    for _ in range(2):
        code, _, err = cli("segment", tmp_path / "a.png", "--model", place / "model", "--out", tmp_path, "--draws", 2)
        assert code == 0, err
    assert (tmp_path / "a.json").read_text() == '{"pixel_size_nm": 5.0}'


def test_an_unknown_surrogate_costs_nothing(cli, place, tmp_path):
    code, _, err = cli("analyze", image(place), "--segmenter", place / "model", "--surrogate", tmp_path / "none",
                       "--out", tmp_path / "out")
    assert code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_mask_that_ray_tasks_refuse_is_one_line(cli, place, tmp_path):
    shutil.copytree(place / "data", tmp_path / "data")
    mask = tmp_path / "data" / "masks" / "specimen-001.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(mask)
    code, _, err = cli("train", "segmenter", "--data", tmp_path / "data", "--out", tmp_path / "model", "--steps", 2,
                       "--members", 2, "--calibrate", 0)
    assert code == 2
    assert len([line for line in err.splitlines() if line.startswith("ssbray:")]) == 1
    assert "Traceback" not in err
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_unknown_pixels_may_be_in_the_calibration(cli, place, tmp_path):
    shutil.copytree(place / "data", tmp_path / "data")
    for path in (tmp_path / "data" / "masks").iterdir():
        mask = np.asarray(Image.open(path)).copy()
        mask[:20] = 255
        Image.fromarray(mask).save(path)
    code, out, err = cli("train", "segmenter", "--data", tmp_path / "data", "--out", tmp_path / "model", "--steps", 2,
                         "--members", 1, "--calibrate", 0.3, "--json")
    assert code == 0, err
    assert out["intervals"]["specimens"] == 2


def test_images_of_two_scales_are_not_learnt_together(cli, tmp_path):
    from tests.segmentation import folders

    folders.write(tmp_path / "data", count=3)
    for k, path in enumerate(sorted((tmp_path / "data" / "images").iterdir())):
        path.with_suffix(".json").write_text(json.dumps({"pixel_size_nm": 1.0 + 3 * k}))
    code, _, err = cli("train", "segmenter", "--data", tmp_path / "data", "--out", tmp_path / "model", "--steps", 2,
                       "--members", 1)
    assert code == 2
    assert "one scale" in err


def test_another_set_of_specimens_is_not_mixed_in(cli, place):
    code, _, err = cli("specimen", place / "spec.yaml", "--count", 1, "--seed", 4, "--out", place / "data")
    assert code == 2
    assert "another directory" in err


def test_a_partial_set_of_maps_is_left_out_and_said(cli, place, tmp_path):
    from dataclasses import replace

    from ssbray import microscope

    whole = microscope.read(image(place))
    microscope.write(tmp_path / "part.emd", replace(whole, eds={name: whole.eds[name] for name in ("La", "Zr")}))
    microscope.write(tmp_path / "bare.emd", replace(whole, eds={}))
    code, out, err = cli("segment", tmp_path / "part.emd", tmp_path / "bare.emd", "--model", place / "model", "--out",
                         tmp_path / "out", "--draws", 2, "--json")
    assert code == 0, err
    part, bare = out["images"]
    assert part["phase_fraction"] == bare["phase_fraction"]
    assert any("left out as well" in line for line in part["warnings"])


def test_a_bright_field_is_not_taken_for_a_dark_field(cli, place, tmp_path):
    code, _, err = cli("segment", image(place), "--signal", "bf", "--model", place / "model", "--out", tmp_path)
    assert code == 2
    assert "haadf" in err
