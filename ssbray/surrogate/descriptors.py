"""One short vector per graph, for what compares whole graphs: novelty, and the baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssbray.domain import FeatureGraph, FloatArray


def descriptor_names(graph: FeatureGraph) -> tuple[str, ...]:
    """Names of the columns of `descriptors`."""
    return (*(f"node:{name}" for name in graph.node_names), *(f"edge:{name}" for name in graph.edge_names),
            "area:ln_sigma", "area:ln_diameter", "area:blocks", "ln_nodes")


def descriptors(graphs: Sequence[FeatureGraph]) -> FloatArray:
    """Pool the raw features of each graph.

    Features are averaged with the share of the network's dissipation as weight, where they matter for
    the conductivity, and a few with the area, where they tell what else is in the map.

    Returns
    -------
    (n, c) in the order of `descriptor_names`, dimensionless.
    """
    rows = []
    for g in graphs:
        x, e = g.node_features, g.edge_features
        area = x[:, g.node_names.index("area_fraction")]
        rows.append(np.concatenate([
            x[:, g.node_names.index("loss")] @ x,
            e[:, g.edge_names.index("loss")] @ e,
            [area @ x[:, g.node_names.index(name)] for name in ("ln_sigma", "ln_diameter", "blocks")],
            [np.log(len(x))],
        ]))
    return np.stack(rows)


def standardise(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Shift and scale columns by mean and standard deviation of a reference; constant columns keep their scale."""
    std = reference.std(axis=0)
    return (values - reference.mean(axis=0)) / np.where(std > 1e-9, std, 1.0)
