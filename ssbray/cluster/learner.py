"""The surrogate in an actor: on a GPU where the cluster has one, else on the CPU, with the same code."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray

from ssbray.cluster.session import THREADS, cluster_gpus, local
from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.files import write_bytes

ATTEMPTS = 3


class _Learner:
    def __init__(self, config: dict[str, Any], device: str) -> None:
        from ssbray.campaign.learner import LocalLearner

        self._local = LocalLearner(config, device)

    def train(self, *arguments: Any) -> dict[str, Any]:
        return self._local.train(*arguments)

    def predict(self, graphs: Sequence[FeatureGraph]) -> tuple[FloatArray, FloatArray]:
        return self._local.predict(graphs)

    def files(self) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as place:
            self._local.save(place)
            return {path.name: path.read_bytes() for path in Path(place).iterdir()}


class RayLearner:
    """A learner actor. It holds no CPU: it trains while the solvers wait for the chains.

    An actor whose machine is lost is replaced, and taught again what the lost one had learnt.
    """

    def __init__(self, config: dict[str, Any], gpus: float | None = None) -> None:
        there = cluster_gpus()
        if gpus is not None and gpus > there and local():
            raise InputError("cluster.learner_gpus", gpus, f"this machine has {there:g} GPUs: leave it out to train on "
                             "what there is")
        wanted = min(1.0, there) if gpus is None else gpus
        self._class = ray.remote(num_cpus=0, num_gpus=wanted, max_restarts=0,
                                 runtime_env={"env_vars": THREADS})(_Learner)
        self._making = (config, "cuda" if wanted else "cpu")
        self._actor = self._class.remote(*self._making)
        self._taught: tuple[Any, ...] | None = None

    def train(self, graphs: Sequence[FeatureGraph], sigma: Sequence[float], groups: Sequence[str], seed: int
              ) -> dict[str, Any]:
        """Fit to conductivities [S/m]; returns the model card."""
        self._taught = None  # what an actor that is replaced meanwhile need not learn any more
        card: dict[str, Any] = self._ask("train", graphs, sigma, groups, seed)
        self._taught = (graphs, sigma, groups, seed)
        return card

    def predict(self, graphs: Sequence[FeatureGraph]) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of ln sigma."""
        mean, std = self._ask("predict", graphs)
        return mean, std

    def save(self, directory: str) -> None:
        """Write the model here, wherever the learner is."""
        for name, content in sorted(self._ask("files").items(), reverse=True):
            write_bytes(Path(directory) / name, content)  # the weights, then the header that names them

    def _ask(self, what: str, *arguments: Any) -> Any:
        """Call the actor; on a new one where the machine failed."""
        for _ in range(ATTEMPTS):
            try:
                return ray.get(getattr(self._actor, what).remote(*arguments))
            except ray.exceptions.RayTaskError as error:  # a mistake of ours, or of the user: let it be seen
                if isinstance(error.cause, InputError):
                    raise error.cause from None
                raise
            except ray.exceptions.RayError as error:
                lost = error
                self._actor = self._class.remote(*self._making)
                if self._taught is not None:
                    self._actor.train.remote(*self._taught)  # actors work in order
        raise InputError("cluster", "learner", f"was lost {ATTEMPTS} times ({type(lost).__name__}): give it a machine "
                         "with more memory, or one that stays")
