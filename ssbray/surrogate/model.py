"""A trained surrogate: what it predicts, and how sure it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssbray.anomaly import Reference, novelty, own_novelty
from ssbray.domain import FeatureGraph, FloatArray, Prediction
from ssbray.errors import InputError
from ssbray.surrogate import store
from ssbray.surrogate.batch import Scaling
from ssbray.surrogate.calibration import Calibration
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.descriptors import descriptors, ln_prior, standardise
from ssbray.surrogate.examine import Examined, examine
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
class Told:
    """What one pass of the network says of n graphs."""

    mean: FloatArray  #: (n,) of ln(sigma / (S/m)); -inf where the network does not percolate
    epistemic: FloatArray  #: (n,) recalibrated, of ln sigma
    aleatoric: FloatArray  #: (n,)
    shares: list[FloatArray]  #: for each graph (nodes + edges,) of the dissipation
    embedding: FloatArray  #: (n, members * hidden)


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
    reference: Reference  #: what the training maps are made of, for people
    config: TrainingConfig
    card: dict[str, Any] = field(default_factory=dict)  #: what it was trained on, and what to beware of

    def run(self, graphs: Sequence[FeatureGraph], device: str = "cpu") -> Told:
        """Run the network once over the graphs that conduct; the others have values that need no network."""
        self.scaling.check(graphs)
        sizes = np.cumsum([0, *sample_counts(self.config)])
        n, width = len(graphs), self.config.hidden
        told = Told(mean=np.full(n, -np.inf), epistemic=np.zeros(n), aleatoric=np.zeros(n),
                    shares=[np.zeros(sum(graph.size)) for graph in graphs],
                    embedding=np.full((n, width * self.config.members), np.nan))
        live = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0]
        if live:
            chosen = [graphs[k] for k in live]
            passed = outputs(self.samples, chosen, self.scaling, self.config, check_device(device))
            centre, spread, noise = moments(passed.mean, passed.ln_noise, self.noise / self.spread)
            factor = self.spread * self.calibration.inflation
            told.mean[live] = ln_prior(chosen) + self.shift + self.spread * centre
            told.epistemic[live], told.aleatoric[live] = factor * spread, factor * noise
            for k, share in zip(live, passed.shares, strict=True):
                told.shares[k] = share
            told.embedding[live] = np.concatenate([passed.states[a:b].mean(axis=0) for a, b in pairwise(sizes)], axis=1)
        return told

    def predict_arrays(self, graphs: Sequence[FeatureGraph], device: str = "cpu"
                       ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Moments of ln(sigma / (S/m)).

        Where the network does not percolate, nothing conducts: mean -inf and both deviations exactly 0.

        Returns
        -------
        mean, epistemic, aleatoric : (n,) each; the deviations after recalibration.
        """
        told = self.run(graphs, device)
        return told.mean, told.epistemic, told.aleatoric

    def predict(self, graphs: Sequence[FeatureGraph], device: str = "cpu") -> list[Prediction]:
        """Predict the effective conductivity of each graph.

        A graph that does not percolate gets ``mean_ln = -inf``, hence ``sigma = 0`` exactly, and the
        interval (0, 0).
        """
        return self.predictions(graphs, self.run(graphs, device))

    def predictions(self, graphs: Sequence[FeatureGraph], told: Told) -> list[Prediction]:
        """What `run` has told of the graphs, as predictions with intervals."""
        inside = self.in_domain(graphs)
        reach = self.calibration.reach * np.hypot(told.epistemic, told.aleatoric)
        with np.errstate(over="ignore"):
            low, high = np.exp(told.mean - reach), np.exp(told.mean + reach)
        return [Prediction(mean_ln=float(m), epistemic_ln=float(e), aleatoric_ln=float(a), in_domain=bool(known),
                           interval90=(float(below), float(above)), model_version=self.version)
                for m, e, a, known, below, above in zip(told.mean, told.epistemic, told.aleatoric, inside, low, high,
                                                        strict=True)]

    def examine(self, graphs: Sequence[FeatureGraph], truth: Sequence[float | None] | None = None,
                device: str = "cpu") -> list[Examined]:
        """Predict, share out the dissipation, embed, and judge each map, in one pass (`examine.examine`).

        Parameters
        ----------
        truth : solved conductivity of each map [S/m]; None for one that was not solved.
        """
        return examine(self, graphs, truth, device)

    def losses(self, graphs: Sequence[FeatureGraph], device: str = "cpu") -> list[Shares]:
        """Where the resistance sits: the share of the dissipation in each node, and in each edge's interface.

        The shares of a graph sum to 1; all are zero where the network does not percolate. A model that
        was trained without such labels gives those of the subdivided network.
        """
        return [(share[:graph.size[0]], share[graph.size[0]:])
                for graph, share in zip(graphs, self.run(graphs, device).shares, strict=True)]

    def embedding(self, graphs: Sequence[FeatureGraph], device: str = "cpu") -> FloatArray:
        """What the network makes of each graph before its output layer, for distances, maps and clusters.

        Each member's readout state, averaged over its posterior samples, side by side. Coordinates mean nothing
        one by one, and nothing across models; graphs that the network treats alike lie close
        (Janet et al., Chem. Sci. 10, 7913 (2019)).

        Returns
        -------
        (n, members * hidden), in (-1, 1), dimensionless; NaN where the network does not percolate.
        """
        return self.run(graphs, device).embedding

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


def sample_counts(config: TrainingConfig) -> list[int]:
    """Posterior samples of each member, in the order in which they are kept."""
    return [len(part) for part in np.array_split(np.arange(config.samples), config.members)]
