"""Feature graphs on disk: one npz without pickle."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.domain import FeatureGraph, GraphMeasures
from ssbray.errors import InputError

FORMAT = "ssbray.graph/2"
OLDER = ("ssbray.graph/1",)  #: without measures; still read
FIELDS = ("node_features", "node_names", "edge_index", "edge_features", "edge_names", "terminals", "phase", "phases",
          "sigma_network", "thickness_m")
MEASURES = {field.name: f"measures.{field.name}" for field in fields(GraphMeasures)}  #: field -> array in the file


def save(graph: FeatureGraph, path: str | Path) -> None:
    """Write a graph; the file appears whole or not at all. Equal graphs give equal bytes."""
    path = Path(path)
    arrays = {name: np.asarray(getattr(graph, name)) for name in FIELDS}
    if graph.measures is not None:
        arrays |= {stored: getattr(graph.measures, name) for name, stored in MEASURES.items()}
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
            if str(archive["format"]) not in (FORMAT, *OLDER):
                raise InputError("graph file", str(path), remedy)
            data = {name: archive[name] for name in FIELDS}
            known = any(stored in archive for stored in MEASURES.values())
            measures = {name: archive[stored] for name, stored in MEASURES.items()} if known else None
    except FileNotFoundError:
        raise InputError("graph file", str(path), "there is no such file") from None
    except (OSError, KeyError, ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("graph file", str(path), remedy) from error
    values: dict[str, Any] = dict(data)
    values |= {key: tuple(map(str, data[key])) for key in ("node_names", "edge_names", "phases")}
    values |= {key: float(data[key]) for key in ("sigma_network", "thickness_m")}
    return FeatureGraph(**values, measures=None if measures is None else GraphMeasures(**measures))
