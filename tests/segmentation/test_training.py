"""Folders of labelled images, and what is learnt from them."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ssbray.analysis.calibrate import case
from ssbray.errors import InputError
from ssbray.segmentation import Segmenter, train, trust
from ssbray.segmentation.augment import Augmentation
from ssbray.segmentation.evaluation import evaluate, unseen
from ssbray.segmentation.fit import Training
from ssbray.segmentation.folder import open_folder
from ssbray.segmentation.model import FORMAT
from ssbray.segmentation.net import Size
from ssbray.segmentation.trust import mixed, trusted
from tests.segmentation import folders

QUICK = Training(steps=60, window=128, cells=6 * 32**2, crop=64, pixels=6 * 64**2,
                 size=Size(context=4, coarse=4, fine=8, widest=16), augmentation=Augmentation(shading=0.1, bend=1.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("discs")
    folders.write(place, count=8, value=7)
    return open_folder(place)


@pytest.fixture(scope="module")
def model(folder):
    parts = train.split(folder, hold_out=0.25, calibrate=0.2, seed=1)
    found = train.inputs(folder, parts.train)
    member = train.member(str(folder.place), parts.train, found, 1, 0, QUICK)
    return train.finish(folder, parts, found, QUICK, [member], 1)


def test_it_learns_what_is_plain_to_see(model, folder):
    scores = evaluate(model, folder)
    assert scores["images"] == 2
    assert scores["iou"]["disc"] > 0.8
    assert 0 <= scores["ece"] < 0.25
    low, high = scores["mean_iou_interval90"]
    assert low <= scores["mean_iou"] <= high + 1e-9


def test_the_first_images_to_calibrate_on_are_of_many_specimens(folder):
    groups = {f"{name}{k}": name for name in "abcde" for k in range(3)} | {"f0": "f"}
    order = mixed(replace(folder, groups=groups), sorted(groups), 0)
    assert sorted(order) == sorted(groups)
    assert {groups[stem] for stem in order[:6]} == set("abcdef")
    assert {groups[stem] for stem in order[6:11]} == set("abcde")
    assert order != mixed(replace(folder, groups=groups), sorted(groups), 1)


@pytest.mark.parametrize("caps", [(1, 1), (60, 100)])
def test_images_can_be_shared_out_for_calibration(model, folder, monkeypatch, caps):
    """In another order, by others, and sent there and back: the same figures."""
    monkeypatch.setattr(trust, "BARE", caps[0])
    monkeypatch.setattr(trust, "JUDGED", caps[1])
    def elsewhere(function, items, progress):
        answers = {k: pickle.loads(pickle.dumps(function))(items[k]) for k in reversed(range(len(items)))}
        progress(len(items), len(items))
        return [answers[k] for k in range(len(items))]

    told = []
    parts = {part: tuple(model.card[part]) for part in ("train", "calibrate")}
    here = trusted(model, folder, parts["train"], parts["calibrate"], seed=1)
    again = trusted(model, folder, parts["train"], parts["calibrate"], seed=1, each=elsewhere,
                    progress=lambda done, total: told.append(done / total))
    assert again.scalings == here.scalings
    assert again.card["calibration_scores"] == here.card["calibration_scores"]
    assert here.card["calibration_scores"]["images"] == min(caps[1], len(parts["calibrate"]))
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(("hold_out", "calibrate", "numbers"), [
    (0.25, 0.2, (4, 2, 2)), (2, 0.2, (4, 2, 2)), (0, 5, (3, 5, 0)), (1, 1, (6, 1, 1))])
def test_specimens_are_kept_by_share_or_by_number(folder, hold_out, calibrate, numbers):
    parts = train.split(folder, hold_out=hold_out, calibrate=calibrate, seed=0)
    assert tuple(map(len, (parts.train, parts.calibrate, parts.test))) == numbers


@pytest.mark.parametrize(("hold_out", "calibrate", "named"), [
    (2.5, 0, "--hold-out 2.5"), (0, -1, "--calibrate -1"), (0, float("inf"), "--calibrate inf"),
    (0, 8, "--calibrate 8"), (6, 1, "--calibrate 1"), (8, 0.1, "--hold-out 8")])
def test_shares_that_are_none_are_refused(folder, hold_out, calibrate, named):
    with pytest.raises(InputError) as refused:
        train.split(folder, hold_out=hold_out, calibrate=calibrate, seed=0)
    assert f"{refused.value.field} {refused.value.value}" == named


def test_the_same_seed_and_steps_give_the_same_weights(folder):
    short = replace(QUICK, steps=4)
    parts = train.split(folder, hold_out=0.0, calibrate=0.0, seed=0)
    found = train.inputs(folder, parts.train)
    one, two, other = (train.member(str(folder.place), parts.train[:3], found, seed, 0, short, threads=1)[0]
                       for seed in (0, 0, 1))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_an_image_without_a_scale_is_taken_for_one_of_the_models(model, folder):
    stem = unseen(model, folder)[0][0]
    assert [folder.micrograph(stem, size)[0].pixel_size_nm for size in (None, 3.0)] == [1.0, 3.0]
    scaled = replace(model, pixel_size_nm=3.0)
    assert case(scaled, folder, stem).found.labels.tolist() == case(model, folder, stem).found.labels.tolist()
    scores = evaluate(scaled, folder)
    assert scores["iou"] == evaluate(model, folder)["iou"]
    assert any("for 3 nm per pixel" in note for note in scores["warnings"])


def test_a_model_is_not_scored_on_what_it_has_learnt_from(model, folder, tmp_path):
    stems, skipped = unseen(model, folder)
    assert set(stems) == set(model.card["test"])
    assert skipped == 6
    # the same image under another name is recognised by its content
    folders.write(tmp_path / "renamed", count=1)
    learnt = next(iter(model.card["train"]))
    (tmp_path / "renamed" / "images" / "sa_00.png").write_bytes(folder.image(learnt).read_bytes())
    with pytest.raises(InputError, match="has learnt from"):
        unseen(model, open_folder(tmp_path / "renamed"))


@pytest.mark.parametrize("seed", range(5))
def test_a_specimen_is_in_one_part_only(tmp_path, seed):
    place = tmp_path / "data"
    folders.write(place, count=8)
    for k, path in enumerate(sorted((place / "images").iterdir())):
        for part in ("images", "masks"):
            (place / part / path.name).rename(place / part / f"wafer{k // 2}_S{k:03d}.png")
    folder = open_folder(place)
    parts = train.split(folder, hold_out=0.25, calibrate=0.25, seed=seed)
    groups = [{folder.groups[stem] for stem in part} for part in (parts.train, parts.calibrate, parts.test)]
    assert sum(len(group) for group in groups) == len(set.union(*groups)) == 4
    assert sum(map(len, (parts.train, parts.calibrate, parts.test))) == 8


def test_groups_come_from_names_or_from_a_file(tmp_path):
    folders.write(tmp_path / "data", count=4)
    assert len(set(open_folder(tmp_path / "data").groups.values())) == 4
    lines = [f"{path.stem}: one\n" for path in (tmp_path / "data" / "images").iterdir()]
    (tmp_path / "data" / "groups.yaml").write_text("".join(lines))
    assert set(open_folder(tmp_path / "data").groups.values()) == {"one"}


def test_the_real_folder_is_grouped_by_specimen(real_data):
    folder = open_folder(real_data / "ebc")
    assert folder.names == ("background", "oxide_layer", "crack")
    assert len(set(folder.groups.values())) == 9
    assert folder.groups["040617_3_S0410018"] == folder.groups["040617_3_S0410028"]


def damage(place, what):
    image = sorted((place / "images").iterdir())[0]
    mask = place / "masks" / image.name
    match what:
        case "no masks":
            mask.unlink()
        case "no classes":
            (place / "classes.yaml").unlink()
        case "classes are a list":
            (place / "classes.yaml").write_text("[a, b]")
        case "class without number":
            (place / "classes.yaml").write_text("a: 0\nb: 1\n")
        case "one class":
            (place / "classes.yaml").write_text("0: all\n")
        case "unknown label":
            Image.fromarray(np.full((96, 96), 9, np.uint8)).save(mask)
        case "another size":
            Image.fromarray(np.zeros((50, 96), np.uint8)).save(mask)
        case "colour mask":
            Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(mask)
        case "no image at all":
            shutil.rmtree(place / "images")
            (place / "images").mkdir()
        case "broken image":
            image.write_bytes(image.read_bytes()[:60])
        case "twice":
            (place / "images" / f"{image.stem}.tif").write_bytes(b"")


@pytest.mark.parametrize("what", ["no masks", "no classes", "classes are a list", "class without number", "one class",
                                  "unknown label", "another size", "colour mask", "no image at all", "broken image",
                                  "twice"])
def test_a_bad_folder_is_one_line(cli, tmp_path, what):
    folders.write(tmp_path / "data", count=3)
    damage(tmp_path / "data", what)
    code, _, err = cli("train", "segmenter", "--data", tmp_path / "data", "--out", tmp_path / "model", "--steps", 2,
                       "--members", 1)
    assert code == 2, err
    assert len([line for line in err.splitlines() if line.startswith("ssbray:")]) == 1
    assert "Traceback" not in err
    assert not (tmp_path / "model").exists()


def test_unknown_pixels_teach_nothing(tmp_path):
    folders.write(tmp_path / "data", count=2)
    path = sorted((tmp_path / "data" / "masks").iterdir())[0]
    mask = np.asarray(Image.open(path)).copy()
    mask[:10] = 255
    Image.fromarray(mask).save(path)
    folder = open_folder(tmp_path / "data")
    labels = folder.labels(path.stem, mask.shape)
    assert (labels[:10] == 255).all()
    assert labels[10:].max() == 1


@pytest.mark.parametrize("change", ["weights", "card", "format"])
def test_a_damaged_model_is_refused(model, tmp_path, change):
    model.save(tmp_path / "m")
    card = tmp_path / "m" / "card.json"
    match change:
        case "weights":
            (tmp_path / "m" / "net-0.safetensors").write_bytes(b"nothing")
        case "card":
            card.write_text("{")
        case "format":
            card.write_text(card.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(InputError):
        Segmenter.load(tmp_path / "m")
