"""Graphs on disk: what comes back, and what is refused."""

import numpy as np
import pytest

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.graph import build, load, save
from ssbray.graph.store import FIELDS


@pytest.fixture
def graph():
    phase_map = PhaseMap(labels=np.uint8([[0, 0], [1, 0], [1, 1]]), phases=("a", "b"), pixel_size_nm=10.0)
    return build(phase_map, {0: 1.0, 1: 2.0}, {(0, 1): 1e-8})


def test_round_trip(graph, tmp_path):
    save(graph, tmp_path / "g.npz")
    save(graph, tmp_path / "again.npz")
    back = load(tmp_path / "g.npz")
    for name in FIELDS:
        mine, theirs = getattr(graph, name), getattr(back, name)
        assert type(mine) is type(theirs)
        assert np.array_equal(mine, theirs)
    assert (tmp_path / "g.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "g.npz"]


def test_foreign_and_damaged_files_are_refused(graph, tmp_path):
    path = tmp_path / "g.npz"
    save(graph, path)
    whole = path.read_bytes()
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("other.npz", "array.npy", "pickle.npy", "text.npz", "cut.npz", "empty.npz", "missing.npz"):
        with pytest.raises(InputError, match=name):
            load(tmp_path / name)


def test_a_failed_write_leaves_the_old_file(graph, tmp_path, monkeypatch):
    path = tmp_path / "g.npz"
    save(graph, path)
    before = path.read_bytes()
    monkeypatch.setattr(np, "savez_compressed", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(graph, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["g.npz"]
