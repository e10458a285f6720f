"""The Bayesian graph network on the solves of the images: tuned, trained on most samples, tried on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import surrogate
from ssbray.campaign.task import Task
from ssbray.errors import InputError
from ssbray.study.tools import Known, Tools
from ssbray.study.transport import by_samples, told
from ssbray.surrogate import Surrogate, TrainingConfig

FEWEST = 2  #: conducting specimens that a score needs


def learn(store: Path, rows: Mapping[str, Mapping[str, Any]], stems: Mapping[str, str], config: Mapping[str, Any],
          trials: int, seed: int, out: Path, tools: Tools) -> dict[str, Any]:
    """Tune on the learning samples and train on all of them.

    Parameters
    ----------
    rows : stem -> solve of its image, as `transport.solve` tells it.
    stems : stem -> sample, of those to learn from.
    trials : of the search; with none the config is taken as it is.
    """
    known = of(store, rows, stems)
    tuned = (tools.tune(known, dict(config), trials, seed, out) if trials
             else {"config": dict(config), "trials": []})
    model = surrogate.train(known.graphs, known.sigma, groups=known.groups, losses=known.losses, seed=seed,
                            config=TrainingConfig.model_validate(tuned["config"]))
    model.save(out)
    return {"model_version": model.version, "learnt": int((known.sigma > 0).sum()), "groups": len(set(known.groups)),
            **tuned}


def of(store: Path, rows: Mapping[str, Mapping[str, Any]], stems: Mapping[str, str]) -> Known:
    """What was solved of some stems."""
    chosen = [(str(rows[stem]["key"]), sample) for stem, sample in stems.items() if rows[stem]["failure"] is None]
    return Known(store, [key for key, _ in chosen], [sample for _, sample in chosen])


def judge(store: Path, place: Path, train: Known, tests: Mapping[str, Known], seed: int) -> dict[str, Any]:
    """Scores on test sets by name, beside simple baselines, with points for a parity plot.

    Raises
    ------
    InputError : too few specimens of a set conduct.
    """
    model, scores = Surrogate.load(place), {}
    for name, test in tests.items():
        if sum(test.sigma > 0) < FEWEST:
            raise InputError("images", name, f"fewer than {FEWEST} of these conduct: draw more samples")
        found = surrogate.evaluate(model, test.graphs, test.sigma, losses=test.losses, train_graphs=train.graphs,
                                   train_sigma=train.sigma, train_losses=train.losses, seed=seed)
        scores[name] = {**found, **points(model, test, seed)}
    return scores


def points(model: Surrogate, test: Known, seed: int) -> dict[str, Any]:
    """Predicted and computed conductivity [S/cm] of each conducting specimen, and the interval of MAPE over samples."""
    live = [k for k, sigma in enumerate(test.sigma) if sigma > 0 and test.graphs[k].sigma_network > 0]
    found = model.predict([test.graphs[k] for k in live])
    truth, guess = test.sigma[live] / 100, np.array([each.sigma for each in found]) / 100
    off = 100 * np.abs(guess / truth - 1)
    groups = [test.groups[k] for k in live]
    return {"mape_interval90_percent": by_samples(off.tolist(), groups, np.mean, seed), "samples": len(set(groups)),
            "points": {
        "computed_S_per_cm": truth.tolist(), "predicted_S_per_cm": guess.tolist(),
        "interval90_S_per_cm": [[value / 100 for value in each.interval90] for each in found],
        "in_domain": [each.in_domain for each in found]}}


def solve_fresh(tasks: Sequence[Task], store: Path, tools: Tools) -> dict[str, Any]:
    """Solve specimens that nothing was learnt from."""
    outcomes = tools.solve(store, tasks, "fresh specimens")
    return {"rows": {f"fresh-{k:03d}": told(outcome) for k, outcome in enumerate(outcomes)}}
