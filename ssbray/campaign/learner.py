"""The surrogate as the campaign's learner, in this process. Imports torch, which the rest of the campaign does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssbray import surrogate
from ssbray.domain import FeatureGraph, FloatArray


class LocalLearner:
    """The surrogate in this process."""

    def __init__(self, config: dict[str, Any], device: str = "cpu") -> None:
        self._config = surrogate.TrainingConfig.model_validate(config)
        self._device = device
        self._model: surrogate.Surrogate | None = None

    def train(self, graphs: Sequence[FeatureGraph], sigma: Sequence[float], groups: Sequence[str], seed: int
              ) -> dict[str, Any]:
        """Fit to conductivities [S/m]; returns the model card."""
        self._model = surrogate.train(graphs, sigma, groups=groups, config=self._config, seed=seed, device=self._device)
        return dict(self._model.card)

    def predict(self, graphs: Sequence[FeatureGraph]) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of ln sigma."""
        mean, epistemic, aleatoric = self._trained().predict_arrays(graphs)
        return mean, (epistemic**2 + aleatoric**2) ** 0.5

    def save(self, directory: str) -> None:
        """Write the model."""
        self._trained().save(directory)

    def _trained(self) -> surrogate.Surrogate:
        if self._model is None:
            raise RuntimeError("predict and save need a trained model")
        return self._model
