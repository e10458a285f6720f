"""Models by their name in MLflow's registry, brought to this machine."""

import os
from pathlib import Path

from ssbray.errors import InputError
from ssbray.service.settings import Settings

SCHEME = "models:/"


def located(settings: Settings) -> tuple[Settings, dict[str, str | None]]:
    """The settings with directories in place of names, and the version that each name meant.

    Directories are those of versions, which do not change: a replica that is started again later loads the same
    files, wherever the alias has gone meanwhile. InputError for a model that is not there, or is not as registered.
    """
    found: dict[str, str] = {}
    versions: dict[str, str | None] = {"segmenter": None, "surrogate": None}
    for part in versions:
        name = getattr(settings, part)
        if name is None:
            continue
        if not name.startswith(SCHEME):
            found[part] = os.path.abspath(name)
            continue
        place = _fetched(settings, name)
        found[part], versions[part] = str(place), f"{SCHEME}{place.parent.name}/{place.name}"
    return settings.model_copy(update=found), versions


def _fetched(settings: Settings, name: str) -> Path:
    from ssbray.tracking import fetch

    uri = settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise InputError("--tracking-uri", None, f"is needed to find {name}: say where MLflow is, such as "
                         "sqlite:///campaigns/mlflow.db")
    cache = settings.cache or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                                           "ssbray", "models")
    return fetch(uri, name, Path(cache).absolute())
