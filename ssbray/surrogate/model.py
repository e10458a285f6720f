"""A trained surrogate: what it predicts, and how sure it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssbray.anomaly import novelty, own_novelty
from ssbray.domain import FeatureGraph, FloatArray, Prediction
from ssbray.errors import InputError
from ssbray.surrogate import store
from ssbray.surrogate.batch import Scaling
from ssbray.surrogate.calibration import Calibration
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.descriptors import descriptors, ln_prior, standardise
from ssbray.surrogate.fit import outputs
from ssbray.surrogate.labels import Shares


def check_device(device: str) -> str:
    """Refuse a device that this machine does not have."""
    if device not in ("cpu", "cuda"):
        raise InputError("device", device, "choose cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device", device, "this machine shows no CUDA device to torch: use cpu")
    return device


def moments(mean: FloatArray, ln_noise: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moments of a mixture of Gaussians, one for each weight sample.

    Parameters
    ----------
    mean, ln_noise : (samples, n), the noise relative to `noise`, (samples,).

    Returns
    -------
    mean, epistemic, aleatoric : (n,) each; the squares of the deviations add up to the variance.
    """
    within = np.sqrt(np.mean((noise[:, None] * np.exp(ln_noise)) ** 2, axis=0))
    return mean.mean(axis=0), mean.std(axis=0, ddof=1), within


@dataclass(frozen=True, eq=False, kw_only=True)
class Surrogate:
    """Posterior weight samples of the network, and the scales around them.

    The model says ``ln(sigma / sigma_network) = shift + spread * net(graph)``, with the network of the
    subdivided regions, so all its deviations are those of ln sigma. Predictions are deterministic: the
    samples were drawn once, after training.
    """

    samples: dict[str, Tensor]  #: (S, ...) of each weight tensor
    scaling: Scaling
    shift: float  #: mean of the training targets
    spread: float  #: their standard deviation
    noise: FloatArray  #: (S,) standard deviation of the common noise [ln sigma], before recalibration
    calibration: Calibration  #: from held-out groups
    known: FloatArray  #: (n, c) descriptors of the training graphs
    config: TrainingConfig
    card: dict[str, Any] = field(default_factory=dict)  #: what it was trained on, and what to beware of

    def predict_arrays(self, graphs: Sequence[FeatureGraph], device: str = "cpu"
                       ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Moments of ln(sigma / (S/m)).

        Where the network does not percolate, nothing conducts: mean -inf and both deviations exactly 0.

        Returns
        -------
        mean, epistemic, aleatoric : (n,) each; the deviations after recalibration.
        """
        self.scaling.check(graphs)
        mean, epistemic, aleatoric = np.full(len(graphs), -np.inf), np.zeros(len(graphs)), np.zeros(len(graphs))
        live = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0]
        if live:
            chosen = [graphs[k] for k in live]
            drawn, ln_noise, _ = outputs(self.samples, chosen, self.scaling, self.config, check_device(device))
            centre, spread, noise = moments(drawn, ln_noise, self.noise / self.spread)
            factor = self.spread * self.calibration.inflation
            mean[live] = ln_prior(chosen) + self.shift + self.spread * centre
            epistemic[live], aleatoric[live] = factor * spread, factor * noise
        return mean, epistemic, aleatoric

    def predict(self, graphs: Sequence[FeatureGraph], device: str = "cpu") -> list[Prediction]:
        """Predict the effective conductivity of each graph.

        A graph that does not percolate gets ``mean_ln = -inf``, hence ``sigma = 0`` exactly, and the
        interval (0, 0).
        """
        moments = self.predict_arrays(graphs, device)
        inside = self.in_domain(graphs)
        reach = self.calibration.reach * np.hypot(moments[1], moments[2])
        with np.errstate(over="ignore"):
            low, high = np.exp(moments[0] - reach), np.exp(moments[0] + reach)
        return [Prediction(mean_ln=float(m), epistemic_ln=float(e), aleatoric_ln=float(a), in_domain=bool(known),
                           interval90=(float(below), float(above)), model_version=self.version)
                for m, e, a, known, below, above in zip(*moments, inside, low, high, strict=True)]

    def losses(self, graphs: Sequence[FeatureGraph], device: str = "cpu") -> list[Shares]:
        """Where the resistance sits: the share of the dissipation in each node, and in each edge's interface.

        The shares of a graph sum to 1; all are zero where the network does not percolate. A model that
        was trained without such labels gives those of the subdivided network.
        """
        self.scaling.check(graphs)
        found = [(np.zeros(graph.size[0]), np.zeros(graph.size[1])) for graph in graphs]
        live = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0]
        if live:
            chosen = [graphs[k] for k in live]
            shares = outputs(self.samples, chosen, self.scaling, self.config, check_device(device))[2]
            for k, share in zip(live, shares, strict=True):
                found[k] = (share[:graphs[k].size[0]], share[graphs[k].size[0]:])
        return found

    def novelty(self, graphs: Sequence[FeatureGraph]) -> FloatArray:
        """Distance of each graph to the nearest training graphs, in standard deviations of the descriptors."""
        if not graphs:
            return np.zeros(0)
        return novelty(standardise(descriptors(graphs), self.known), standardise(self.known, self.known),
                       self.config.neighbours)

    @cached_property
    def own_novelty(self) -> FloatArray:
        """Novelty of each training graph among the others: what p-values of `novelty` are counted against."""
        return own_novelty(standardise(self.known, self.known), self.config.neighbours)

    def in_domain(self, graphs: Sequence[FeatureGraph]) -> np.ndarray:
        """Whether each graph is no stranger than the strangest training graph is to the others.

        About one in n + 1 graphs like the n training graphs fails this.
        """
        self.scaling.check(graphs)
        return np.asarray(self.novelty(graphs) <= self.own_novelty.max())

    @cached_property
    def version(self) -> str:
        """First twelve hexadecimal digits of the sha256 of all numbers in the model."""
        return hashlib.sha256(store.pack(self)).hexdigest()[:12]

    def save(self, directory: str | Path) -> None:
        """Write weights (safetensors) and a header (JSON) that names their sha256."""
        store.save(self, Path(directory))

    @classmethod
    def load(cls, directory: str | Path) -> Surrogate:
        """Read what `save` wrote; anything else is refused by name."""
        return cls(**store.load(Path(directory)))
