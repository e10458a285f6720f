"""Which stages of a study are done, and what they found."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssbray.errors import InputError
from ssbray.files import write_json

Content = dict[str, Any]


class Diary:
    """One JSON file per stage: a stage is done again only where its inputs or its code have changed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys: dict[str, str] = {}  #: of the stages so far
        self.again: list[str] = []  #: stages that were done now

    def stage(self, name: str, inputs: Any, make: Callable[[], Content], *, after: tuple[str, ...] = ()) -> Content:
        """Content of a stage, from its file or made now.

        Parameters
        ----------
        inputs : all that decides it, as plain data, besides the stages in `after`.
        make : does it; what it keeps elsewhere must itself be resumable.
        """
        text = json.dumps([name, inputs, [self.keys[each] for each in after]], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        self.keys[name] = key
        path = self.directory / "stages" / f"{name}.json"
        if path.exists():
            try:
                kept = json.loads(path.read_text())
                if kept["key"] == key:
                    return dict(kept["content"])
            except (json.JSONDecodeError, KeyError, TypeError):
                raise InputError("stage", str(path), "is damaged: remove it, and the stage is done again") from None
        began = time.perf_counter()
        content = make()
        self.again.append(name)
        write_json(path, {"key": key, "seconds": time.perf_counter() - began, "content": content})
        return dict(json.loads(path.read_text())["content"])

    def seconds(self) -> dict[str, float]:
        """Wall time of each stage, of the run that did it [s]."""
        return {name: json.loads((self.directory / "stages" / f"{name}.json").read_text())["seconds"]
                for name in self.keys}
