"""The store: pause and go on, take over from siblings, find damage, export, and open what older releases wrote."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from dataclasses import replace

import pytest
from pyarrow import parquet

from ssbray.campaign import Ledger, SerialAnnealers, SerialWorkers, progress, run, solves_planned, tables
from ssbray.campaign.ledger import TABLES
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.campaign.verify import verify
from ssbray.errors import InputError, SsbrayWarning
from tests.campaign import fakes

SAME = ("trajectory_sha256", "best", "reference", "improvement_percent", "fe_solves")


def campaign(directory, evaluate=fakes.evaluate, workers=None, cache=None, **changes):
    return run(fakes.spec(**changes), directory, workers=workers or SerialWorkers(evaluate),
               learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(), listener=fakes.Silence(), cache=cache)


def outcomes(directory):
    with Ledger(directory, write=False) as ledger:
        return {row["key"]: row for row in ledger.rows()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("home") / "whole"
    return directory, campaign(directory)


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole[0], tmp_path / "whole")


@pytest.mark.parametrize("after", [1, 20, 47])
def test_a_pause_keeps_what_is_in_flight_and_goes_on_to_the_same_end(whole, tmp_path, after):
    place = tmp_path / "paused"
    workers = fakes.ShuffledWorkers(3, 0)
    solved = set()

    def asking(task):
        solved.update({task.key} if task.kind == "solve" else ())
        if workers.solved == after:
            PauseRequest(place).ask()
        return fakes.evaluate(task)

    workers._evaluate = asking
    with pytest.raises(Paused):
        campaign(place, workers=workers)
    assert workers._waiting == []
    state = progress.read(place)
    assert state["status"] == "paused"
    assert state["fe_solves"] + sum(state["failures"].values()) == len(solved)
    assert not (place / "pause").exists()
    resumed = campaign(place)
    assert {name: resumed[name] for name in SAME} == {name: whole[1][name] for name in SAME}
    assert [session["status"] for session in progress.read(place)["sessions"]][0] == "paused"


def test_status_counts_what_is_there(whole):
    state = progress.read(whole[0])
    assert state["status"] == "interrupted"  # no report was written
    assert state["steps"] == 3 * 2 * 4 == sum(chain["steps"] for chain in state["chains"])
    assert state["accepted"] == sum(chain["accepted"] for chain in state["chains"])
    assert state["fe_solves"] == whole[1]["fe_solves"]
    assert state["failures"] == {"melted": len(outcomes(whole[0])) - state["fe_solves"]}
    assert state["cost"]["core_hours"] == pytest.approx(0.001 * state["fe_solves"] / 3600)
    assert state["fe_solves_planned"] == solves_planned(fakes.spec())


def test_status_knows_the_price_and_the_time_left(tmp_path):
    def dying(task, left=[10]):  # noqa: B006
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return replace(fakes.evaluate(task), seconds=36.0)

    with pytest.raises(KeyboardInterrupt):
        campaign(tmp_path, dying, cluster={"price_per_core_hour": 2.0, "cpus_per_solver": 0.5})
    state = progress.read(tmp_path)
    assert state["status"] == "interrupted"
    assert state["cost"]["core_hours"] == pytest.approx(10 * 36 * 0.5 / 3600)
    assert state["cost"]["price"] == pytest.approx(2 * state["cost"]["core_hours"])
    assert state["eta_s"] == pytest.approx(36.0 * (state["fe_solves_planned"] - state["fe_solves"]), rel=0.01)


def test_a_failed_campaign_says_why(tmp_path):
    with pytest.raises(InputError):
        campaign(tmp_path, search={"cosintering_temperature_C": {"low": 890, "high": 900}})
    state = progress.read(tmp_path)
    assert state["status"] == "failed"
    assert "melted" in state["note"]


def test_solves_of_another_campaign_are_not_repeated(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "whole")
    longer = {"initial": 12, "chains": 3, "rounds": 3, "steps": 4, "proposals": 4}
    alone = campaign(tmp_path / "elsewhere" / "alone", annealing=longer)
    fed = campaign(tmp_path / "fed", annealing=longer, cache=tmp_path)
    assert {name: fed[name] for name in SAME} == {name: alone[name] for name in SAME}
    assert fed["fe_solves_this_run"] < alone["fe_solves_this_run"] - 20
    assert fed["cache_hits"] - alone["cache_hits"] == alone["fe_solves_this_run"] - fed["fe_solves_this_run"]
    cost = progress.read(tmp_path / "fed")["cost"]
    assert cost["solves_taken_over"] == alone["fe_solves_this_run"] - fed["fe_solves_this_run"]
    shutil.rmtree(tmp_path / "whole")  # taken over, not lent
    assert campaign(tmp_path / "fed", annealing=longer)["fe_solves_this_run"] == 0


def test_a_damaged_sibling_is_no_source(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "whole")
    for path in (tmp_path / "whole" / "graphs").iterdir():
        path.write_bytes(b"damaged")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ledger.sqlite").write_bytes(b"no database at all, but long enough to be one" * 20)
    with pytest.warns(SsbrayWarning, match="not looked at"):
        own = campaign(tmp_path / "own", cache=tmp_path)
    assert own["fe_solves_this_run"] == whole[1]["fe_solves_this_run"]
    assert own["trajectory_sha256"] == whole[1]["trajectory_sha256"]


def test_a_sound_ledger_is_sound(whole):
    verdict = verify(whole[0])
    assert verdict.ok
    assert verdict.rows == len(outcomes(whole[0])) > 40
    assert verdict.orphans == ()
    assert verdict.unchecked == 0


@pytest.mark.parametrize(("damage", "says"), [
    ("UPDATE outcomes SET result = replace(result, 'sigma_eff_S_per_cm\": ', 'sigma_eff_S_per_cm\": 1') "
     "WHERE rowid = 7", "changed"),
    ("UPDATE outcomes SET row_sha256 = NULL, task = replace(task, '\"seed\": ', '\"seed\": 1') WHERE rowid = 7", "key"),
])
def test_a_row_that_changed_is_found_dropped_and_repeated(whole, copy, damage, says):
    with sqlite3.connect(copy / "ledger.sqlite") as database:
        assert database.execute(damage).rowcount == 1
    database.close()
    found = verify(copy)
    assert not found.ok
    assert [says in each.what for each in found.damaged] == [True]
    verify(copy, repair=True)
    assert verify(copy).ok
    resumed = campaign(copy)
    assert {name: resumed[name] for name in SAME} == {name: whole[1][name] for name in SAME}
    assert resumed["fe_solves_this_run"] <= 1


def test_damaged_and_missing_graphs_and_orphans_are_told_apart(whole, copy):
    kept = [row for row in outcomes(copy).values() if row["failure"] is None]
    shas = sorted({row["graph_sha256"] for row in kept})
    (copy / "graphs" / f"{shas[0]}.npz").unlink()
    (copy / "graphs" / f"{shas[1]}.npz").write_bytes(b"x")
    (copy / "graphs" / f"{'0' * 64}.npz").write_bytes(b"nobody names me")
    found = verify(copy)
    assert {each.what for each in found.damaged} == {"its graph is missing", "its graph is damaged"}
    assert {each.key for each in found.damaged} == {row["key"] for row in kept if row["graph_sha256"] in shas[:2]}
    assert found.orphans == (f"{'0' * 64}.npz",)
    with pytest.raises(InputError, match="--repair"):
        campaign(copy)
    verify(copy, repair=True)
    resumed = campaign(copy)
    assert {name: resumed[name] for name in SAME} == {name: whole[1][name] for name in SAME}


def test_tables_hold_every_solve_and_step(whole, tmp_path):
    for form in ("parquet", "csv"):
        written = tables.export(whole[0], tmp_path, form)
        assert {name: count for name, (_, count) in written.items()} == {
            "solves": len(outcomes(whole[0])), "steps": 24}
    solves = parquet.read_table(tmp_path / "solves.parquet").to_pylist()
    stored = outcomes(whole[0])
    for row in solves:
        result = json.loads(stored[row["key"]]["result"])
        assert row["sigma_eff_S_per_cm"] == result.get("sigma_eff_S_per_cm")
        assert row["parameters.coating"] == json.loads(stored[row["key"]]["task"])["parameters"]["coating"]
    steps = parquet.read_table(tmp_path / "steps.parquet").to_pylist()
    assert sum(step["accepted"] for step in steps) == progress.read(whole[0])["accepted"]
    with (tmp_path / "steps.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [step["step"] for step in steps]


def test_tables_of_a_campaign_without_a_solve_are_empty(tmp_path):
    Ledger(tmp_path).close()
    assert {name: count for name, (_, count) in tables.export(tmp_path, tmp_path, "csv").items()} == {
        "solves": 0, "steps": 0}


@pytest.fixture
def first_schema(copy):
    """The same campaign as the first release would have left it."""
    with sqlite3.connect(copy / "ledger.sqlite") as database:
        database.executescript(
            "CREATE TABLE old AS SELECT key, task, failure, result, graph_sha256, seconds, worker, at FROM outcomes;"
            "DROP TABLE outcomes; DROP TABLE sessions;"
            "CREATE TABLE outcomes (key TEXT PRIMARY KEY, task TEXT NOT NULL, failure TEXT, result TEXT NOT NULL,"
            " graph_sha256 TEXT, seconds REAL NOT NULL, worker TEXT NOT NULL, at REAL NOT NULL);"
            "INSERT INTO outcomes SELECT * FROM old; DROP TABLE old; UPDATE meta SET value = '1' WHERE name = 'schema'")
    database.close()
    return copy


def test_a_ledger_of_the_first_release_is_read_and_gone_on_with(whole, first_schema):
    before = progress.read(first_schema)
    assert before["fe_solves"] == whole[1]["fe_solves"]
    assert verify(first_schema).unchecked == verify(first_schema).rows
    resumed = campaign(first_schema)
    assert resumed["fe_solves_this_run"] == 0
    assert resumed["trajectory_sha256"] == whole[1]["trajectory_sha256"]
    assert len(progress.read(first_schema)["sessions"]) == 1


def test_a_ledger_of_a_later_release_is_refused_untouched(copy):
    with sqlite3.connect(copy / "ledger.sqlite") as database:
        database.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    database.close()
    for write in (True, False):
        with pytest.raises(InputError, match="has schema 99"):
            Ledger(copy, write=write)
    other = copy / "other"
    other.mkdir()
    with sqlite3.connect(other / "ledger.sqlite") as database:
        database.execute("CREATE TABLE somebody_elses (x)")
    database.close()
    with pytest.raises(InputError, match="has schema None"):
        Ledger(other)


def test_making_the_tables_is_one_step():
    assert all(statement.startswith("CREATE TABLE IF NOT EXISTS") for statement in TABLES)


def test_a_commit_that_the_disk_refuses_is_one_line_and_changes_nothing(tmp_path, whole):
    with Ledger(whole[0], write=False) as ledger:
        task, outcome = next(pair for pair in ledger.outcomes() if pair[1].ok)
    stored = []

    def fill(ledger):
        for another in (replace(task, seed=seed) for seed in range(2000)):
            ledger.put(another, replace(outcome, key=another.key))
            stored.append(another.key)

    with Ledger(tmp_path) as ledger:
        ledger._db.execute("PRAGMA max_page_count = 12")
        with pytest.raises(InputError, match="cannot be written") as caught:
            fill(ledger)
        assert "\n" not in str(caught.value)
        assert {row["key"] for row in ledger.rows()} == set(stored)
    assert stored
    assert verify(tmp_path).ok
