"""Every change of a byte is found and named; what an interruption leaves is harmless, and is cleared up."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ssbray.archive import Archive
from ssbray.errors import InputError

ADDING = """
    import sys
    import numpy as np
    from ssbray.archive import Archive
    with Archive(sys.argv[1]) as archive:
        for n in range(int(sys.argv[2])):
            archive.add("sample", values={"n": n}, arrays={"x": np.full((40, 40), n)})
            print(n, flush=True)
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_sound_archive_is_sound(archive, filled):
    report = archive.verify()
    assert report.ok
    assert (report.entries, report.drafts, report.unlisted, report.repaired) == (8, (), (), ())
    assert report.size == sum(path.stat().st_size for path in (archive.directory / "entries").glob("*/*"))


def test_any_flipped_byte_is_named(archive, directory):
    """Every position in a small entry: data, zip headers, metadata."""
    entry = archive.add("sample", values={"a": 1}, arrays={"x": np.arange(5)})
    whole = entry.path.read_bytes()
    for position in range(0, len(whole), 7):
        altered = bytearray(whole)
        altered[position] ^= 0x20
        entry.path.write_bytes(altered)
        (problem,) = archive.verify().problems
        assert problem.entry == entry.id
        assert problem.file == str(entry.path.relative_to(directory))
        assert str(problem).count("\n") == 0
        with pytest.raises(InputError, match=r"entry [0-9a-f]{10}: was altered"):
            archive.get(entry.id, check=True)
    entry.path.write_bytes(whole)
    assert archive.verify().ok
    assert archive.get(entry.id, check=True) == entry


def test_a_flipped_byte_in_a_chunk_names_the_array(archive):
    numbers = np.frombuffer(np.random.default_rng(0).bytes(4000), np.uint8)  # does not compress
    entry = archive.add("sample", arrays={"good": np.arange(5), "bad": numbers})
    content = bytearray(entry.path.read_bytes())
    content[content.find(numbers.tobytes()[1000:1020])] ^= 1
    entry.path.write_bytes(content)
    (problem,) = archive.verify().problems
    assert "array bad" in problem.fault
    assert "good" not in problem.fault
    assert np.array_equal(entry.arrays["good"], np.arange(5))
    with pytest.raises(InputError, match="damaged"):
        archive.get(entry.id).arrays["bad"]


def test_a_swapped_file_is_found(archive):
    one, two = (archive.add("sample", values={"n": n}, arrays={"x": np.arange(3) + n}) for n in (1, 2))
    shutil.copy(two.path, one.path)
    assert [problem.entry for problem in archive.verify().problems] == [one.id]
    with pytest.raises(InputError, match="another hash"):
        archive.get(one.id).arrays["x"]


@pytest.mark.parametrize(("change", "fault"), [
    ("UPDATE entries SET manifest = replace(manifest, 'pellet A', 'pellet B')", "row was altered"),
    ("UPDATE entries SET manifest = replace(manifest, '\"sample\"', '\"simple\"')", "row was altered"),
    ("UPDATE entries SET manifest = 'nothing'", "row was altered"),
    ("UPDATE entries SET kind = 'graph' WHERE kind = 'sample'", "kind or parents"),
    ("UPDATE entries SET file_sha256 = 'x' WHERE kind = 'sample'", "outside its arrays"),
    ("DELETE FROM parents WHERE child IN (SELECT id FROM entries WHERE kind = 'graph')", "kind or parents"),
    ("DELETE FROM entries WHERE kind = 'location'", "is not in the archive"),
    ("DELETE FROM memo", "what it remembers"),
    ("UPDATE memo SET key = 'x'", "remembered for another"),
    ("UPDATE memo SET id = 'x'", "is remembered, but"),
    ("INSERT INTO parents SELECT 'x', id FROM entries", "has parents, but")])
def test_an_altered_index_is_found(directory, kept, change, fault):
    with sqlite3.connect(directory / "index.sqlite") as db:
        db.execute(change)
    with Archive(directory, write=False) as archive:
        assert any(fault in problem.fault for problem in archive.verify().problems)


def test_an_altered_row_is_not_handed_out(directory, kept):
    with sqlite3.connect(directory / "index.sqlite") as db:
        db.execute("UPDATE entries SET manifest = replace(manifest, 'pellet A', 'pellet B')")
    with Archive(directory, write=False) as archive, pytest.raises(InputError, match="does not match its hash"):
        archive.get(kept.sample.id)


def test_missing_and_extra_files_are_named(archive, filled, directory):
    filled.graph.path.unlink()
    stray = directory / "entries" / "00" / "notes.txt"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("mine")
    problems = {problem.file: problem.fault for problem in archive.verify().problems}
    assert problems == {str(filled.graph.path.relative_to(directory)): "is missing",
                        "entries/00/notes.txt": "does not belong here"}
    archive.verify(repair=True)
    assert stray.read_text() == "mine"  # not ours to remove


def test_damage_is_set_aside_and_adding_again_heals(archive, directory):
    def add():
        return archive.add("sample", values={"a": 1}, arrays={"x": np.arange(5)})
    entry = add()
    whole = entry.path.read_bytes()
    entry.path.write_bytes(whole[:-1] + b"!")
    report = archive.verify(repair=True)
    assert not report.ok
    assert not entry.path.exists()
    assert [path.read_bytes() for path in (directory / "set_aside").glob("*")] == [whole[:-1] + b"!"]
    assert add() == entry
    assert archive.verify().ok
    assert np.array_equal(archive.get(entry.id, check=True).arrays["x"], np.arange(5))


