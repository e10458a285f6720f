"""The same content is the same entry; what came from what is answered both ways."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ssbray.archive import Archive
from ssbray.archive.kinds import KINDS, broken_rule
from ssbray.archive.manifest import canonical, decode, describe, normal
from ssbray.errors import InputError


def test_id_is_the_hash_of_what_is_in_it(archive):
    """Computed by hand here, so that a change of the format is seen."""
    numbers = np.array([[1, 2], [3, 4]], dtype="<u2")
    sample = archive.add("sample", values={"name": "A", "limit": np.inf}, arrays={"n": numbers})
    text = json.dumps({"format": "ssbray.archive/1", "kind": "sample", "parents": [], "inputs": None, "code": None,
                       "values": {"name": "A", "limit": {"$float": "inf"}},
                       "arrays": {"n": {"dtype": "<u2", "shape": [2, 2],
                                        "sha256": hashlib.sha256(numbers.tobytes()).hexdigest()}}},
                      sort_keys=True, separators=(",", ":"))
    assert sample.id == hashlib.sha256(text.encode()).hexdigest()
    assert sample.values == {"name": "A", "limit": np.inf}


def test_adding_again_writes_nothing(archive, directory, files):
    first = archive.add("sample", values={"a": 1.5, "b": (1, 2)}, arrays={"n": np.arange(6).reshape(2, 3)})
    before, rows = files(), (directory / "index.sqlite-wal").read_bytes()
    again = archive.add("sample", values={"b": [1, 2], "a": np.float64(1.5)},
                        arrays={"n": np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3))})
    assert again == first
    assert again.made_at == first.made_at
    assert files() == before
    assert (directory / "index.sqlite-wal").read_bytes() == rows


@pytest.mark.parametrize("other", [
    {"values": {"a": 2}}, {"values": {"a": 1.0}}, {"values": {"a": 1, "b": None}},
    {"arrays": {"m": np.arange(6)}}, {"arrays": {"n": np.arange(6).reshape(2, 3)}},
    {"arrays": {"n": np.arange(6, dtype=np.int32)}}, {"arrays": {"n": np.arange(6)[::-1]}}])
def test_other_content_is_another_entry(archive, other):
    base = {"values": {"a": 1}, "arrays": {"n": np.arange(6)}}
    assert archive.add("sample", **{**base, **other}).id != archive.add("sample", **base).id


@settings(max_examples=15, deadline=None, derandomize=True)
@given(array=st.one_of(
    arrays(np.float64, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
           elements=st.floats(allow_nan=True, allow_infinity=True)),
    arrays(np.complex64, array_shapes(max_dims=2, max_side=4)), arrays(np.bool_, array_shapes(max_dims=3, max_side=4)),
    arrays(np.int8, array_shapes(max_dims=3, max_side=4))))
def test_arrays_come_back_bit_by_bit(tmp_path_factory, array):
    with Archive(tmp_path_factory.mktemp("bits")) as archive:
        stored = archive.add("sample", arrays={"x": array}).arrays["x"]
        assert stored.dtype == array.dtype
        assert stored.shape == array.shape
        assert stored.tobytes() == array.tobytes()


def test_negative_zero_is_kept_although_it_equals_the_empty_chunk(archive):
    stored = archive.add("sample", arrays={"x": np.full((3, 3), -0.0)}).arrays["x"]
    assert np.signbit(stored).all()


def test_arrays_of_many_chunks_come_back(archive):
    large = np.arange(3 * 1100 * 1030, dtype=np.int32).reshape(3, 1100, 1030)
    assert np.array_equal(archive.add("sample", arrays={"x": large}).arrays["x"], large)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(content=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text().filter(lambda k: k != "$float"), inner,
                                                                max_size=3), max_leaves=10))
def test_values_come_back(content):
    text = canonical(content)
    assert canonical(decode(json.loads(text))) == text
    assert repr(decode(json.loads(text))) == repr(_sorted(content))


def _sorted(content):
    if isinstance(content, dict):
        return {key: _sorted(content[key]) for key in sorted(content)}
    return [_sorted(value) for value in content] if isinstance(content, list) else content


@pytest.mark.parametrize(("values", "field"), [
    ({"a": {"b": [1, {2}]}}, "values[a][b][1]"), ({"a": {1: 2}}, "values[a]"), ({"a": {"$float": "inf"}}, "values[a]"),
    ({"a": b"bytes"}, "values[a]")])
def test_what_is_no_plain_data_is_refused_by_its_place(archive, files, values, field):
    with pytest.raises(InputError) as caught:
        archive.add("sample", values=values)
    assert caught.value.field == field
    assert not files()


@pytest.mark.parametrize(("name", "array", "field"), [
    ("x", np.array(["text"]), "arrays[x]"), ("x", np.array([object()]), "arrays[x]"), ("a/b", np.zeros(2), "arrays"),
    ("", np.zeros(2), "arrays"), ("../x", np.zeros(2), "arrays")])
def test_arrays_of_anything_but_numbers_are_refused(archive, name, array, field):
    with pytest.raises(InputError) as caught:
        archive.add("sample", arrays={name: array})
    assert caught.value.field == field


def test_normal_form_ignores_byte_order_and_strides():
    plain = np.arange(12, dtype="<f4").reshape(3, 4)
    for same in (plain.astype(">f4"), np.asfortranarray(plain), np.pad(plain, 1)[1:-1, 1:-1]):
        assert describe(normal("x", same)) == describe(plain)


def test_lineage_leads_to_the_sample_and_back(archive, filled):
    names = ("sample", "location", "micrograph", "segmentation", "graph", "solution")
    chain = [getattr(filled, name) for name in names]
    assert archive.lineage(filled.solution) == chain
    assert archive.lineage(filled.graph.id) == chain[:5]
    assert archive.descendants(filled.micrograph) == chain[3:]
    below = archive.descendants(filled.sample)
    assert [entry.kind for entry in below] == ["location", "micrograph", "location", "micrograph", *names[3:]]
    assert {entry.values["name"] for entry in below if entry.kind == "location"} == {"site 1", "site 2"}
    assert archive.descendants(filled.solution) == []


def test_same_name_on_another_sample_is_another_location(archive):
    ends = [archive.add("location", values={"name": "1"}, parents=[archive.add("sample", values={"name": name})])
            for name in "AB"]
    assert ends[0] != ends[1]


@pytest.mark.parametrize(("kind", "parents"), [
    ("sample", ["sample"]), ("location", []), ("location", ["location"]), ("micrograph", ["sample"]),
    ("micrograph", []), ("segmentation", ["location"]), ("graph", ["micrograph"]), ("solution", []),
    ("solution", ["micrograph"]), ("solution", ["segmentation", "micrograph"])])
def test_wrong_parents_are_refused(archive, filled, files, kind, parents):
    before = files()
    with pytest.raises(InputError, match=f"a {kind} comes from") as caught:
        archive.add(kind, values={"name": "x"}, parents=[getattr(filled, parent) for parent in parents])
    assert caught.value.field == "parents"
    assert files() == before


def test_one_location_only_and_many_micrographs(archive, filled):
    assert broken_rule("micrograph", ["location", "location"]) == \
        "a micrograph comes from one location, not from 2 locations"
    assert archive.add("segmentation", parents=archive.find("micrograph")).parents == tuple(
        sorted(entry.id for entry in archive.find("micrograph")))
    assert set(KINDS) == {"sample", "location", "micrograph", "segmentation", "graph", "solution"}


def test_unknown_kinds_and_parents_are_refused(archive):
    with pytest.raises(InputError, match="did you mean 'sample'"):
        archive.add("sampel")
    with pytest.raises(InputError, match="has an id that starts so"):
        archive.add("location", parents=["0" * 64])


def test_get_takes_the_beginning_of_an_id(archive, filled):
    assert archive.get(filled.graph.id[:8]) == filled.graph
    for bad in ("", "abc", "../../etc", "XYZW", filled.graph.id + "0", "%%%%"):
        with pytest.raises(InputError) as caught:
            archive.get(bad)
        assert caught.value.field == "id"


def test_a_beginning_of_two_ids_is_refused(archive):
    """Of a few hundred samples, two share the first four digits: birthdays."""
    seen = {}
    for number in range(2000):
        text = canonical({"arrays": {}, "code": None, "format": "ssbray.archive/1", "inputs": None, "kind": "sample",
                          "parents": [], "values": {"n": number}})
        short = hashlib.sha256(text.encode()).hexdigest()[:4]
        if short in seen:
            break
        seen[short] = number
    for n in (number, seen[short]):
        archive.add("sample", values={"n": n})
    with pytest.raises(InputError, match="not unique"):
        archive.get(short)


def test_find_by_kind_and_values(archive, filled):
    assert archive.find("location", name="site 1") == [filled.location]
    assert archive.find(name="pellet A") == [filled.sample]
    assert archive.find("segmentation", phases=("LLZO", "pore")) == [filled.segmentation]
    assert archive.find("solution", asr_ohm_m2=np.inf, axis="y") == [filled.solution]
    assert archive.find("segmentation", pixel_size_nm=2.5, shape=[24, 33]) == []
    assert len(archive.find()) == 8
    number = archive.add("sample", values={"temperature_C": 25})
    assert archive.find("sample", temperature_C=25.0) == [number]
