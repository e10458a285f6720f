"""Registered models: the files come back as they were, and the title goes to who earned it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ssbray.campaign import Ledger, dataset
from ssbray.errors import InputError
from ssbray.surrogate import Surrogate
from ssbray.tracking import SURROGATE, Scores, fetch, promote, register, registry, store
from ssbray.tracking.contest import judge
from tests.campaign import fakes


def scores(nll, coverage=0.9, n=100, data="same"):
    return Scores(nll=nll, coverage90=coverage, n=n, data=data)


@pytest.mark.parametrize(("challenger", "holder", "promoted"), [
    (scores(-1.0, 0.90), scores(-0.5, 0.90), True),
    (scores(-0.5, 0.90), scores(-0.5, 0.80), False),  # likelihood must be better, not as good
    (scores(-1.0, 0.86), scores(-0.5, 0.90), True),  # farther from 90 %, but 86 of 100 is chance
    (scores(-1.0, 0.70), scores(-0.5, 0.90), False),
    (scores(-1.0, 0.70), scores(-0.5, 0.60), True),  # poor, and nearer than the holder's
    (scores(-1.0, 1.00), scores(-0.5, 0.90), False),  # too wide is wrong as well
    (scores(-0.4, 0.90), scores(-0.5, 0.10), False),
    (scores(math.nan, 0.90), scores(-0.5, 0.90), False),
    (scores(-1.0, data="other"), scores(-0.5), False),
    (None, scores(-0.5), False),
    (scores(-1.0), None, False),
])
def test_both_scores_decide(challenger, holder, promoted):
    decision = judge(2, challenger, 1, holder)
    assert decision.promoted is promoted
    assert decision.champion == (2 if promoted else 1)
    assert decision.reason


@pytest.mark.parametrize(("first", "promoted"), [(scores(3.0), True), (scores(-3.0, 0.5), False), (None, False)])
def test_a_title_that_nobody_holds_asks_for_coverage(first, promoted):
    assert judge(1, first, None, None).promoted is promoted


@pytest.fixture
def uri(home):
    return f"sqlite:///{home / 'mlflow.db'}"


def bundle(place, content):
    place.mkdir()
    (place / "weights.safetensors").write_bytes(content)
    (place / "model.json").write_text("{}")
    return place


def test_a_title_changes_hands_and_files_come_back(uri, tmp_path, monkeypatch):
    """One store for all of it: a new one takes MLflow seconds to make."""
    monkeypatch.chdir(tmp_path)
    first = register(uri, SURROGATE, bundle(tmp_path / "a", b"first"), scores(-0.5))
    assert (first.version, first.champion, first.scores) == (1, False, scores(-0.5))
    with pytest.raises(InputError, match=r"versions 1$"):
        fetch(uri, f"models:/{SURROGATE}@champion", tmp_path / "got")
    assert promote(uri, SURROGATE, 1).promoted
    assert register(uri, SURROGATE, tmp_path / "a", scores(-0.6)).version == 1  # the same files, scored since
    second = register(uri, SURROGATE, bundle(tmp_path / "b", b"second"), scores(-0.1))
    assert second.version == 2
    kept = promote(uri, SURROGATE, 2)
    assert (kept.promoted, kept.champion) == (False, 1)
    assert "-0.600" in kept.reason
    got = fetch(uri, f"models:/{SURROGATE}@champion", tmp_path / "got")
    assert (got / "weights.safetensors").read_bytes() == b"first"
    moved = promote(uri, SURROGATE, 2, scores={1: scores(0.3, data="new"), 2: scores(0.1, data="new")})
    assert (moved.promoted, moved.champion) == (True, 2)
    got = fetch(uri, f"models:/{SURROGATE}@champion", tmp_path / "got")
    assert (got / "weights.safetensors").read_bytes() == b"second"
    assert [each.champion for each in registry.versions(uri, SURROGATE)] == [False, True]

    (got / "weights.safetensors").write_bytes(b"spoilt")  # the copy here: fetched anew
    assert (fetch(uri, f"models:/{SURROGATE}/2", tmp_path / "got") / "weights.safetensors").read_bytes() == b"second"
    (stored,) = (tmp_path / "mlartifacts").glob(f"*/artifacts/bundle-{second.sha256[:12]}/weights.safetensors")
    stored.write_bytes(b"spoilt")
    with pytest.raises(InputError, match="sha256 differs"):
        fetch(uri, f"models:/{SURROGATE}/2", tmp_path / "elsewhere")
    stored.unlink()
    (stored.parent / "model.json").unlink()
    with pytest.raises(InputError, match="cannot be had|sha256 differs"):
        fetch(uri, f"models:/{SURROGATE}/2", tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere" / SURROGATE).iterdir()) == []
    assert not (tmp_path / "mlruns").exists()

    for absent in (f"models:/{SURROGATE}/9", f"models:/{SURROGATE}@best", "models:/nobody@champion"):
        with pytest.raises(InputError, match="no such model"):
            fetch(uri, absent, tmp_path / "got")
    with pytest.raises(InputError, match="no such model"):
        promote(uri, SURROGATE, 9)
    assert promote(uri, SURROGATE, 1).promoted  # by the scores that it was registered with
    asked = promote(uri, SURROGATE, 2, anyway=True)
    assert (asked.promoted, asked.champion) == (True, 2)
    assert "although" in asked.reason
    assert [each.champion for each in registry.versions(uri, SURROGATE)] == [False, True]


def test_files_of_a_database_elsewhere_go_to_the_home_of_campaigns(cli, uri, tmp_path, monkeypatch):
    """A store that is no file here, as far as anybody is told."""
    monkeypatch.setattr(store, "database_of", lambda uri: None)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    eye = bundle(tmp_path / "eye", b"net")
    (eye / "card.json").write_text("{}")
    assert cli("models", "register", eye, "--uri", uri, "--dir", tmp_path / "campaigns", "--json")[0] == 0
    assert [path.name for path in (tmp_path / "campaigns" / "mlartifacts").rglob("*.safetensors")] == [
        "weights.safetensors"]
    assert not any(elsewhere.iterdir())


@pytest.mark.parametrize("model", ["ssbray-surrogate", "models:/a", "models:/a@", "models:/a/0", "models:/../1"])
def test_an_address_that_is_none_is_refused(uri, tmp_path, model):
    with pytest.raises(InputError, match="models:/NAME@champion"):
        fetch(uri, model, tmp_path)


def test_a_server_that_is_not_there_is_said(tmp_path, nobody):
    with pytest.raises(InputError, match="does not answer"):
        fetch(nobody, "models:/a@champion", tmp_path)


def test_an_empty_bundle_is_refused(uri, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files"):
        register(uri, SURROGATE, tmp_path / "empty", None)


def test_looking_makes_no_store(tmp_path):
    with pytest.raises(InputError, match="no such store"):
        registry.versions(f"sqlite:///{tmp_path / 'mlflow.db'}", SURROGATE)
    assert list(tmp_path.iterdir()) == []


class Seer:
    """Knows the truth of each graph of the toy but for an offset, and how far it is off."""

    calibration = type("Calibration", (), {"reach": 1.645})

    def __init__(self, offset, std):
        self._offset, self._std = offset, std

    def predict_arrays(self, graphs):
        truth = np.log([100.0 * math.exp(fakes.ln_sigma(seen(graph), 0)) for graph in graphs])
        return truth + self._offset, np.full(len(graphs), self._std), np.zeros(len(graphs))


def seen(graph):
    heat, time, coated, thickness = graph.node_features[0]
    return {"cosintering_temperature_C": 100 * heat, "cosintering_time_h": 10**time,
            "coating": "LCBO" if coated else "bare", "coating_thickness_nm": 10 * thickness}


@pytest.fixture
def stores(tmp_path):
    """Data sets of the toy: one to learn from and one that shares a few of its designs."""
    spec = fakes.spec()
    for name, first, last in (("learnt", 0, 12), ("other", 8, 40)):
        wanted = dataset.tasks(spec, 60, 5)[first:last]
        with Ledger(tmp_path / name) as ledger:
            for task in wanted:
                ledger.put(task, fakes.evaluate(task))
    return tmp_path / "learnt", tmp_path / "other"


def test_the_commands_score_list_promote_and_fetch(cli, home, uri, stores, monkeypatch):
    learnt, other = stores
    with Ledger(learnt, write=False) as ledger:
        keys = [outcome.key for _, outcome in ledger.outcomes()]
    for name, offset, std in (("good", 0.0, 0.06), ("vague", 0.0, 0.6), ("wrong", 3.0, 0.06)):
        place = bundle(home / name, name.encode())
        (place / "training.json").write_text(json.dumps({"store": str(learnt), "keys": keys, "seed": 0}))
        (place / "seer.json").write_text(json.dumps([offset, std]))
    monkeypatch.setattr(Surrogate, "load", lambda place: Seer(*json.loads((place / "seer.json").read_text())))
    where = ("--dir", home, "--json")
    code, answer, _ = cli("models", "register", home / "wrong", "--data", other, *where)
    assert (code, answer["promoted"]) == (1, False)
    code, answer, _ = cli("models", "register", home / "good", "--data", other, *where)
    assert (code, answer["promoted"], answer["champion"]) == (0, True, 2)
    code, answer, _ = cli("models", "register", home / "vague", "--data", other, *where)
    assert (code, answer["champion"]) == (1, 2)
    code, answer, _ = cli("models", "list", *where)
    failed = sum(not fakes.evaluate(task).ok for task in dataset.tasks(fakes.spec(), 60, 5)[12:40])
    assert [row["champion"] for row in answer["versions"]] == [False, True, False]
    assert {row["scores"]["n"] for row in answer["versions"]} == {28 - failed}  # none of what was learnt from
    assert cli("models", "promote", 3, "--data", other, *where)[1]["reason"].startswith("NLL")
    code, answer, _ = cli("models", "fetch", f"models:/{SURROGATE}@champion", "--out", home / "models", *where)
    assert (home / "models" / SURROGATE / "2" / "weights.safetensors").read_bytes() == b"good"
    eye = bundle(home / "eye", b"net")
    (eye / "card.json").write_text("{}")
    code, answer, _ = cli("models", "register", eye, *where)
    assert (code, answer["name"], answer["promoted"]) == (0, "ssbray-segmenter", False)  # kept; no scores to win by
    assert cli("models", "promote", 1, "--name", "ssbray-segmenter", "--anyway", *where)[1]["champion"] == 1
    assert cli("models", "register", home / "good", *where)[0] == 2
    code, _, said = cli("models", "register", home / "good", "--data", learnt, *where)
    assert (code, said.count("\n")) == (2, 1)
    assert "have not learnt from" in said
