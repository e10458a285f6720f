"""A store of MLflow that is there at once, and an address where there is none."""

from __future__ import annotations

import shutil
import socket

import pytest
from mlflow import MlflowClient

from ssbray.tracking import store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A migrated SQLite store; making one takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.prepare()
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def home(tmp_path, empty_store):
    """A home of campaigns with such a store."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
