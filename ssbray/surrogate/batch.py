"""Many graphs as one: a disjoint union of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError


@dataclass(frozen=True, eq=False, kw_only=True)
class Scaling:
    """Mean and standard deviation of each feature over the training set, so that a network sees numbers near one."""

    node_names: tuple[str, ...]
    edge_names: tuple[str, ...]
    node_mean: FloatArray  #: (d,)
    node_std: FloatArray  #: (d,) 1 where a feature never varied
    edge_mean: FloatArray  #: (k,)
    edge_std: FloatArray  #: (k,)

    @classmethod
    def fit(cls, graphs: Sequence[FeatureGraph]) -> Scaling:
        """Pool all nodes, and all edges, of the graphs."""
        nodes = np.concatenate([g.node_features for g in graphs])
        edges = np.concatenate([g.edge_features for g in graphs])
        edges = edges if len(edges) else np.zeros((1, edges.shape[1]))
        node_std, edge_std = nodes.std(axis=0), edges.std(axis=0)
        return cls(node_names=graphs[0].node_names, edge_names=graphs[0].edge_names,
                   node_mean=nodes.mean(axis=0), node_std=np.where(node_std > 1e-9, node_std, 1.0),
                   edge_mean=edges.mean(axis=0), edge_std=np.where(edge_std > 1e-9, edge_std, 1.0))

    def check(self, graphs: Sequence[FeatureGraph]) -> None:
        """Refuse graphs whose features are not those that the model was made for."""
        for graph in graphs:
            for kind, known, given in (("node", self.node_names, graph.node_names),
                                       ("edge", self.edge_names, graph.edge_names)):
                if given != known:
                    other = sorted(set(given) ^ set(known)) or "another order"
                    raise InputError(f"{kind} features", other, "the model was trained on other features: rebuild the "
                                     "graphs with the version of ssbray that trained it, or train anew")


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphBatch:
    """A disjoint union of B graphs; every undirected edge appears in both directions. Lives on one device."""

    nodes: Tensor  #: (N, d) standardised features
    edges: Tensor  #: (M, k) standardised features of undirected edges
    first: Tensor  #: (M,) node
    second: Tensor  #: (M,) node
    graph: Tensor  #: (N,) graph of each node
    size: Tensor  #: (B, 1) number of nodes
    node_loss: Tensor  #: (N, 1) share of the network's dissipation; sums to 1 over a graph
    edge_loss: Tensor  #: (M, 1) the same for the edges; the rest is in the contacts

    @property
    def count(self) -> int:
        """Number of graphs."""
        return len(self.size)


def union(graphs: Sequence[FeatureGraph], scaling: Scaling, device: torch.device | str = "cpu") -> GraphBatch:
    """Put graphs side by side in one batch, features standardised."""
    sizes = np.array([g.size[0] for g in graphs])
    offset = np.cumsum(sizes) - sizes
    nodes = np.concatenate([g.node_features for g in graphs])
    edges = np.concatenate([g.edge_features for g in graphs])
    index = np.concatenate([g.edge_index + o for g, o in zip(graphs, offset, strict=True)], axis=1)

    def tensor(array: FloatArray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=device)

    def integers(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.int64, device=device)

    return GraphBatch(
        nodes=tensor((nodes - scaling.node_mean) / scaling.node_std),
        edges=tensor((edges - scaling.edge_mean) / scaling.edge_std),
        first=integers(index[0]), second=integers(index[1]),
        graph=integers(np.repeat(np.arange(len(graphs)), sizes)), size=tensor(sizes[:, None]),
        node_loss=tensor(nodes[:, [scaling.node_names.index("loss")]]),
        edge_loss=tensor(edges[:, [scaling.edge_names.index("loss")]]))
