"""A surrogate on disk: one safetensors file for the numbers, one JSON header for the words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError

import ssbray
from ssbray import files
from ssbray.anomaly import Reference
from ssbray.errors import InputError
from ssbray.surrogate.batch import Scaling
from ssbray.surrogate.calibration import Calibration
from ssbray.surrogate.config import TrainingConfig

if TYPE_CHECKING:
    from ssbray.surrogate.model import Surrogate

FORMAT = "ssbray.surrogate/3"
WEIGHTS, HEADER = "weights.safetensors", "model.json"
SCALARS = ("shift", "spread")
ARRAYS = ("noise", "known")
SCALES = ("node_mean", "node_std", "edge_mean", "edge_std", "whole_mean", "whole_std")
FACTORS = ("inflation", "reach", "graphs", "conformal")


def pack(model: Surrogate) -> bytes:
    """Serialise every number of the model; equal models give equal bytes."""
    tensors = {f"weight.{name}": value.contiguous() for name, value in model.samples.items()}
    tensors |= {name: torch.tensor(getattr(model, name), dtype=torch.float64) for name in (*SCALARS, *ARRAYS)}
    tensors["calibration"] = torch.tensor([float(getattr(model.calibration, name)) for name in FACTORS],
                                          dtype=torch.float64)
    tensors["errors"] = torch.as_tensor(model.calibration.errors)
    tensors["reference"] = torch.as_tensor(model.reference.values)
    tensors |= {name: torch.as_tensor(getattr(model.scaling, name)) for name in SCALES}
    return safetensors.torch.save(tensors)


def save(model: Surrogate, directory: Path) -> None:
    """Write the weights, then the header: a directory without a matching header is no model."""
    data = pack(model)
    header = {
        "format": FORMAT,
        "sha256": hashlib.sha256(data).hexdigest(),
        "code_version": ssbray.__version__,
        "node_names": model.scaling.node_names,
        "edge_names": model.scaling.edge_names,
        "reference_names": model.reference.names,
        "config": model.config.model_dump(),
        "card": model.card,
    }
    files.write_bytes(directory / WEIGHTS, data)
    files.write_json(directory / HEADER, header)


def load(directory: Path) -> dict[str, Any]:
    """Read the fields of a Surrogate.

    Raises
    ------
    InputError
        when a file is missing, damaged, foreign, or does not belong to the other.
    """
    def refuse(remedy: str) -> InputError:
        return InputError("surrogate", str(directory), remedy)

    try:
        header = json.loads((directory / HEADER).read_text())
        data = (directory / WEIGHTS).read_bytes()
    except OSError as error:
        raise refuse(f"cannot read {error.filename}: give the directory that `ssbray train surrogate` wrote") from None
    except ValueError:
        raise refuse(f"{HEADER} is not JSON: the model is damaged, train it again or copy it anew") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise refuse(f"{HEADER} says {header.get('format') if isinstance(header, dict) else 'nothing'!r}, and this "
                     f"version reads {FORMAT}: train it again")
    if hashlib.sha256(data).hexdigest() != header.get("sha256"):
        raise refuse(f"{WEIGHTS} is not the file that {HEADER} describes (sha256 differs): copy the model anew")
    try:
        tensors = safetensors.torch.load(data)
        config = TrainingConfig(**header["config"])
        scaling = Scaling(node_names=tuple(header["node_names"]), edge_names=tuple(header["edge_names"]),
                          **{name: np.asarray(tensors[name].numpy(), dtype=np.float64) for name in SCALES})
        inflation, reach, graphs, conformal = map(float, tensors["calibration"])
        return {"samples": {name.removeprefix("weight."): value for name, value in tensors.items()
                            if name.startswith("weight.")},
                "scaling": scaling, "config": config, "card": header["card"],
                "calibration": Calibration(inflation=inflation, reach=reach, graphs=int(graphs),
                                           conformal=bool(conformal), errors=tensors["errors"].numpy()),
                "reference": Reference(names=tuple(header["reference_names"]), values=tensors["reference"].numpy()),
                **{name: tensors[name].numpy() for name in ARRAYS},
                **{name: float(tensors[name]) for name in SCALARS}}
    except (KeyError, TypeError, ValueError, ValidationError, safetensors.SafetensorError) as error:
        raise refuse(f"the model is incomplete ({type(error).__name__}: {error}): train it again") from error

