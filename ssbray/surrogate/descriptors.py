"""One short vector per graph, for what compares whole graphs: novelty, and the baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssbray.domain import FeatureGraph, FloatArray


def ln_prior(graphs: Sequence[FeatureGraph]) -> FloatArray:
    """What physics says before any learning: ln of the subdivided network's conductivity [S/m], (n,).

    -inf where it does not percolate.
    """
    with np.errstate(divide="ignore"):
        plain = np.log([graph.sigma_network for graph in graphs]) if graphs else np.zeros(0)
    return np.asarray(plain + [graph.node_features[0, graph.node_names.index("ln_fine")] for graph in graphs])


def descriptor_names(graph: FeatureGraph) -> tuple[str, ...]:
    """Names of the columns of `descriptors`."""
    nodes, edges = graph.node_names, graph.edge_names
    return (*(f"node:{name}" for name in nodes), *(f"edge:{name}" for name in edges),
            *(f"fine:node:{name}" for name in nodes), *(f"fine:edge:{name}" for name in edges),
            "area:ln_sigma", "area:ln_diameter", "area:blocks", "ln_nodes", "fine:interfaces")


def descriptors(graphs: Sequence[FeatureGraph]) -> FloatArray:
    """Pool the raw features of each graph.

    Features are averaged with the share of the dissipation as weight, where they matter for the
    conductivity, once as the network has it and once as the subdivided network has it, and a few with
    the area, where they tell what else is in the map.

    Returns
    -------
    (n, c) in the order of `descriptor_names`, dimensionless.
    """
    rows = []
    for g in graphs:
        x, e = g.node_features, g.edge_features
        node, edge = g.node_names.index, g.edge_names.index
        area, inside, thin = x[:, node("area_fraction")], x[:, node("fine_loss")], e[:, edge("fine_loss")]
        rows.append(np.concatenate([
            x[:, node("loss")] @ x, e[:, edge("loss")] @ e, inside @ x, thin @ e,
            [area @ x[:, node(name)] for name in ("ln_sigma", "ln_diameter", "blocks")],
            [np.log(len(x)), thin.sum()],
        ]))
    return np.stack(rows)


def standardise(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Shift and scale columns by mean and standard deviation of a reference; constant columns keep their scale."""
    std = reference.std(axis=0)
    return (values - reference.mean(axis=0)) / np.where(std > 1e-9, std, 1.0)
