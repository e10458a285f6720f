"""The Ray Serve application: a front, a segmenter and a surrogate, composed with handles.

    serve run serve.app:build segmenter=models/segmenter surrogate=campaigns/llzo-nmc/model
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.config import BackpressureConfig
from ray.serve.context import _get_global_client
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from serve.backend import described, lacking
from serve.design import Designs
from serve.front import create
from serve.metrics import Metrics
from ssbray.domain import FeatureGraph, Micrograph
from ssbray.errors import InputError
from ssbray.service.answer import Seen, Wishes, joined, parts
from ssbray.service.keys import Keys
from ssbray.service.models import Eye, Oracle, release
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Settings, check_bind

TRIES = 6
PAUSE_S = 0.25  #: before a try is repeated; doubled each time
SPARE = 128  #: places of the front beyond its own limits, for health and metrics


@serve.deployment
class Segmentation:
    """The segmenter on one replica. One frame fills the machine, so frames are not batched: nets work by tiles."""

    def __init__(self, path: str, device: str, version: str) -> None:
        self._eye = Eye(path, device=device, release=version)
        self._one = ThreadPoolExecutor(1)  # not a lock: a frame whose client has left is still worked on

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Number of draws, while it runs."""
        self._eye.draws = int(user_config["draws"])

    async def see(self, micrograph: Micrograph, wishes: Wishes) -> Seen | InputError:
        """Segment, in a thread, one at a time; what the user can mend is a value here."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._one, self._eye.see, micrograph, wishes)
        except InputError as error:
            return error

    async def describe(self) -> dict[str, Any]:
        """What it is."""
        return self._eye.describe()


@serve.deployment
class Prediction:
    """The surrogate on one replica; graphs that come together are predicted together."""

    def __init__(self, path: str, device: str, version: str, spec: str | None, batch: int, batch_nodes: int) -> None:
        self._oracle = Oracle(path, device=device, release=version)
        self._designs = Designs(spec) if spec else None
        self.foretell_batch.set_max_batch_size(batch)  # type: ignore[attr-defined]
        self._nodes = batch_nodes
        self._one = ThreadPoolExecutor(1)

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.0)
    async def foretell_batch(self, graphs: list[FeatureGraph]) -> list[dict[str, Any] | InputError]:
        """One answer for each graph, in parts of at most so many regions."""
        answers: list[dict[str, Any] | InputError] = []
        for part in parts(graphs, self._nodes):
            answers += await asyncio.get_running_loop().run_in_executor(self._one, self._oracle.foretell, part)
        return answers

    async def foretell(self, graph: FeatureGraph) -> tuple[str, dict[str, Any] | InputError]:
        """The release that answers, and the answer."""
        return self._oracle.release, await self.foretell_batch(graph)

    async def design(self, parameters: dict[str, Any]) -> dict[str, Any] | InputError | Refusal:
        """The answer to process parameters."""
        if self._designs is None:
            return lacking("spec", "parameters")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._one, self._designs.answer, parameters,
                                                                    self._oracle)
        except InputError as error:
            return error

    async def describe(self) -> dict[str, Any]:
        """What it is."""
        return {**self._oracle.describe(), "search": self._designs.search if self._designs else None}


class HandleBackend:
    """Asks the replicas. A dead one costs a try; answers of two releases are never mixed."""

    def __init__(self, name: str, segmentation: DeploymentHandle | None, prediction: DeploymentHandle,
                 metrics: Metrics) -> None:
        self._name, self._eye, self._oracle, self._metrics = name, segmentation, prediction, metrics

    async def image(self, micrograph: Micrograph, wishes: Wishes) -> dict[str, Any]:
        """Segmented, then predicted, by replicas of one release."""
        if self._eye is None:
            raise lacking("segmenter", "image")
        eye = self._eye

        async def both() -> dict[str, Any] | None:
            seen = _good(await eye.see.remote(micrograph, wishes))
            version, told = await self._oracle.foretell.remote(seen.graph)
            return joined(seen, _good(told)) if version == seen.release else None

        return await self._tried(both)

    async def design(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Predicted by one replica."""
        async def one() -> dict[str, Any]:
            return _good(await self._oracle.design.remote(parameters))

        return await self._tried(one)

    async def model(self) -> dict[str, Any]:
        """What answers; a roll-out that is under way is told as not ready."""
        async def facts() -> dict[str, Any] | None:
            oracle = dict(await self._oracle.describe.remote())
            eye = None if self._eye is None else dict(await self._eye.describe.remote())
            search = oracle.pop("search")
            same = eye is None or eye["release"] == oracle["release"]
            return described(self._name, eye, oracle, search) if same else None

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


def appender(path: str | None) -> Any:
    """Writes lines to a file that only its owner reads; None for the standard error."""
    if path is None:
        return None
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", buffering=1)
    return lambda line: file.write(line + "\n")


@serve.deployment
@serve.ingress()
class Front:
    """The HTTP application, once: limits and counters hold for the whole endpoint."""

    def __init__(self, settings: Settings, prediction: DeploymentHandle,
                 segmentation: DeploymentHandle | None = None) -> None:
        check_bind(settings, _get_global_client().http_config.host)  # `serve run --host` does not pass through `build`
        self._settings, self._prediction, self._segmentation = settings, prediction, segmentation

    def __serve_build_asgi_app__(self) -> Any:
        settings = self._settings
        keys = Keys.read(settings.keys) if settings.keys else None
        metrics = Metrics()
        backend = HandleBackend(settings.name, self._segmentation, self._prediction, metrics)
        return create(backend, settings, keys=keys, metrics=metrics, log=appender(settings.log),
                      echo=False)


def build(settings: Settings) -> serve.Application:
    """The application of some settings; models are named by what is in their files, so a change of them is a roll-out.

    InputError for models that are not there, and for an address that others reach without a key.
    """
    check_bind(settings)
    if settings.surrogate is None:
        raise InputError("--surrogate", None, "is needed: give the directory of a trained surrogate")
    if settings.keys:
        Keys.read(settings.keys)
    version = release(settings)
    limits = settings.limits
    if settings.log:
        settings = settings.model_copy(update={"log": os.path.abspath(settings.log)})
    if settings.keys:
        settings = settings.model_copy(update={"keys": os.path.abspath(settings.keys)})
    common: dict[str, Any] = {
        "num_replicas": settings.replicas, "max_ongoing_requests": settings.max_ongoing, "max_surge_percent": 100,
        "max_queued_requests": limits.ongoing + limits.queued + SPARE, "graceful_shutdown_timeout_s": 5,
        "ray_actor_options": {"num_cpus": settings.cpus, "num_gpus": settings.gpus, "runtime_env": {
            "env_vars": {name: str(settings.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}}}}
    spec = None if settings.spec is None else os.path.abspath(settings.spec)
    prediction = Prediction.options(**common).bind(os.path.abspath(settings.surrogate), settings.device, version, spec,
                                                   settings.batch, settings.batch_nodes)
    segmentation = None
    if settings.segmenter is not None:
        segmentation = Segmentation.options(**common, user_config={"draws": settings.draws}).bind(
            os.path.abspath(settings.segmenter), settings.device, version)
    places = limits.uploads + limits.ongoing + limits.queued + SPARE
    return Front.options(  # type: ignore[no-any-return]
        num_replicas=1, max_ongoing_requests=places, max_queued_requests=SPARE, graceful_shutdown_timeout_s=5,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=2),
        max_surge_percent=100, ray_actor_options={"num_cpus": 0},
    ).bind(settings, prediction, segmentation)
