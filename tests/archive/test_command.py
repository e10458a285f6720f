"""`ssbray archive`: the tree, one entry, the check, the table."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from pyarrow import csv, parquet

from ssbray.archive import KINDS, Archive, put_sample
from ssbray.cli import archive as command
from ssbray.errors import InputError


@pytest.fixture
def run(capsys):
    """The command alone; returns exit code, output (parsed where --json) and standard error."""
    top = argparse.ArgumentParser()
    command.add(top.add_subparsers(dest="command"))

    def call(*arguments):
        args = top.parse_args(["archive", *map(str, arguments)])
        code = args.run(args)
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if args.json else captured.out, captured.err
    return call


def test_list_is_a_tree_from_sample_to_solution(run, directory, kept):
    code, out, _ = run("list", directory)
    lines = out.splitlines()
    assert code == 0
    assert [(len(line) - len(line.lstrip())) // 2 for line in lines] == [0, 1, 2, 3, 4, 5, 1, 2]
    assert lines[0] == f"sample {kept.sample.short}  pellet A"
    assert lines[1].split()[-2:] == ["site", "1"]
    assert "24 x 32, 2.5 nm/px, haadf bf, La" in lines[2]
    assert "LLZO 85.4%, pore 14.6%" in lines[3]
    assert "2 nodes, 1 edges" in lines[4]
    assert "axis y, sigma_eff 0 S/cm, ASR inf ohm cm2  (and from 1 more)" in lines[5]


def test_list_of_a_kind_and_as_json(run, directory, kept):
    _, out, _ = run("list", directory, "--kind", "location")
    assert [line.split("  ")[1] for line in out.splitlines()] == ["site 1", "site 2"]
    _, content, _ = run("list", directory, "--json")
    assert [entry["kind"] for entry in content["entries"]].count("micrograph") == 2
    assert {entry["id"] for entry in content["entries"]} >= {kept.graph.id, kept.solution.id}
    with pytest.raises(InputError, match="did you mean 'location'"):
        run("list", directory, "--kind", "locations")


def test_show_names_values_arrays_and_lineage(run, directory, kept):
    _, out, _ = run("show", directory, kept.solution.short)
    for expected in (kept.solution.id, "pellet A", "site 1", "potential", "24 x 32 f8", "1.0", "a pore blocks it"):
        assert expected in out
    _, content, _ = run("show", directory, kept.solution.id, "--json")
    assert [each["kind"] for each in content["lineage"]] == list(KINDS)[:-1]
    assert content["inputs"]["axis"] == "y"
    with pytest.raises(InputError, match="starts so"):
        run("show", directory, "0000000000")


def test_verify_says_what_is_wrong_and_exits_with_one(run, directory, kept):
    assert run("verify", directory) == (0, "", "8 entries, 0 problems, 0 repaired\n")
    content = bytearray(kept.graph.path.read_bytes())
    content[len(content) // 2] ^= 4
    kept.graph.path.write_bytes(content)
    kept.solution.path.unlink()
    code, out, _ = run("verify", directory)
    assert code == 1
    assert len(out.splitlines()) == 2
    assert kept.graph.short in out
    assert kept.graph.path.name in out
    assert "is missing" in out
    code, content, _ = run("verify", directory, "--json")
    assert (code, content["ok"], len(content["problems"])) == (1, False, 2)


def test_repair_clears_up_and_makes_the_index_again(run, directory, kept):
    for path in directory.glob("index.sqlite*"):
        path.unlink()
    code, out, err = run("verify", directory, "--repair")
    assert (code, out) == (0, "")
    assert "8 entries, 0 problems, 8 repaired" in err
    assert run("list", directory)[1].startswith(f"sample {kept.sample.short}")


def test_verify_makes_no_archive_where_there_is_none(run, tmp_path):
    with pytest.raises(InputError, match="no archive here"):
        run("verify", tmp_path / "typo", "--repair")
    assert not (tmp_path / "typo").exists()


def test_export_is_a_table_that_leads_back(run, directory, kept, tmp_path):
    with Archive(directory) as archive:  # a column of numbers and text becomes text
        put_sample(archive, "pellet B", dopant="Ta", temperature_C=1100, mixed=1)
        put_sample(archive, "pellet C", dopant="Al", temperature_C=1050.5, mixed="one")
    assert run("export", directory, tmp_path / "t.parquet", "--json")[1]["rows"] == 10
    table = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    rows = {row["id"]: row for row in table}
    solved = rows[kept.solution.id]
    assert (solved["of.sample"], solved["of.location"]) == ("pellet A", "site 1")
    assert (solved["of.micrograph"], solved["of.segmentation"]) == (kept.micrograph.id, kept.segmentation.id)
    assert solved["value.sigma_eff_S_per_m"] == 0.0
    assert solved["value.asr_ohm_m2"] == np.inf
    assert solved["value.percolates"] is False
    assert solved["input.axis"] == "y"
    assert [row["value.temperature_C"] for row in table if row["value.temperature_C"] is not None] == [1100.0, 1050.5]
    assert {row["value.mixed"] for row in table} == {None, "1", "one"}
    run("export", directory, tmp_path / "t.csv")
    assert csv.read_csv(tmp_path / "t.csv").num_rows == 10
    with pytest.raises(InputError, match="parquet or .csv"):
        run("export", directory, tmp_path / "t.txt")


def test_an_empty_archive(run, directory, tmp_path):
    Archive(directory).close()
    assert run("list", directory) == (0, "", "")
    assert run("verify", directory)[0] == 0
    assert run("export", directory, tmp_path / "t.parquet", "--json")[1]["rows"] == 0
