"""Models on replicas of Ray Serve, asked through handles."""

import asyncio
from typing import Any

from ray.exceptions import RayActorError, RayError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from serve.backend import described
from serve.metrics import Metrics
from ssbray.domain import Micrograph
from ssbray.service.answer import joined
from ssbray.service.asked import Wishes
from ssbray.service.refusal import Refusal

TRIES = 6
PAUSE_S = 0.25  #: before a try is repeated; doubled each time
PLAIN = {"request_serialization": "pickle", "response_serialization": "pickle"}  #: no functions travel here


class HandleBackend:
    """Asks the replicas. A dead one costs a try; answers of two releases are never mixed."""

    def __init__(self, name: str, segmentation: DeploymentHandle | None, prediction: DeploymentHandle,
                 metrics: Metrics, registry: dict[str, str | None] | None = None) -> None:
        self._name, self._metrics, self._registry = name, metrics, registry
        self._see = self._eye = None
        if segmentation is not None:
            self._see, self._eye = (segmentation.options(method_name=name, **PLAIN) for name in ("see", "describe"))
        self._foretell, self._design, self._oracle = (
            prediction.options(method_name=name, **PLAIN) for name in ("foretell", "design", "describe"))

    async def image(self, micrograph: Micrograph, wishes: Wishes) -> dict[str, Any]:
        """Segmented, then predicted, by replicas of one release."""
        see = self._see
        if see is None:
            raise Refusal.lacking("segmenter", "image")

        async def both() -> dict[str, Any] | None:
            seen = _good(await see.remote(micrograph, wishes))
            version, told = await self._foretell.remote(seen.question)
            return joined(seen, _good(told)) if version == seen.release else None

        return await self._tried(both)

    async def design(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Predicted by one replica."""
        async def one() -> dict[str, Any]:
            return dict(_good(await self._design.remote(parameters)))

        return await self._tried(one)

    async def model(self) -> dict[str, Any]:
        """What answers; a roll-out that is under way is told as not ready."""
        async def facts() -> dict[str, Any] | None:
            oracle = dict(await self._oracle.remote())
            eye = None if self._eye is None else dict(await self._eye.remote())
            search = oracle.pop("search")
            same = eye is None or eye["release"] == oracle["release"]
            return described(self._name, eye, oracle, search, self._registry) if same else None

        return await self._tried(facts)

    async def _tried(self, ask: Any) -> dict[str, Any]:
        """The first whole answer; 503 after some tries."""
        for number in range(TRIES):
            if number:
                self._metrics.retries.inc()
                await asyncio.sleep(PAUSE_S * 2 ** (number - 1))
            try:
                answer = await ask()
            except BackPressureError:
                raise Refusal(429, "busy", None, "the models are busy: try again", retry_after_s=2) from None
            except (RayActorError, DeploymentUnavailableError):
                continue  # the replica, not the request: another one takes it
            except RayError as error:
                if isinstance(error.__cause__, RayActorError):
                    continue
                raise
            if answer is not None:
                return dict(answer)
        raise Refusal(503, "unavailable", None, "the models are being replaced: try again", retry_after_s=5)


def _good(value: Any) -> Any:
    """A result, or the error that came in its place."""
    if isinstance(value, Exception):
        raise value
    return value
