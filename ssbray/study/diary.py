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
    """One JSON file per stage: a stage is done again only where its inputs have changed, or what came of those before.

    Inputs must name the version of the code as well (`codeversion`), which this does not know.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._results: dict[str, str] = {}  # digest of key and content of each stage so far
        self.again: list[str] = []  #: stages that were done now

    def stage(self, name: str, inputs: Any, make: Callable[[], Content], *, after: tuple[str, ...] = ()) -> Content:
        """Content of a stage, from its file or made now.

        Parameters
        ----------
        inputs : all that decides it, as plain data, besides the content of the stages in `after`.
        make : does it; what it keeps elsewhere must itself be resumable.
        """
        text = json.dumps([name, inputs, [self._results[each] for each in after]], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        path = self.directory / "stages" / f"{name}.json"
        content = self._kept(path, key)
        if content is None:
            path.unlink(missing_ok=True)  # what it speaks of is about to be overwritten
            began = time.perf_counter()
            made = make()
            self.again.append(name)
            write_json(path, {"key": key, "seconds": time.perf_counter() - began, "content": made})
            content = dict(json.loads(path.read_text())["content"])
        self._results[name] = hashlib.sha256(json.dumps([key, content], sort_keys=True).encode()).hexdigest()
        return content

    @staticmethod
    def _kept(path: Path, key: str) -> Content | None:
        """Content of a stage that was done with this key; None if it was not."""
        if not path.exists():
            return None
        try:
            kept = json.loads(path.read_text())
            return dict(kept["content"]) if kept["key"] == key else None
        except (json.JSONDecodeError, KeyError, TypeError):
            raise InputError("stage", str(path), "is damaged: remove it, and the stage is done again") from None

    def seconds(self) -> dict[str, float]:
        """Wall time of each stage, of the run that did it [s]."""
        return {name: json.loads((self.directory / "stages" / f"{name}.json").read_text())["seconds"]
                for name in self._results}
