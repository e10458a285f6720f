"""Feature graphs on disk: one npz without pickle."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.domain import FeatureGraph
from ssbray.errors import InputError

FORMAT = "ssbray.graph/1"
FIELDS = ("node_features", "node_names", "edge_index", "edge_features", "edge_names", "terminals", "phase", "phases",
          "sigma_network", "thickness_m")


def save(graph: FeatureGraph, path: str | Path) -> None:
    """Write a graph; the file appears whole or not at all. Equal graphs give equal bytes."""
    path = Path(path)
    arrays = {name: np.asarray(getattr(graph, name)) for name in FIELDS}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, format=np.asarray(FORMAT), **arrays)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: str | Path) -> FeatureGraph:
    """Read what `save` wrote.

    Raises
    ------
    InputError
        when the file is something else, damaged, or of another version.
    """
    remedy = f"not a feature graph ({FORMAT}): make one with `ssbray graph`"
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if str(archive["format"]) != FORMAT:
                raise InputError("graph file", str(path), remedy)
            data = {name: archive[name] for name in FIELDS}
    except FileNotFoundError:
        raise InputError("graph file", str(path), "there is no such file") from None
    except (OSError, KeyError, ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("graph file", str(path), remedy) from error
    fields: dict[str, Any] = dict(data)
    fields |= {key: tuple(map(str, data[key])) for key in ("node_names", "edge_names", "phases")}
    fields |= {key: float(data[key]) for key in ("sigma_network", "thickness_m")}
    return FeatureGraph(**fields)
