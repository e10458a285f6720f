"""Many graphs as one: a disjoint union of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.surrogate.descriptors import descriptors

SMALLEST = 1e-9  #: deviation below which a feature is a constant


@dataclass(frozen=True, eq=False, kw_only=True)
class Scaling:
    """Mean and standard deviation of each feature over the training set, so that a network sees numbers near one."""

    node_names: tuple[str, ...]
    edge_names: tuple[str, ...]
    node_mean: FloatArray  #: (d,)
    node_std: FloatArray  #: (d,) 1 where a feature never varied
    edge_mean: FloatArray  #: (k,)
    edge_std: FloatArray  #: (k,)
    whole_mean: FloatArray  #: (c,) of the descriptors
    whole_std: FloatArray  #: (c,)

    @classmethod
    def fit(cls, graphs: Sequence[FeatureGraph]) -> Scaling:
        """Pool all nodes, all edges, and the descriptors of the graphs."""
        nodes = np.concatenate([g.node_features for g in graphs])
        edges = np.concatenate([g.edge_features for g in graphs])
        edges = edges if len(edges) else np.zeros((1, edges.shape[1]))
        moments: dict[str, FloatArray] = {}
        for name, values in (("node", nodes), ("edge", edges), ("whole", descriptors(graphs))):
            std = values.std(axis=0)
            moments |= {f"{name}_mean": values.mean(axis=0), f"{name}_std": np.where(std > SMALLEST, std, 1.0)}
        return cls(node_names=graphs[0].node_names, edge_names=graphs[0].edge_names, **moments)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of features of a node, an edge and a whole graph."""
        return len(self.node_mean), len(self.edge_mean), len(self.whole_mean)

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
    """A disjoint union of B graphs; every undirected edge is stored once. Lives on one device."""

    nodes: Tensor  #: (N, d) standardised features
    edges: Tensor  #: (M, k) standardised features of undirected edges
    first: Tensor  #: (M,) node
    second: Tensor  #: (M,) node
    node_count: Tensor  #: (B,)
    edge_count: Tensor  #: (B,)
    node_loss: Tensor  #: (N, 1) share of the subdivided network's dissipation
    edge_loss: Tensor  #: (M, 1) the same in the interfaces; over a graph, nodes and edges sum to 1
    whole: Tensor  #: (B, c) standardised descriptors
    graph: Tensor  #: (N,) graph of each node
    edge_graph: Tensor  #: (M,) graph of each edge

    @property
    def count(self) -> int:
        """Number of graphs."""
        return len(self.node_count)

    def take(self, rows: Tensor) -> GraphBatch:
        """The union of some of the graphs, (B',) rows."""
        nodes, node_count, node_at = _ranges(self.node_count, rows)
        edges, edge_count, edge_at = _ranges(self.edge_count, rows)
        shift = node_at[1] - node_at[0]  # of each graph: where its nodes come to lie, less where they were
        at = torch.repeat_interleave(shift, edge_count)
        index = torch.arange(len(rows), device=rows.device)
        return GraphBatch(
            nodes=self.nodes[nodes], edges=self.edges[edges], first=self.first[edges] + at,
            second=self.second[edges] + at, node_count=node_count, edge_count=edge_count,
            node_loss=self.node_loss[nodes], edge_loss=self.edge_loss[edges], whole=self.whole[rows],
            graph=torch.repeat_interleave(index, node_count), edge_graph=torch.repeat_interleave(index, edge_count))

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes and edges of some of the graphs, in the order of `take`."""
        return _ranges(self.node_count, rows)[0], _ranges(self.edge_count, rows)[0]


def union(graphs: Sequence[FeatureGraph], scaling: Scaling, device: torch.device | str = "cpu") -> GraphBatch:
    """Put graphs side by side in one batch, features standardised."""
    sizes, edge_sizes = (np.array([g.size[k] for g in graphs]) for k in (0, 1))
    offset = np.cumsum(sizes) - sizes
    nodes = np.concatenate([g.node_features for g in graphs])
    edges = np.concatenate([g.edge_features for g in graphs])
    index = np.concatenate([g.edge_index + o for g, o in zip(graphs, offset, strict=True)], axis=1)

    def tensor(array: ArrayLike) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=device)

    def integers(array: NDArray[np.integer]) -> Tensor:
        return torch.as_tensor(array, dtype=torch.int64, device=device)

    which = np.arange(len(graphs))
    return GraphBatch(
        nodes=tensor((nodes - scaling.node_mean) / scaling.node_std),
        edges=tensor((edges - scaling.edge_mean) / scaling.edge_std),
        first=integers(index[0]), second=integers(index[1]), node_count=integers(sizes),
        edge_count=integers(edge_sizes), graph=integers(np.repeat(which, sizes)),
        edge_graph=integers(np.repeat(which, edge_sizes)),
        node_loss=tensor(nodes[:, [scaling.node_names.index("fine_loss")]]),
        edge_loss=tensor(edges[:, [scaling.edge_names.index("fine_loss")]]),
        whole=tensor((descriptors(graphs) - scaling.whole_mean) / scaling.whole_std))


def _ranges(counts: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Members of some of many consecutive ranges.

    Returns
    -------
    index : of all members.
    count : (B',) of each range.
    at : where each range began, and where it begins now.
    """
    begin = torch.cumsum(counts, 0) - counts
    count = counts[rows]
    now = torch.cumsum(count, 0) - count
    index = torch.arange(int(count.sum()), device=rows.device) + torch.repeat_interleave(begin[rows] - now, count)
    return index, count, (begin[rows], now)
