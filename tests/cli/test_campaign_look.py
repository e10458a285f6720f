"""Looking at campaigns from the command line: on a toy campaign, so that nothing is solved here."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from ssbray.campaign import Ledger, SerialAnnealers, SerialWorkers, run
from tests.campaign import fakes


def toy(home, name, **changes):
    directory = home / name
    summary = run(fakes.spec(name=name, **changes), directory, workers=SerialWorkers(fakes.evaluate),
                  learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(), listener=fakes.Silence())
    (directory / "summary.json").write_text(json.dumps(summary))
    return summary


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return home, toy(home, "one"), toy(home, "two", seed=12)


@pytest.fixture
def home(made, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(made[0] / name, tmp_path / name)
    return tmp_path


def test_status_of_a_completed_campaign(cli, home, made):
    code, out, _ = cli("campaign", "status", "one", "--dir", home, "--json")
    assert code == 0
    assert (out["status"], out["progress"], out["eta_s"]) == ("completed", 1.0, None)
    assert out["improvement_percent"] == made[1]["improvement_percent"]
    assert out["best"]["parameters"] == made[1]["best"]["parameters"]
    code, out, _ = cli("campaign", "status", "one", "--dir", home)
    assert "core hours" in out
    assert "completed" in out


def test_compare_shows_gains_side_by_side(cli, home, made):
    code, out, _ = cli("campaign", "compare", "one", "two", "one", "--dir", home, "--json")
    assert code == 0
    assert [row["name"] for row in out["campaigns"]] == ["one", "two"]
    for row, summary in zip(out["campaigns"], made[1:], strict=True):
        assert row["best"] == summary["best"]["objective"]
        assert row["improvement_interval90_percent"] == summary["improvement_interval90_percent"]
        assert row["fe_solves"] == summary["fe_solves"]
    _, out, _ = cli("campaign", "compare", "one", "two", "--dir", home)
    lines = out.splitlines()
    assert len(lines) == 3
    assert f"{made[2]['improvement_percent']:.4g}" in lines[2]


def test_compare_ranks_by_hyperscore_when_asked(cli, home, made):
    _, plain, _ = cli("campaign", "compare", "one", "two", "--dir", home, "--json")
    assert [row["hyperscore"] for row in plain["campaigns"]] == [None, None]
    (home / "two" / "summary.json").unlink()
    code, out, _ = cli("campaign", "compare", "two", "one", "--dir", home, "--hyperscore", "--json")
    assert code == 0
    unfinished, whole = [row["hyperscore"] for row in out["campaigns"]]
    assert (unfinished["score"], unfinished["designs"]) == (None, [])
    assert unfinished["missing"] == ["accuracy", "calibration", "gain", "novelty"]
    assert 100 < whole["score"] < 112
    assert whole["parts"]["gain"] == pytest.approx(1 - 1 / (1 + made[1]["improvement_percent"] / 100))
    _, out, _ = cli("campaign", "compare", "two", "one", "--dir", home, "--hyperscore")
    table, parts = out.split("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["two", "one"]  # as they were named
    assert "recalled" in parts
    lines = parts.splitlines()[3:]
    assert lines[0].startswith("one ")  # by V
    assert lines[1].startswith("  ")
    assert lines[-1].endswith("no score without accuracy, calibration, gain, novelty")


def test_compare_shows_what_is_not_finished_too(cli, home):
    (home / "two" / "summary.json").unlink()
    _, out, _ = cli("campaign", "compare", "one", "two", "--dir", home, "--json")
    assert [row["status"] for row in out["campaigns"]] == ["completed", "interrupted"]
    assert out["campaigns"][1]["best"] is None


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_export_writes_both_tables(cli, home, made, form):
    code, out, _ = cli("campaign", "export", "one", "--dir", home, "--format", form, "--json")
    assert code == 0
    assert sorted(path.name for path in (home / "one" / "export").iterdir()) == [f"solves.{form}", f"steps.{form}"]
    assert out["rows"]["steps"] == 24
    code, out, _ = cli("campaign", "export", "one", "--dir", home, "--to", home / "else" / "where", "--json")
    assert (home / "else" / "where" / "solves.parquet").exists()


def test_verify_finds_and_drops_what_is_damaged(cli, home):
    assert cli("campaign", "verify", "one", "--dir", home)[0] == 0
    victim = next((home / "one" / "graphs").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1])
    code, out, _ = cli("campaign", "verify", "one", "--dir", home, "--json")
    assert (code, out["ok"], out["repaired"]) == (1, False, 0)
    assert {each["what"] for each in out["damaged"]} == {"its graph is damaged"}
    code, out, _ = cli("campaign", "verify", "one", "--dir", home)
    assert code == 1
    assert "would be repeated" in out
    code, out, _ = cli("campaign", "verify", "one", "--dir", home, "--repair", "--json")
    assert (code, out["repaired"]) == (0, len(out["damaged"]))
    assert cli("campaign", "verify", "one", "--dir", home)[0] == 0


def test_plan_counts_and_prices(cli, tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump({**fakes.SPEC, "cluster": {"price_per_core_hour": 0.05, "cpus_per_solver": 2.0}}))
    code, out, _ = cli("campaign", "plan", path, "--seconds-per-solve", 36, "--workers", 4, "--json")
    assert code == 0
    solves = (12 + 3 * 2 * 4) * 2 + (2 + 3) * 4
    assert out["fe_solves"] == solves
    assert out["core_hours"] == pytest.approx(solves * 36 * 2 / 3600)
    assert out["price"] == pytest.approx(0.05 * out["core_hours"])
    assert out["wall_hours"] == pytest.approx(solves * 36 / 4 / 3600)
    assert not out["measured"]
    code, out, _ = cli("campaign", "plan", path)
    assert code == 0
    assert "measured" in out


@pytest.mark.parametrize("command", ["status", "export", "verify", "resume", "pause", "sync", "compare"])
@pytest.mark.parametrize("name", ["nobody", "../one", "one/../one", ""])
def test_a_name_that_is_none_is_refused_in_one_line(cli, home, command, name):
    code, out, err = cli("campaign", command, name, "--dir", home)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "one, two" in err


@pytest.mark.parametrize("arguments", [
    ("plan", "SPEC", "--seconds-per-solve", 0), ("plan", "SPEC", "--workers", 0), ("plan", "nowhere.yaml"),
    ("pause", "one"), ("export", "one", "--to", "SPEC"), ("run", "SPEC", "--cache", "nowhere"),
    ("status", "void")])
def test_what_cannot_be_done_is_one_line(cli, home, arguments):
    spec = home / "toy.yaml"
    spec.write_text(yaml.safe_dump(fakes.SPEC))
    (home / "void").mkdir()
    (home / "void" / "ledger.sqlite").touch()
    arguments = [spec if each == "SPEC" else each for each in arguments]
    place = [] if arguments[0] == "plan" else ["--dir", home]
    code, out, err = cli("campaign", *arguments, *place)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_pause_asks_the_driver_that_holds_the_ledger(cli, home):
    with Ledger(home / "one") as ledger:
        _, out, _ = cli("campaign", "status", "one", "--dir", home, "--json")
        assert out["status"] == "completed"  # somebody mends or sends it, and does not drive it
        ledger.begin(1)
        code, out, _ = cli("campaign", "pause", "one", "--dir", home, "--json")
        assert (code, out["pause_requested"]) == (0, True)
        assert (home / "one" / "pause").exists()
        _, out, _ = cli("campaign", "status", "one", "--dir", home, "--json")
        assert (out["status"], out["pause_requested"]) == ("running", True)
        for command in ("resume", "sync"):
            code, _, err = cli("campaign", command, "one", "--dir", home)
            assert code == 2
            assert err.count("\n") == 1
        assert cli("campaign", "verify", "one", "--dir", home, "--repair")[0] == 2


def test_resume_of_a_completed_campaign_gives_its_summary(cli, home, made):
    code, out, err = cli("campaign", "resume", "one", "--dir", home, "--json")
    assert code == 0
    assert out["trajectory_sha256"] == made[1]["trajectory_sha256"]
    assert "is completed" in err
