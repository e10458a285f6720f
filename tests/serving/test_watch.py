"""A folder that fills: each frame once, bad ones in a line, and any moment may be the last."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ssbray.service.journal import Journal

RANDOM = np.random.default_rng(0)


def frame(path, seed=0):
    tifffile.imwrite(path, np.random.default_rng(seed).integers(0, 255, (40, 40), dtype=np.uint8),
                     resolution=(2e6, 2e6), resolutionunit="CENTIMETER")


@pytest.fixture
def watch(cli, models, tmp_path):
    """Run one pass over tmp_path/in."""
    (tmp_path / "in").mkdir()

    def run(*more):
        return cli("watch", tmp_path / "in", "--segmenter", models[0]["segmenter"], "--surrogate",
                   models[0]["surrogate"], "--out", tmp_path / "out", "--once", "--every", 0.05, "--json", *more)
    return run


def lines(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]


def test_frames_become_lines_rows_and_pictures_once(watch, tmp_path):
    frame(tmp_path / "in" / "a.tif", 1)
    frame(tmp_path / "in" / "b.tif", 2)
    code, out, _ = watch()
    assert (code, out["analysed"], out["failed"]) == (0, 2, 0)
    records = lines(tmp_path)
    assert [record["file"] for record in records] == ["a.tif", "b.tif"]
    assert records[0]["sigma_eff_S_per_cm"] != records[1]["sigma_eff_S_per_cm"]
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert [float(row["sigma_eff_S_per_cm"]) for row in rows] == [
        record["sigma_eff_S_per_cm"]["mean"] for record in records]
    assert sum(float(value) for name, value in rows[0].items() if name.startswith("fraction:")) == pytest.approx(1)
    with Image.open(tmp_path / "out" / records[0]["overlay"]) as picture:
        assert picture.size[0] > 1000
    frame(tmp_path / "in" / "copy_of_a.tif", 1)  # the same bytes under another name
    frame(tmp_path / "in" / "c.tif", 3)
    assert watch()[1]["analysed"] == 1
    assert [record["file"] for record in lines(tmp_path)] == ["a.tif", "b.tif", "c.tif"]


def test_another_model_looks_again(watch, models, tmp_path):
    frame(tmp_path / "in" / "a.tif")
    assert watch()[1]["analysed"] == 1
    assert watch("--surrogate", models[1]["surrogate"])[1]["analysed"] == 1
    assert len({record["model_version"] for record in lines(tmp_path)}) == 2


def test_bad_files_are_a_line_each_and_told_once(watch, tmp_path):
    frame(tmp_path / "in" / "good.tif")
    (tmp_path / "in" / "cut.tif").write_bytes((tmp_path / "in" / "good.tif").read_bytes()[:900])
    (tmp_path / "in" / "empty.png").write_bytes(b"")
    Image.fromarray(RANDOM.integers(0, 255, (40, 40), dtype=np.uint8)).save(tmp_path / "in" / "bare.png")
    (tmp_path / "in" / "notes.txt").write_text("not a frame")
    (tmp_path / "in" / ".hidden.tif").write_bytes(b"half written by rsync")
    code, out, err = watch()
    assert (code, out["analysed"], out["failed"]) == (0, 1, 3)
    told = [line for line in err.splitlines() if line.startswith("ssbray:") and "anomaly" not in line]
    assert len(told) == 3
    assert all(any(name in line for line in told) for name in ("cut.tif", "empty.png", "bare.png"))
    assert watch()[1]["failed"] in (0, 1)  # an empty file has no bytes to know it by
    (tmp_path / "in" / "bare.yaml").write_text("pixel_size_nm: 5.0\n")  # now it says its scale
    assert watch()[1]["analysed"] == 1


def test_a_torn_line_is_dropped_and_its_frame_done_again(watch, tmp_path):
    frame(tmp_path / "in" / "a.tif", 1)
    frame(tmp_path / "in" / "b.tif", 2)
    watch()
    path = tmp_path / "out" / "results.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert watch()[1]["analysed"] == 1
    assert [record["file"] for record in lines(tmp_path)] == ["a.tif", "b.tif"]
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 3
    path.write_bytes(b"garbage\n" + whole)
    code, _, err = watch()
    assert (code, err.count("\n")) == (2, 1)


def test_records_are_read_back_one_by_one_and_not_kept(tmp_path):
    journal = Journal(tmp_path, ())
    for key in "abc":
        journal.add({"file": key, "key": key, "model_version": "v", "failed": "x"})
    journal.close()
    seen = []
    again = Journal(tmp_path, (), lambda record: seen.append(record["key"]))
    again.add({"file": "d", "key": "d", "model_version": "v", "failed": "x"})
    again.close()
    assert seen == ["a", "b", "c"]
    assert not any(isinstance(value, list | dict | set) for value in vars(again).values())
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 4


def test_a_file_that_still_grows_is_left_alone(watch, tmp_path, monkeypatch):
    from ssbray.cli import watch as command

    path = tmp_path / "in" / "a.tif"
    frame(path)
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    monkeypatch.setattr(command.time, "sleep", lambda _: path.write_bytes(content))
    assert watch()[1] == {"analysed": 0, "anomalies": 0, "failed": 0, "out": str(tmp_path / "out")}
    monkeypatch.undo()
    assert watch()[1]["analysed"] == 1


def test_strange_frames_are_told_on_standard_error(watch, tmp_path):
    frame(tmp_path / "in" / "noise.tif")
    _, out, err = watch()
    assert out["anomalies"] == 1  # noise, to a surrogate of twelve specimens
    assert "ssbray: anomaly: noise.tif" in err


def test_two_do_not_write_to_one_place(watch, tmp_path):
    other = Journal(tmp_path / "out", ())
    code, _, err = watch()
    other.close()
    assert code == 2
    assert "another `ssbray watch`" in err


@pytest.mark.parametrize(("more", "told"), [
    (("--every", 0), "--every"), (("--pixel-size-nm", -1), "--pixel-size-nm"), (("--coating", "NMC811"), "coating"),
    (("--segmenter", "nowhere"), "nowhere"), (("--draws", -1), "--draws"), (("--maps", -1), "--maps")])
def test_bad_options_are_one_line(watch, tmp_path, more, told):
    code, _, err = watch(*more)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_watched_folder_is_not_written_to(cli, models, tmp_path):
    code, _, err = cli("watch", tmp_path, "--segmenter", models[0]["segmenter"], "--surrogate", models[0]["surrogate"],
                       "--out", tmp_path, "--once")
    assert code == 2
    assert "another folder" in err


@pytest.mark.chaos
def test_killed_while_it_works_it_goes_on_where_it_was(watch, models, tmp_path):
    for seed in range(4):
        frame(tmp_path / "in" / f"{seed}.tif", seed)
    out = tmp_path / "out"
    command = [Path(sys.executable).with_name("ssbray"), "watch", tmp_path / "in", "--out", out, "--every", "0.05",
               "--segmenter", models[0]["segmenter"], "--surrogate", models[0]["surrogate"]]
    for wanted in (1, 2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (out / "results.jsonl").exists() or len((out / "results.jsonl").read_text().splitlines()) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
    before = len((out / "results.jsonl").read_bytes().splitlines())
    assert watch()[1]["analysed"] >= 4 - before
    assert [record["file"] for record in lines(tmp_path)] == [f"{seed}.tif" for seed in range(4)]
    assert len((out / "results.csv").read_text().splitlines()) == 5
