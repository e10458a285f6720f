"""Gated recurrent graph convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssbray.surrogate.batch import GraphBatch


class RecurrentGraphNet(nn.Module):
    """One number per graph: the correction ln(sigma_FE / sigma_network), standardised.

    Nodes exchange messages over gated edges and update their state by one shared GRU cell, T times:
    the gated graph network of Li et al. (arXiv 1511.05493) with the normalised sigmoid gates of Bresson
    and Laurent (arXiv 1711.07553), which keep the state bounded whatever the degree. The long range is
    carried by the features (the share of the network's current and loss in every node and edge) and, as
    electrodes do, by a state of the whole graph that every node hears.

    The readout is mean, sum and maximum over nodes. The sum is weighted by each node's share of the
    dissipation, because the conductivity is intensive, and because to first order a local change of
    resistance counts by that share; edges enter in the same way.

    A linear term in the features, pooled likewise, is added: with few graphs the posterior falls back on it.

    Parameters
    ----------
    node_dim, edge_dim : numbers of features.
    hidden : width of every state.
    steps : T.
    """

    def __init__(self, node_dim: int, edge_dim: int, hidden: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.encode_node = nn.Linear(node_dim, hidden)
        self.encode_edge = nn.Linear(edge_dim, hidden)
        self.gate_edge = nn.Linear(hidden, hidden)
        self.gate_node = nn.Linear(hidden, hidden, bias=False)
        self.message = nn.Linear(hidden, hidden, bias=False)
        self.message_edge = nn.Linear(hidden, hidden, bias=False)
        self.whole = nn.Linear(hidden, hidden, bias=False)
        self.cell_input = nn.Linear(hidden, 3 * hidden)
        self.cell_state = nn.Linear(hidden, 3 * hidden, bias=False)
        self.edge_out = nn.Linear(2 * hidden, hidden)
        self.mix = nn.Linear(4 * hidden, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)
        self.skip = nn.Linear(node_dim + edge_dim, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """(B,) standardised corrections."""
        h = torch.tanh(self.encode_node(batch.nodes))  # (N, H)
        e = torch.tanh(self.encode_edge(batch.edges))  # (M, H)
        a, b = batch.first, batch.second
        near = self.gate_node(h)
        gate = torch.sigmoid(self.gate_edge(e) + near[a] + near[b])  # (M, H), the same in both directions
        share = 1 / (_gather(gate, gate, a, b, h) + 1e-3)
        carried = gate * self.message_edge(e)
        local = _gather(carried, carried, a, b, h)
        for _ in range(self.steps):
            sent = self.message(h)
            whole = self.whole(_pool(batch.node_loss * h, batch))
            m = (local + _gather(gate * sent[b], gate * sent[a], a, b, h)) * share + whole[batch.graph]
            h = self._update(m, h)
        pair = torch.tanh(self.edge_out(torch.cat([h[a] + h[b], e], dim=-1)))
        pooled = torch.cat([
            _pool(h, batch) / batch.size,
            _pool(batch.node_loss * h, batch),
            _maximum(h, batch),
            h.new_zeros(batch.count, h.shape[-1]).index_add(0, batch.graph[a], batch.edge_loss * pair),
        ], dim=-1)
        plain = torch.cat([_pool(batch.node_loss * batch.nodes, batch),
                           batch.edges.new_zeros(batch.count, batch.edges.shape[-1]).index_add(
                               0, batch.graph[a], batch.edge_loss * batch.edges)], dim=-1)
        return (self.out(torch.tanh(self.mix(pooled))) + self.skip(plain)).squeeze(-1)

    def _update(self, m: Tensor, h: Tensor) -> Tensor:
        """One step of a gated recurrent unit (Cho et al., arXiv 1406.1078)."""
        ir, iz, inew = self.cell_input(m).chunk(3, dim=-1)
        hr, hz, hnew = self.cell_state(h).chunk(3, dim=-1)
        new = torch.tanh(inew + torch.sigmoid(ir + hr) * hnew)
        return new + torch.sigmoid(iz + hz) * (h - new)


def _gather(to_first: Tensor, to_second: Tensor, first: Tensor, second: Tensor, like: Tensor) -> Tensor:
    """Sum what arrives at each node from both directions of every edge."""
    return torch.zeros_like(like).index_add(0, first, to_first).index_add(0, second, to_second)


def _pool(x: Tensor, batch: GraphBatch) -> Tensor:
    """Sum over the nodes of each graph."""
    return x.new_zeros(batch.count, x.shape[-1]).index_add(0, batch.graph, x)


def _maximum(x: Tensor, batch: GraphBatch) -> Tensor:
    """Maximum over the nodes of each graph; states lie in (-1, 1)."""
    where = batch.graph[:, None].expand_as(x)
    return x.new_full((batch.count, x.shape[-1]), -1.0).scatter_reduce(0, where, x, "amax")
