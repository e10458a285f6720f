"""Where MLflow keeps its data, and MLflow itself, made quiet and impatient."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet",
         "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
         "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  #: that MLflow knows
FILES = "mlartifacts"
#: else MLflow guesses from what is in an experiment whether its pages are about chats
KIND = {"mlflow.experimentKind": "custom_model_development"}


def prepare() -> None:
    """Import MLflow, quiet and impatient where the user has not said otherwise."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # traces of errors that we tell in a line


def store_uri(uri: str | None, home: Path) -> str:
    """Where MLflow keeps its data: the given place, else an SQLite store in the home of the campaigns."""
    return uri or f"sqlite:///{(home / 'mlflow.db').resolve()}"


def is_database(uri: str) -> bool:
    """Whether a store is a database that this process talks to itself; a server minds its own files.

    >>> is_database("postgresql+psycopg2://me@db/mlflow"), is_database("https://mlflow.example")
    (True, False)
    """
    return uri.partition(":")[0].partition("+")[0] in DATABASES


def database_of(uri: str) -> Path | None:
    """File of an SQLite store; None for other stores."""
    path = uri.removeprefix("sqlite:///").partition("?")[0]
    return Path(path).resolve() if path and path != uri.partition("?")[0] else None


def experiment_of(client: Any, uri: str, name: str, artifacts: str | None = None, home: Path | None = None) -> str:
    """Identifier of an experiment; made if it is not there.

    Files go to `artifacts`, a URI or a directory. Where that is not given they lie beside an SQLite store, in `home`
    where the store is another database, and where a server wants them: not where the process happens to be.
    """
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    database, place = database_of(uri), artifacts
    if place is not None and "://" not in place:
        place = Path(place).resolve().as_uri()
    elif place is None and database is not None:
        place = (database.parent / FILES).as_uri()
    elif place is None and is_database(uri) and home is not None:
        place = (home / FILES).resolve().as_uri()
    return str(client.create_experiment(name, artifact_location=place, tags=KIND))


def describe(error: Exception) -> str:
    """In one line."""
    return (f"{type(error).__name__}: {error}".splitlines() or [type(error).__name__])[0][:300]
