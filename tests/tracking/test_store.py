"""Where the files of runs go: where somebody says, else where they can be found again, never where we happen to be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ssbray.tracking.store import experiment_of

HOME = Path("/home of/campaigns")


class Client:
    """Knows the experiment "old", and writes down what it is told to make."""

    def __init__(self):
        self.place = "nothing was made"

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=7) if name == "old" else None

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
    ("sqlite:////data/mlflow.db", "/data/files of runs", "file:///data/files%20of%20runs")])
def test_files_go_where_they_are_found_again(uri, artifacts, place):
    client = Client()
    assert experiment_of(client, uri, "new", artifacts, HOME) == "8"
    assert client.place == place


def test_an_experiment_that_is_there_keeps_its_place():
    client = Client()
    assert experiment_of(client, "sqlite:////data/mlflow.db", "old", "s3://bucket/runs", HOME) == "7"
    assert client.place == "nothing was made"
