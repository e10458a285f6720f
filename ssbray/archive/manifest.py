"""What an entry is: its kind, values, arrays by their hash, parents. The sha256 of this text is its name."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError

FORMAT = "ssbray.archive/1"
SPECIAL = "$float"  #: JSON has no word for what is infinite or not a number
NUMBERS = "biufc"  #: kinds of dtype that are kept: text belongs in values, objects nowhere
PLAIN = (bool, int, str, type(None))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The whole content of an entry, arrays replaced by their hash."""

    kind: str
    values: Mapping[str, Any]  #: plain data
    arrays: Mapping[str, Mapping[str, Any]]  #: name -> {"dtype", "shape", "sha256"}
    parents: tuple[str, ...]  #: ids, sorted
    inputs: Mapping[str, Any] | None = None  #: of the computation that it remembers
    code: str | None = None  #: version of what computed it

    def text(self) -> str:
        """Canonical JSON: equal content, equal text."""
        return canonical({"format": FORMAT, "kind": self.kind, "values": self.values, "arrays": self.arrays,
                          "parents": self.parents, "inputs": self.inputs, "code": self.code})

    @property
    def memo(self) -> str | None:
        """Key under which the result is looked up; None where it remembers no computation."""
        if self.inputs is None or self.code is None:
            return None
        return memo_key(self.kind, self.inputs, self.parents, self.code)


def parse(text: str) -> Manifest:
    """Read what `Manifest.text` wrote. Raises ValueError, KeyError or TypeError on anything else."""
    content = decode(json.loads(text))
    if content.pop("format") != FORMAT:
        raise ValueError(f"not {FORMAT}")
    return Manifest(**{**content, "parents": tuple(content["parents"])})


def memo_key(kind: str, inputs: Mapping[str, Any], parents: Iterable[str], code: str) -> str:
    """Name of a computation: sha256 of what goes in, and of the code that does it."""
    return sha256(canonical({"kind": kind, "inputs": inputs, "parents": sorted(set(parents)), "code": code}))


def sha256(text: str) -> str:
    """Hex digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def describe(array: NDArray[Any]) -> dict[str, Any]:
    """Dtype, shape and hash of a normal array."""
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": hashlib.sha256(array.data).hexdigest()}


def normal(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Little-endian, in C order: equal numbers, equal bytes."""
    if not name or "/" in name or name.startswith((".", "__")):
        raise InputError("arrays", name, "name arrays in plain words, without a slash")
    array = np.asarray(array)
    if array.dtype.kind not in NUMBERS:
        raise InputError(f"arrays[{name}]", str(array.dtype), "only numbers are kept as arrays: put text into values")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)


def canonical(content: Any) -> str:
    """One text for one content: keys sorted, no spaces, floats by their shortest form.

    >>> canonical({"b": float("inf"), "a": (1, 0.1)})
    '{"a":[1,0.1],"b":{"$float":"inf"}}'
    """
    return json.dumps(_plain(content, ""), sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode(content: Any) -> Any:
    """Undo what `canonical` did to numbers that JSON cannot say."""
    if isinstance(content, dict):
        if set(content) == {SPECIAL}:
            return float(content[SPECIAL])
        return {key: decode(value) for key, value in content.items()}
    return [decode(value) for value in content] if isinstance(content, list) else content


def _plain(content: Any, where: str) -> Any:
    if isinstance(content, np.ndarray | np.generic):
        content = content.tolist()
    if isinstance(content, float):
        return content if math.isfinite(content) else {SPECIAL: str(content)}
    if isinstance(content, PLAIN):
        return content
    if isinstance(content, list | tuple):
        return [_plain(value, f"{where}[{index}]") for index, value in enumerate(content)]
    if isinstance(content, Mapping):
        for key in content:
            if not isinstance(key, str) or key == SPECIAL:
                raise InputError(where or "values", key, f"keys are text, and not {SPECIAL!r}")
        return {key: _plain(value, f"{where}[{key}]" if where else key) for key, value in content.items()}
    raise InputError(where, type(content).__name__, "only plain data is kept: text, numbers, lists, mappings")
