"""A toy campaign is killed, cut, starved and filled up; it goes on to the same end, or says why not.

What is not marked is the short form for every test run.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time

import pytest

from ssbray.campaign import Ledger, progress
from ssbray.campaign.verify import verify
from tests.chaos import toy
from tests.chaos.conftest import SEEDS

SAME = ("trajectory_sha256", "best", "reference", "improvement_percent", "fe_solves")


def same(summary, whole):
    return {name: summary[name] for name in SAME} == {name: whole[name] for name in SAME}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return toy.campaign(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(1, SEEDS))])
def test_killed_at_random_times_until_it_is_through(whole, tmp_path, seed):
    for moment in toy.moments(seed, 4, 0.6):
        victim = toy.Toy(tmp_path, ("slow",), seed)
        time.sleep(moment)
        victim.kill()
        victim.end()
        if (tmp_path / "ledger.sqlite").exists():
            assert verify(tmp_path, repair=True).ok
    last = toy.Toy(tmp_path, seed=seed + 1).end()
    assert same(last["summary"], whole)
    assert verify(tmp_path).ok


@pytest.mark.parametrize("count", [2, 4, 6, 122, *(pytest.param(count, marks=pytest.mark.chaos)
                                                  for count in (1, 3, 5, 7, 60, 101, 153))])
def test_killed_between_two_writes(whole, tmp_path, count):
    """Between the graph's rename and the row that names it, in the midst of a commit's synchronisation, and so on."""
    assert toy.Toy(tmp_path, ("die at", count)).end() is None
    stored = verify(tmp_path)
    assert stored.ok
    resumed = toy.Toy(tmp_path).end()["summary"]
    assert same(resumed, whole)
    assert resumed["fe_solves_this_run"] >= whole["fe_solves"] - stored.rows
    assert resumed["fe_solves"] - resumed["fe_solves_this_run"] <= stored.rows
    assert verify(tmp_path).orphans == () or all(name.startswith(".") for name in verify(tmp_path).orphans)


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """A ledger as a killed driver leaves it, with its last writes in SQLite's log."""
    place = tmp_path_factory.mktemp("cut off")
    assert toy.Toy(place, ("die at", 61)).end() is None
    assert (place / "ledger.sqlite-wal").stat().st_size > 0
    return place


def whole_again(place, whole):
    """Open, go on, and end the same; what was cut off is lost, nothing else."""
    with Ledger(place) as ledger:
        left = ledger.count()
    assert verify(place).ok
    resumed = toy.campaign(place)
    assert same(resumed, whole)
    assert resumed["fe_solves_this_run"] == whole["fe_solves"] - left
    return left


def test_the_log_cut_at_any_byte_costs_its_last_write_at_most(whole, cut_off, tmp_path):
    """The log ends in frames of a page and 24 bytes; each commit is some of them."""
    log = (cut_off / "ledger.sqlite-wal").read_bytes()
    with sqlite3.connect(f"file:{cut_off / 'ledger.sqlite'}?mode=ro", uri=True) as database:
        page = database.execute("PRAGMA page_size").fetchone()[0]
        stored = database.execute("SELECT COUNT(*) FROM outcomes WHERE failure IS NULL").fetchone()[0]
    database.close()
    frame = page + 24
    for lost in [*range(1, 6), 100, page - 1, page, frame - 1, frame, frame + 1, 2 * frame + 7]:
        place = tmp_path / str(lost)
        shutil.copytree(cut_off, place)
        (place / "ledger.sqlite-wal").write_bytes(log[:-lost])
        (place / "ledger.sqlite-shm").unlink(missing_ok=True)
        with Ledger(place) as ledger:
            assert stored - 1 - lost // frame <= ledger.count() <= stored
        assert verify(place).ok
        shutil.rmtree(place)
    place = shutil.copytree(cut_off, tmp_path / "once")
    (place / "ledger.sqlite-wal").write_bytes(log[:-13])
    (place / "ledger.sqlite-shm").unlink(missing_ok=True)
    whole_again(place, whole)


