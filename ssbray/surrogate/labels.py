"""What a network learns from: values, and where the finite elements put the resistance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ssbray.domain import FeatureGraph, FloatArray
from ssbray.errors import InputError
from ssbray.surrogate.batch import GraphBatch
from ssbray.surrogate.net import Output

Shares = tuple[FloatArray, FloatArray]  #: of the dissipation: (n,) nodes, (m,) edges


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels:
    """Targets of B graphs with N nodes and M edges."""

    value: Tensor  #: (B,) standardised
    nodes: Tensor | None = None  #: (N,) share of the dissipation
    edges: Tensor | None = None  #: (M,)

    def take(self, batch: GraphBatch, rows: Tensor) -> Labels:
        """Those of some graphs of a batch."""
        if self.nodes is None or self.edges is None:
            return Labels(value=self.value[rows])
        nodes, edges = batch.rows(rows)
        return Labels(value=self.value[rows], nodes=self.nodes[nodes], edges=self.edges[edges])

    def misplaced(self, out: Output, batch: GraphBatch) -> Tensor:
        """Kullback-Leibler divergence of the predicted from the true shares, (B,) [nats]; zero where unknown."""
        if self.nodes is None or self.edges is None:
            return out.mean.new_zeros(batch.count)
        node = torch.xlogy(self.nodes, self.nodes) - self.nodes * out.ln_node
        edge = torch.xlogy(self.edges, self.edges) - self.edges * out.ln_edge
        return out.mean.new_zeros(batch.count).index_add(0, batch.graph, node).index_add(0, batch.edge_graph, edge)


def check_shares(graphs: Sequence[FeatureGraph], shares: Sequence[Shares]) -> None:
    """Refuse shares that do not fit the graphs."""
    if len(shares) != len(graphs):
        raise InputError("losses", len(shares), f"give the shares of each of the {len(graphs)} graphs, or none")
    for graph, (nodes, edges) in zip(graphs, shares, strict=True):
        if (len(nodes), len(edges)) != graph.size:
            raise InputError("losses", (len(nodes), len(edges)), f"the graph has {graph.size} nodes and edges")


def make_labels(target: FloatArray, shares: Sequence[Shares] | None, device: torch.device | str = "cpu") -> Labels:
    """Put the labels of graphs side by side, in the order of `batch.union`."""
    def tensor(array: FloatArray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=device)

    if shares is None:
        return Labels(value=tensor(target))
    return Labels(value=tensor(target), nodes=tensor(np.concatenate([nodes for nodes, _ in shares])),
                  edges=tensor(np.concatenate([edges for _, edges in shares])))
