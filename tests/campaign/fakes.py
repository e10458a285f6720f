"""A campaign on an analytic landscape: no specimen, no solver, no torch."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np

from ssbray import rng
from ssbray.campaign import parse
from ssbray.campaign.task import Outcome, Task
from ssbray.domain import FeatureGraph

SPEC = {
    "name": "toy", "seed": 11,
    "process": {"atmosphere": "O2"},
    "reference": {"coating": "bare"},
    "search": {"cosintering_temperature_C": {"low": 500, "high": 900},
               "cosintering_time_h": {"low": 0.1, "high": 10, "log": True},
               "coating": {"choices": ["bare", "LiNbO3", "LCBO"]},
               "coating_thickness_nm": {"low": 1, "high": 30}},
    "specimen": {"size_nm": [100, 100], "pixel_size_nm": 5, "replicates": 2},
    "annealing": {"initial": 12, "chains": 3, "rounds": 2, "steps": 4, "proposals": 4},
    "confirm": {"designs": 2, "specimens": 4},
}


def spec(**changes):
    return parse({**SPEC, **changes})


def ln_sigma(parameters, seed):
    noise = 0.05 * rng.stream(seed, "noise").normal()
    coated = parameters["coating"] == "LCBO"
    return (math.log(1e-6) - ((parameters["cosintering_temperature_C"] - 700) / 100) ** 2
            - math.log10(parameters["cosintering_time_h"]) ** 2 + 0.8 * coated
            - 0.002 * (parameters["coating_thickness_nm"] - 10) ** 2 * coated + noise)


def toy_graph(parameters):
    features = np.array([[parameters["cosintering_temperature_C"] / 100, math.log10(parameters["cosintering_time_h"]),
                          parameters["coating"] == "LCBO", parameters["coating_thickness_nm"] / 10]], dtype=float)
    return FeatureGraph(node_features=features, node_names=("T", "t", "c", "d"), edge_index=np.zeros((2, 0), np.int64),
                        edge_features=np.zeros((0, 1)), edge_names=("e",), terminals=np.array([3]), phase=np.array([0]),
                        phases=("x",), sigma_network=1e-4, thickness_m=1e-7)


def evaluate(task: Task) -> Outcome:
    if task.kind == "graph":
        return Outcome(key=task.key, graph=toy_graph(task.parameters))
    if task.parameters["cosintering_temperature_C"] > 880:
        return Outcome(key=task.key, failure="melted")
    sigma = math.exp(ln_sigma(task.parameters, task.seed))
    return Outcome(key=task.key, graph=toy_graph(task.parameters), seconds=0.001, values={
        "sigma_eff_S_per_cm": sigma, "asr_ohm_cm2": 1e-5 / sigma, "percolates": True, "reason": None,
        "budget": {"x": 0.75, "charge transfer (interface)": 0.25}})


class ShuffledWorkers:
    """Several tasks in flight, finished in an order of its own."""

    def __init__(self, capacity, seed, evaluate=evaluate):
        self.capacity, self._evaluate = capacity, evaluate
        self._waiting, self._order = [], random.Random(seed)
        self.solved = 0

    def submit(self, task):
        self._waiting.append(task)

    def next_done(self, timeout_s):
        if not self._waiting:
            return None
        task = self._waiting.pop(self._order.randrange(len(self._waiting)))
        self.solved += task.kind == "solve"
        return replace(self._evaluate(task), worker="shuffled")


class QuadraticLearner:
    """Least squares on the toy features and their squares."""

    def train(self, graphs, sigma, groups, seed):
        x = self._features(graphs)
        y = np.log(sigma)
        self._weights = np.linalg.lstsq(x.T @ x + 1e-6 * np.eye(x.shape[1]), x.T @ y, rcond=None)[0]
        self._std = float((y - x @ self._weights).std()) + 1e-3
        return {"n": len(y), "std": self._std}

    def predict(self, graphs):
        x = self._features(graphs)
        return x @ self._weights, np.full(len(x), self._std)

    def save(self, directory):
        pass

    @staticmethod
    def _features(graphs):
        x = np.array([graph.node_features[0] for graph in graphs])
        return np.hstack([np.ones((len(x), 1)), x, x**2, x[:, 2:3] * x])


class Silence:
    def __init__(self):
        self.events = []

    def __getattr__(self, name):
        return lambda *arguments: self.events.append((name, arguments))
