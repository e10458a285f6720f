"""What a search over training options varies, and how it scores them. Pure: whoever runs it brings the machines."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.files import dump_json
from ssbray.rng import stream
from ssbray.surrogate import scores
from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.labels import Shares
from ssbray.surrogate.training import train

SHARE = 0.25  #: of the groups, for validation
FEWEST = 10  #: validation graphs from which a score means something
Setting = int | float


@dataclass(frozen=True, kw_only=True)
class Range:
    """Values of one option, both ends included; on a logarithmic scale unless `linear`."""

    low: Setting
    high: Setting
    kind: Literal["int", "float"] = "float"
    linear: bool = False


#: options of `TrainingConfig` that a search varies. More members and samples are never worse, and kl_warm_up and
#: guide_width only decide how the same optimum is reached, so these stay as they are
SPACE: Mapping[str, Range] = {
    "hidden": Range(low=8, high=64, kind="int"), "steps": Range(low=1, high=4, kind="int", linear=True),
    "map_rate": Range(low=2e-3, high=3e-2), "map_epochs": Range(low=30.0, high=120.0),
    "prior_gain": Range(low=0.3, high=3.0), "centred_gain": Range(low=0.05, high=0.6),
    "share_counts": Range(low=30.0, high=10000.0), "vi_rate": Range(low=1e-3, high=1e-2)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Examples:
    """n specimens that conduct, some of which are for validation."""

    graphs: Sequence[FeatureGraph]
    sigma: FloatArray  #: (n,) [S/m]
    groups: Sequence[str]  #: of designs; none is on both sides
    losses: Sequence[Shares] | None
    validation: NDArray[np.bool_]  #: (n,)

    @classmethod
    def of(cls, graphs: Sequence[FeatureGraph], sigma: Sequence[float] | FloatArray, groups: Sequence[str],
           losses: Sequence[Shares] | None, seed: int) -> Examples:
        """Set a share of the groups of a training set apart. Graphs that do not conduct are left out."""
        rows = [k for k, graph in enumerate(graphs) if graph.sigma_network > 0 and sigma[k] > 0]
        names = [groups[k] for k in rows]
        chosen = stream(seed, "validation of a search").permutation(sorted(set(names)))
        out = np.isin(names, chosen[:round(SHARE * len(chosen))])
        if out.sum() < FEWEST or (~out).sum() < FEWEST:
            raise InputError("--tune", f"{len(rows)} specimens of {len(chosen)} designs", "are too few to set a "
                             f"quarter of the designs apart: build more, at least {4 * FEWEST} that conduct")
        return cls(graphs=[graphs[k] for k in rows], sigma=np.asarray(sigma, dtype=np.float64)[rows], groups=names,
                   losses=None if losses is None else [losses[k] for k in rows], validation=out)

    @property
    def sha256(self) -> str:
        """Of everything that a score depends on, but options and seed."""
        digest = hashlib.sha256(self.sigma.tobytes() + self.validation.tobytes() + repr(list(self.groups)).encode())
        for graph in self.graphs:
            digest.update(graph.node_features.tobytes() + graph.edge_features.tobytes() + graph.edge_index.tobytes())
        for shares in self.losses or ():
            digest.update(shares[0].tobytes() + shares[1].tobytes())
        return digest.hexdigest()


def searched(config: TrainingConfig, fixed: Sequence[str]) -> dict[str, Range]:
    """The part of `SPACE` that the user has not fixed and that has an effect."""
    idle = {*fixed} | ({"centred_gain"} if config.prior_centre == "zero" else set())
    idle |= {"map_epochs"} if config.map_steps is not None else set()
    space = {name: one for name, one in SPACE.items() if name not in idle}
    if not space:
        raise InputError("--set", ", ".join(fixed), "leaves nothing to search: fix fewer options, or drop --tune")
    return space


def first_point(config: TrainingConfig, space: Mapping[str, Range]) -> dict[str, Setting]:
    """The options as they are, moved into the space where they lie outside."""
    return {name: (int if one.kind == "int" else float)(min(max(getattr(config, name), one.low), one.high))
            for name, one in space.items()}


def digest(settings: Mapping[str, Setting]) -> str:
    """Name of a setting: equal for equal values."""
    return hashlib.sha256(dump_json(dict(sorted(settings.items()))).encode()).hexdigest()[:16]


def score(examples: Examples, config: TrainingConfig, settings: Mapping[str, Setting], *, seed: int,
          device: str = "cpu", progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Train with some settings on what is not for validation, and score on what is.

    All settings see the same split and start from the same seed, so that differences are theirs. Equal arguments
    give equal scores on a CPU.

    Returns
    -------
    nll and crps of ln sigma, mape_percent, coverage90, seconds.
    """
    began = time.perf_counter()
    seen, out = (np.flatnonzero(part).tolist() for part in (~examples.validation, examples.validation))
    losses = examples.losses
    model = train([examples.graphs[k] for k in seen], examples.sigma[seen], groups=[examples.groups[k] for k in seen],
                  losses=None if losses is None else [losses[k] for k in seen], device=device, seed=seed,
                  config=TrainingConfig.model_validate(config.model_dump() | dict(settings)), progress=progress)
    mean, epistemic, aleatoric = model.predict_arrays([examples.graphs[k] for k in out], device)
    std, truth = np.hypot(epistemic, aleatoric), np.log(examples.sigma[out])
    return {"nll": scores.nll(truth, mean, std), "crps": scores.crps(truth, mean, std),
            "mape_percent": float(100 * np.mean(np.abs(np.expm1(mean - truth)))),
            "coverage90": float(np.mean(np.abs(truth - mean) <= model.calibration.reach * std)),
            "seconds": time.perf_counter() - began}