@pytest.mark.chaos
def test_the_log_cut_at_every_byte_of_its_last_write(cut_off, tmp_path):
    log = (cut_off / "ledger.sqlite-wal").read_bytes()
    place = shutil.copytree(cut_off, tmp_path / "cut", ignore=shutil.ignore_patterns("graphs"))
    kept = (place / "ledger.sqlite").read_bytes()
    for lost in range(1, 4096 + 24 + 2):
        (place / "ledger.sqlite").write_bytes(kept)
        (place / "ledger.sqlite-wal").write_bytes(log[:-lost])
        (place / "ledger.sqlite-shm").unlink(missing_ok=True)
        with Ledger(place) as ledger:
            assert ledger.check_database() == []
            assert ledger.count() > 0


@pytest.mark.parametrize("share", [0.7, *(pytest.param(share, marks=pytest.mark.chaos) for share in (0.0, 0.3, 0.99))])
def test_a_log_with_a_turned_byte_is_cut_there(whole, cut_off, tmp_path, share):
    place = shutil.copytree(cut_off, tmp_path / "turned")
    log = bytearray((place / "ledger.sqlite-wal").read_bytes())
    log[int(share * (len(log) - 1))] ^= 0xFF
    (place / "ledger.sqlite-wal").write_bytes(log)
    (place / "ledger.sqlite-shm").unlink(missing_ok=True)
    whole_again(place, whole)


@pytest.mark.parametrize("damage", ["cut to half", "zeros in the midst", "first page gone"])
def test_a_damaged_database_is_refused_in_one_line_or_gone_on_with(whole, tmp_path, damage):
    toy.campaign(tmp_path)
    path = tmp_path / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    if damage == "cut to half":
        content = content[: len(content) // 2]
    elif damage == "zeros in the midst":
        content[len(content) // 2: len(content) // 2 + 8192] = bytes(8192)
    else:
        content[:4096] = bytes(4096)
    path.write_bytes(content)
    came = toy.Toy(tmp_path).end()
    if "error" in came:
        assert "\n" not in came["error"]
        assert "ledger" in came["error"]
    else:
        assert same(came["summary"], whole)


@pytest.mark.parametrize("limit", [20_000, 60_000, pytest.param(300_000, marks=pytest.mark.chaos)])
def test_a_disk_that_takes_no_more_stops_the_campaign_with_one_line(whole, tmp_path, limit):
    said = toy.Toy(tmp_path, ("file size", limit)).end()
    assert ("cannot be written" if limit > 20_000 else "disk I/O error") in said["error"]
    assert "\n" not in said["error"]
    if limit > 20_000:
        assert verify(tmp_path).ok
        assert progress.read(tmp_path)["status"] in ("failed", "interrupted")
    assert same(toy.Toy(tmp_path).end()["summary"], whole)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place],
                                           capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(whole, small_disk):
    said = toy.Toy(small_disk / "toy").end()
    assert "cannot be written" in said["error"]
    kept = [path for path in (small_disk / "toy").rglob("*") if path.is_file()]
    assert not [path for path in kept if path.name.startswith(".")], "drafts are left behind"
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert verify(small_disk / "toy").ok
    resumed = toy.Toy(small_disk / "toy").end()["summary"]
    assert same(resumed, whole)
    assert resumed["fe_solves_this_run"] < whole["fe_solves"]


def test_a_second_driver_is_refused_and_the_first_goes_on(whole, tmp_path):
    first = toy.Toy(tmp_path, ("slow",))
    end = time.monotonic() + 30
    while not (tmp_path / "lock").exists() and time.monotonic() < end:
        time.sleep(0.01)
    second = toy.Toy(tmp_path).end()
    assert "another process is writing here" in second["error"]
    assert same(first.end()["summary"], whole)
