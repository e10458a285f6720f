"""The surrogate in an actor: on a GPU where the cluster has one, else on the CPU, with the same code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from ssbray.cluster.session import THREADS, cluster_gpus
from ssbray.domain import FeatureGraph, FloatArray


class _Learner:
    def __init__(self, config: dict[str, Any], device: str) -> None:
        from ssbray.campaign.learner import LocalLearner

        self._local = LocalLearner(config, device)

    def train(self, *arguments: Any) -> dict[str, Any]:
        return self._local.train(*arguments)

    def predict(self, graphs: Sequence[FeatureGraph]) -> tuple[FloatArray, FloatArray]:
        return self._local.predict(graphs)

    def save(self, directory: str) -> None:
        self._local.save(directory)


class RayLearner:
    """A learner actor. It holds no CPU: it trains while the solvers wait for the chains."""

    def __init__(self, config: dict[str, Any], gpus: float | None = None) -> None:
        wanted = min(1.0, cluster_gpus()) if gpus is None else gpus
        actor = ray.remote(num_cpus=0, num_gpus=wanted, max_restarts=0, runtime_env={"env_vars": THREADS})(_Learner)
        self._actor = actor.remote(config, "cuda" if wanted else "cpu")

    def train(self, graphs: Sequence[FeatureGraph], sigma: Sequence[float], groups: Sequence[str], seed: int
              ) -> dict[str, Any]:
        """Fit to conductivities [S/m]; returns the model card."""
        return ray.get(self._actor.train.remote(graphs, sigma, groups, seed))

    def predict(self, graphs: Sequence[FeatureGraph]) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of ln sigma."""
        mean, std = ray.get(self._actor.predict.remote(graphs))
        return mean, std

    def save(self, directory: str) -> None:
        """Write the model, on the learner's node."""
        ray.get(self._actor.save.remote(directory))
