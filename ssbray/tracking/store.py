"""Where MLflow keeps its data, and MLflow itself, made quiet and impatient."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet",
         "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
         "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


def prepare() -> None:
    """Import MLflow, quiet and impatient where the user has not said otherwise."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def store_uri(uri: str | None, home: Path) -> str:
    """Where MLflow keeps its data: the given place, else an SQLite store in the home of the campaigns."""
    return uri or f"sqlite:///{(home / 'mlflow.db').resolve()}"


def database_of(uri: str) -> Path | None:
    """File of an SQLite store; None for other stores."""
    path = uri.removeprefix("sqlite:///").partition("?")[0]
    return Path(path).resolve() if path and path != uri.partition("?")[0] else None


def experiment_of(client: Any, uri: str, name: str) -> str:
    """Identifier of an experiment; made if it is not there.

    The files of an SQLite store lie beside it, not where the process happens to be.
    """
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    database = database_of(uri)
    place = (database.parent / "mlartifacts").as_uri() if database is not None else None
    return str(client.create_experiment(name, artifact_location=place))


def describe(error: Exception) -> str:
    """In one line."""
    return (f"{type(error).__name__}: {error}".splitlines() or [type(error).__name__])[0][:300]
