"""Where the files of runs go: where somebody says, else where they can be found again, never where we happen to be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ssbray.tracking.store import experiment_of

HOME = Path("/home of/campaigns")


class Client:
    """Knows experiments "old...", and writes down what it is told to make."""

    def __init__(self):
        self.place = "nothing was made"

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=7, artifact_location="file:///data/files%20of%20runs"
                               ) if name.startswith("old") else None

    def create_experiment(self, name, artifact_location, **_):
        self.place = artifact_location
        return 8


@pytest.mark.parametrize(("uri", "artifacts", "place"), [
    ("sqlite:////data/mlflow.db", None, "file:///data/mlartifacts"),
    ("postgresql+psycopg2://me@db/mlflow", None, "file:///home%20of/campaigns/mlartifacts"),
    ("mysql+pymysql://me@db/mlflow", None, "file:///home%20of/campaigns/mlartifacts"),
    ("https://mlflow.example", None, None),  # the server decides
    ("postgresql://me@db/mlflow", "s3://bucket/runs", "s3://bucket/runs"),
    ("https://mlflow.example", "s3://bucket/runs", "s3://bucket/runs"),
    ("sqlite:////data/mlflow.db", "/data/files of runs", "file:///data/files%20of%20runs"),
    ("postgresql://me@db/mlflow", "files of runs", "file:///home%20of/campaigns/files%20of%20runs"),
    ("postgresql://me@db/mlflow", "file:/data/runs", "file:/data/runs"),  # URIs without two slashes
    ("postgresql://me@db/mlflow", "dbfs:/runs", "dbfs:/runs")])
def test_files_go_where_they_are_found_again(uri, artifacts, place):
    client = Client()
    assert experiment_of(client, uri, "new", artifacts, HOME) == "8"
    assert client.place == place


def test_an_experiment_that_is_there_keeps_its_place():
    client = Client()
    assert experiment_of(client, "sqlite:////data/mlflow.db", "old", "s3://bucket/runs", HOME) == "7"
    assert client.place == "nothing was made"


def test_files_that_go_elsewhere_than_asked_are_said_once(capsys):
    def ask(name, artifacts):
        assert experiment_of(Client(), "postgresql://me@db/mlflow", name, artifacts, HOME) == "7"
        return capsys.readouterr().err

    said = ask("old and said", "s3://bucket/runs")
    assert said.startswith("ssbray: files go to file:///data/files%20of%20runs, not to s3://bucket/runs: ")
    assert (said.count("\n"), "'old and said'" in said) == (1, True)
    assert ask("old and said", "s3://bucket/runs") == ""
    assert ask("old and said", "runs").startswith("ssbray: files go to")  # something else, not said yet
    for same in (None, "/data/files of runs", "file:/data/files%20of%20runs", "file:///data/files%20of%20runs/"):
        assert ask("old and where it should be", same) == ""
