"""Where MLflow keeps its data, and MLflow itself, made quiet and impatient."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet",
         "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
         "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  #: that MLflow knows
FILES = "mlartifacts"
#: else MLflow guesses from what is in an experiment whether its pages are about chats
KIND = {"mlflow.experimentKind": "custom_model_development"}
_told: set[tuple[str, str, str]] = set()  # what has been said on stderr, which is said once


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

    Files go to `artifacts`, a URI or a directory, which may be relative to `home`. Where that is not given they lie
    beside an SQLite store, in `home` where the store is another database, and where a server wants them: not where the
    process happens to be. An experiment keeps the place that it was made with; that it is another is said on stderr.
    """
    place = _place(uri, artifacts, home)
    if (found := client.get_experiment_by_name(name)) is None:
        return str(client.create_experiment(name, artifact_location=place, tags=KIND))
    if artifacts is not None and place is not None and _parts(found.artifact_location) != _parts(place):
        if (uri, name, place) not in _told:
            print(f"ssbray: files go to {found.artifact_location}, not to {place}: that is where experiment {name!r} "
                  "was made to keep them (another experiment can keep them elsewhere)", file=sys.stderr)
        _told.add((uri, name, place))
    return str(found.experiment_id)


def _place(uri: str, artifacts: str | None, home: Path | None) -> str | None:
    """Where the files of an experiment go, as a URI; None where MLflow is to decide."""
    if artifacts is not None:
        return artifacts if urlsplit(artifacts).scheme else ((home or Path()) / artifacts).resolve().as_uri()
    if (database := database_of(uri)) is not None:
        return (database.parent / FILES).as_uri()
    return (home / FILES).resolve().as_uri() if is_database(uri) and home is not None else None


def _parts(place: str) -> tuple[str, str, str]:
    """Of a place, however it is written: file:/x, file:///x/ and /x are one."""
    parts = urlsplit(place)
    return parts.scheme or "file", parts.netloc, unquote(parts.path).rstrip("/")


def describe(error: Exception) -> str:
    """In one line."""
    return (f"{type(error).__name__}: {error}".splitlines() or [type(error).__name__])[0][:300]
