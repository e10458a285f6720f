"""What the front needs of the models, and the same without Ray: for tests, and to measure what Ray costs."""

import asyncio
from typing import Any, Protocol

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.service.answer import joined
from ssbray.service.asked import Wishes
from ssbray.service.models import Eye, Oracle, release
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Settings


class Backend(Protocol):
    """Predictions; Refusal or InputError where there is none."""

    async def image(self, micrograph: Micrograph, wishes: Wishes) -> dict[str, Any]:
        """The answer to a micrograph, without `seconds`."""
        ...

    async def design(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The answer to process parameters, without `seconds`."""
        ...

    async def model(self) -> dict[str, Any]:
        """What answers here; only models that have answered a canary do."""
        ...


def described(name: str, eye: dict[str, Any] | None, oracle: dict[str, Any], search: dict[str, Any] | None,
              registry: dict[str, str | None] | None = None) -> dict[str, Any]:
    """The answer of /v1/model; `registry` is the version that each model has in MLflow's."""
    parts = {"segmenter": eye, "surrogate": oracle}
    return {"name": name, "version": oracle["version"] if eye is None else f"{eye['version']}+{oracle['version']}",
            "release": oracle["release"], **parts, "search": search,
            "registry": registry or dict.fromkeys(parts),
            "sha256": {f"{part}/{file}": digest for part, facts in parts.items() if facts
                       for file, digest in facts["sha256"].items()}}


class LocalBackend:
    """Both models in this process, one request after the other."""

    def __init__(self, settings: Settings) -> None:
        if settings.surrogate is None:
            raise InputError("--surrogate", None, "is needed: give the directory of a trained surrogate")
        version = release(settings)
        self.eye = Eye(settings.segmenter, device=settings.device, maps=settings.maps,
                       draws=settings.draws, release=version) if settings.segmenter else None
        self.oracle = Oracle(settings.surrogate, device=settings.device, release=version)
        self.designs = None
        if settings.spec:
            from serve.design import Designs

            self.designs = Designs(settings.spec)
        self._name, self._one = settings.name, asyncio.Lock()

    async def image(self, micrograph: Micrograph, wishes: Wishes) -> dict[str, Any]:
        """In a thread, so that the loop goes on."""
        async with self._one:
            return await asyncio.to_thread(self.answer, micrograph, wishes)

    def answer(self, micrograph: Micrograph, wishes: Wishes) -> dict[str, Any]:
        """The answer, in this thread."""
        if self.eye is None:
            raise Refusal.lacking("segmenter", "image")
        seen = self.eye.see(micrograph, wishes)
        (told,) = self.oracle.foretell([seen.question])
        if isinstance(told, InputError):
            raise told
        return joined(seen, told)

    async def design(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """In a thread too."""
        if self.designs is None:
            raise Refusal.lacking("spec", "parameters")
        async with self._one:
            return await asyncio.to_thread(self.designs.answer, parameters, self.oracle)

    async def model(self) -> dict[str, Any]:
        """What answers here."""
        return described(self._name, self.eye.describe() if self.eye else None, self.oracle.describe(),
                         self.designs.search if self.designs else None)