def test_a_lost_index_comes_back(directory, kept):
    with Archive(directory, write=False) as archive:
        ids = {entry.id for entry in archive.find()}
    for path in directory.glob("index.sqlite*"):
        path.unlink()
    with Archive(directory) as archive:
        assert archive.find() == []
        assert set(archive.verify().unlisted) == ids
        report = archive.verify(repair=True)
        assert report.ok
        assert len(report.repaired) == 8
        assert {entry.id for entry in archive.find()} == ids
        assert archive.lineage(kept.solution)[0] == kept.sample
        assert archive.recall("solution", kept.solution.inputs, code="1.0",
                              parents=kept.solution.parents) == kept.solution


def test_drafts_are_harmless_and_cleared(archive, filled, directory):
    draft = directory / "drafts" / f"{'0' * 64}.1.zarr.zip"
    draft.write_bytes(b"half")
    report = archive.verify()
    assert report.ok
    assert report.drafts == (f"drafts/{draft.name}",)
    assert archive.verify(repair=True).repaired == (f"removed drafts/{draft.name}",)
    assert not draft.exists()


@pytest.mark.parametrize("after", [3, 11])
def test_a_killed_writer_leaves_nothing_broken(directory, after):
    writer = start(ADDING, directory, 10_000)
    told = -1
    for line in writer.stdout:
        told = int(line)
        if told == after:
            break
    writer.send_signal(signal.SIGKILL)
    told = max([told, *map(int, writer.stdout.read().split())])
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    with Archive(directory) as archive:
        report = archive.verify()
        assert report.ok, list(map(str, report.problems))
        assert report.entries in (told + 1, told + 2)  # what was told is kept
        assert len(report.drafts) + len(report.unlisted) <= 1
        archive.verify(repair=True)
        for n in range(told + 5):
            archive.add("sample", values={"n": n}, arrays={"x": np.full((40, 40), n)})
        assert archive.verify(repair=True).ok
        assert [entry.values["n"] for entry in archive.find("sample")] == list(range(told + 5))
        assert not list((directory / "drafts").iterdir())


@pytest.mark.parametrize("step", ["after the draft", "after the file"])
def test_every_point_of_a_write_may_be_the_last(directory, step, monkeypatch):
    """Die between the draft and its place, and between the file and its row; then add the same."""
    where = {"after the draft": "os.replace", "after the file": "ssbray.archive.index.Index.insert"}[step]
    code = f"""
    import os, signal, sys
    from unittest import mock
    import numpy as np
    from ssbray.archive import Archive
    with Archive(sys.argv[1]) as archive:
        archive.add("sample", values={{"n": 0}})
        with mock.patch("{where}", lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
            archive.add("sample", values={{"n": 1}}, arrays={{"x": np.arange(9)}})
    """
    writer = start(code, directory)
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    with Archive(directory) as archive:
        report = archive.verify()
        assert report.ok
        assert (len(report.drafts), len(report.unlisted)) == ((1, 0) if step == "after the draft" else (0, 1))
        again = archive.add("sample", values={"n": 1}, arrays={"x": np.arange(9)})
        assert archive.get(again.id, check=True).arrays["x"].tolist() == list(range(9))
        assert archive.verify(repair=True).ok
        assert archive.verify().unlisted == archive.verify().drafts == ()


def test_one_writer_many_readers(directory):
    code = """
    import sys
    from ssbray.archive import Archive
    with Archive(sys.argv[1]) as archive:
        archive.add("sample", values={"n": 1})
        print("ready", flush=True)
        sys.stdin.readline()
        archive.add("sample", values={"n": 2})
        print("done", flush=True)
        sys.stdin.readline()
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(directory)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == "ready\n"
    with pytest.raises(InputError, match="is being written by another process"):
        Archive(directory)
    with Archive(directory, write=False) as one, Archive(directory, write=False) as two:
        assert [len(reader.find("sample")) for reader in (one, two)] == [1, 1]
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "done\n"
        assert [len(reader.find("sample")) for reader in (one, two)] == [2, 2]
        assert one.verify().ok
    writer.communicate("\n")
    assert writer.returncode == 0
    with Archive(directory) as archive:
        assert len(archive.find()) == 2


def test_a_failed_write_leaves_no_draft(archive, directory, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        archive.add("sample", values={"n": 1})
    assert not list((directory / "drafts").iterdir())
    monkeypatch.undo()
    assert archive.add("sample", values={"n": 1}).values == {"n": 1}
    assert archive.verify().ok


def test_an_archive_on_a_read_only_disk_is_read(directory, kept, monkeypatch):
    """There SQLite cannot make the file that it shares among readers."""
    before = sorted(path.name for path in directory.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Archive(directory, write=False) as archive:
        assert archive.get(kept.graph.id, check=True) == kept.graph
        assert sorted(path.name for path in directory.iterdir()) == before
    monkeypatch.undo()
    with Archive(directory, write=False) as archive:
        archive.find()
        assert sorted(path.name for path in directory.iterdir()) != before  # as it does elsewhere


def test_what_is_no_archive_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no archive here"):
        Archive(tmp_path, write=False)
    (tmp_path / "index.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 20)
    for write in (True, False):
        with pytest.raises(InputError, match="cannot be used as an index"):
            Archive(tmp_path, write=write)
    with pytest.raises(InputError, match="cannot be used"):
        Archive(tmp_path)  # and the lock was let go


def test_a_later_format_is_refused(directory):
    Archive(directory).close()
    with sqlite3.connect(directory / "index.sqlite") as db:
        db.execute("UPDATE meta SET value = '2'")
    with pytest.raises(InputError, match="has schema 2, this ssbray reads 1"):
        Archive(directory)


def test_only_a_writer_repairs(directory, archive):
    with Archive(directory, write=False) as reader, pytest.raises(InputError, match="opened for reading"):
        reader.verify(repair=True)
