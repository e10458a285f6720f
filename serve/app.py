"""The Ray Serve application: a front, a segmenter and a surrogate, composed with handles.

    serve run serve.app:build segmenter=models/segmenter surrogate=campaigns/llzo-nmc/model
"""

import os
from typing import Any

from ray import serve
from ray.serve.config import BackpressureConfig
from ray.serve.context import _get_global_client
from ray.serve.handle import DeploymentHandle

from serve.batcher import Batcher
from serve.environment import of_replica
from serve.front import create
from serve.handles import HandleBackend
from serve.metrics import Metrics
from serve.registry import located
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.service.asked import Question, Seen, Wishes
from ssbray.service.keys import Keys
from ssbray.service.models import Eye, Oracle, digest_of, release
from ssbray.service.refusal import Refusal, portable
from ssbray.service.settings import Settings, check_bind

SPARE = 128  #: places of the front beyond its own limits, for health and metrics


@serve.deployment
class Segmentation:
    """The segmenter on one replica; frames that come together go through the nets together, by their pixels."""

    def __init__(self, path: str, digest: str, device: str, version: str, batch_pixels: int) -> None:
        self._eye = Eye(path, device=device, release=version, expects=digest)
        self._batcher: Batcher[tuple[Micrograph, Wishes], Seen] = Batcher(
            self._eye.see_all, lambda one: one[0].shape[0] * one[0].shape[1], batch_pixels)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Numbers of maps, while it runs."""
        self._eye.maps, self._eye.draws = int(user_config["maps"]), int(user_config["draws"])

    async def see(self, micrograph: Micrograph, wishes: Wishes) -> Seen | Exception:
        """Segment and describe; what goes wrong with one frame is a value here."""
        return portable(await self._batcher.ask((micrograph, wishes)))

    async def describe(self) -> dict[str, Any]:
        """What it is."""
        return self._eye.describe()


@serve.deployment
class Prediction:
    """The surrogate on one replica; graphs that come together are predicted together, by their regions."""

    def __init__(self, path: str, digest: str, device: str, version: str, spec: str | None, batch_nodes: int) -> None:
        self._oracle = Oracle(path, device=device, release=version, expects=digest)
        self._designs = None
        if spec:
            from serve.design import Designs

            self._designs = Designs(spec)
        self._batcher: Batcher[Question, dict[str, Any]] = Batcher(self._oracle.foretell, regions, batch_nodes)
        self._one: Batcher[dict[str, Any], dict[str, Any]] = Batcher(self._answered, lambda _: 1, 1)

    async def foretell(self, question: Question) -> tuple[str, dict[str, Any] | Exception]:
        """The release that answers, and the answer."""
        return self._oracle.release, portable(await self._batcher.ask(question))

    async def design(self, parameters: dict[str, Any]) -> dict[str, Any] | Exception:
        """The answer to process parameters."""
        return portable(await self._one.ask(parameters))

    def _answered(self, several: Any) -> list[dict[str, Any] | Exception]:
        if self._designs is None:
            raise Refusal.lacking("spec", "parameters")
        return [self._designs.answer(one, self._oracle) for one in several]

    async def describe(self) -> dict[str, Any]:
        """What it is."""
        return {**self._oracle.describe(), "search": self._designs.search if self._designs else None}


def regions(question: Question) -> int:
    """Size of a question: of all its maps together."""
    return sum(graph.size[0] for graph in (question.graph, *question.others))


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

    def __init__(self, settings: Settings, registry: dict[str, str | None], prediction: DeploymentHandle,
                 segmentation: DeploymentHandle | None = None) -> None:
        check_bind(settings, _get_global_client().http_config.host)  # `serve run --host` does not pass through `build`
        self._settings, self._registry = settings, registry
        self._prediction, self._segmentation = prediction, segmentation

    def __serve_build_asgi_app__(self) -> Any:
        settings = self._settings
        keys = Keys.read(settings.keys) if settings.keys else None
        metrics = Metrics()
        backend = HandleBackend(settings.name, self._segmentation, self._prediction, metrics, self._registry)
        return create(backend, settings, keys=keys, metrics=metrics, log=appender(settings.log),
                      echo=False)


def _made(deployment: Any, **options: Any) -> Any:
    return deployment.options(**options)


def build(settings: Settings) -> serve.Application:
    """The application of some settings; models are named by what is in their files, so a change of them is a roll-out.

    InputError for models that are not there, and for an address that others reach without a key.
    """
    check_bind(settings)
    if settings.surrogate is None:
        raise InputError("--surrogate", None, "is needed: give the directory of a trained surrogate")
    if settings.keys:
        Keys.read(settings.keys)
    settings, registry = located(settings)
    settings = settings.model_copy(update={name: os.path.abspath(path) for name in ("log", "keys", "spec")
                                           if (path := getattr(settings, name))})
    version = release(settings)
    limits = settings.limits
    common: dict[str, Any] = {
        "num_replicas": settings.replicas, "max_ongoing_requests": settings.max_ongoing, "max_surge_percent": 100,
        "max_queued_requests": limits.ongoing + limits.queued + SPARE, "graceful_shutdown_timeout_s": limits.timeout_s,
        "ray_actor_options": {"num_cpus": settings.cpus, "num_gpus": settings.gpus,
                              "runtime_env": {"env_vars": of_replica(settings.threads)}}}
    assert settings.surrogate is not None
    prediction = _made(Prediction, **common).bind(settings.surrogate, digest_of(settings.surrogate), settings.device,
                                                  version, settings.spec, settings.batch_nodes)
    segmentation = None
    if settings.segmenter is not None:
        maps = {"maps": settings.maps, "draws": settings.draws}
        segmentation = _made(Segmentation, **common, user_config=maps).bind(
            settings.segmenter, digest_of(settings.segmenter), settings.device, version, settings.batch_pixels)
    places = limits.uploads + limits.ongoing + limits.queued + SPARE
    return _made(
        Front, num_replicas=1, max_ongoing_requests=places, max_queued_requests=SPARE,
        graceful_shutdown_timeout_s=limits.timeout_s,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=2),
        max_surge_percent=100, ray_actor_options={"num_cpus": 0, "runtime_env": {"env_vars": of_replica(1)}},
    ).bind(settings, registry, prediction, segmentation)
