"""Gated recurrent graph convolution."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssbray.surrogate.batch import GraphBatch

FLOOR = 1e-6  #: added to a share of the dissipation before its logarithm
LARGEST_LN_NOISE = 3.0


class Output(NamedTuple):
    """What the network says of B graphs with N nodes and M edges."""

    mean: Tensor  #: (B,) standardised corrections
    ln_noise: Tensor  #: (B,) of their noise, relative to a noise common to all
    ln_node: Tensor  #: (N,) ln of each node's share of the dissipation
    ln_edge: Tensor  #: (M,) and of each edge's; over a graph, the shares sum to 1
    state: Tensor  #: (B, H) what the readout makes of the whole graph, in (-1, 1)


class RecurrentGraphNet(nn.Module):
    """The correction ln(sigma_FE / sigma_network), standardised, how sure it is, and where the resistance sits.

    Nodes exchange messages over gated edges and update their state by one shared GRU cell, T times:
    the gated graph network of Li et al. (arXiv 1511.05493) with the normalised sigmoid gates of Bresson
    and Laurent (arXiv 1711.07553), which keep the state bounded whatever the degree. The long range is
    carried by the features (the share of the network's current and loss in every node and edge) and, as
    electrodes do, by a state of the whole graph that every node hears.

    The readout is mean, sum and maximum over nodes. The sum is weighted by each node's share of the
    dissipation, because the conductivity is intensive, and because to first order a local change of
    resistance counts by that share; edges enter in the same way, and so do the descriptors of the whole
    graph, also by a linear term of their own: with few graphs the posterior falls back on it. The noise
    is read from the same state. Two more heads correct the network's shares of the dissipation.

    Parameters
    ----------
    sizes : numbers of features of a node, an edge and a whole graph.
    hidden : width of every state.
    steps : T.
    dropout : probability with which states of the readout are left out (Gal and Ghahramani, arXiv
        1506.02142); only for comparison, always on where positive.
    """

    def __init__(self, sizes: tuple[int, int, int], hidden: int, steps: int, dropout: float = 0.0) -> None:
        super().__init__()
        node_dim, edge_dim, whole_dim = sizes
        self.steps = steps
        self.dropout = dropout
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
        self.mix = nn.Linear(4 * hidden + whole_dim, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)
        self.skip = nn.Linear(whole_dim, 1)
        self.noise = nn.Linear(hidden, 1, bias=False)
        self.noise_skip = nn.Linear(whole_dim, 1)
        self.node_share = nn.Linear(hidden, 1)
        self.edge_share = nn.Linear(hidden, 1)
        for head in (self.noise, self.noise_skip, self.node_share, self.edge_share):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def forward(self, batch: GraphBatch) -> Output:
        """Read a batch."""
        z, h, pair = self.states(batch)
        ln_noise = (self.noise(z) + self.noise_skip(batch.whole)).squeeze(-1)
        ln_node = torch.log(batch.node_loss + FLOOR) + self.node_share(h)
        ln_edge = torch.log(batch.edge_loss + FLOOR) + self.edge_share(pair)
        total = torch.log(_pool(torch.exp(ln_node), batch) + _pool_edges(torch.exp(ln_edge), batch))
        return Output((self.out(z) + self.skip(batch.whole)).squeeze(-1),
                      LARGEST_LN_NOISE * torch.tanh(ln_noise / LARGEST_LN_NOISE),
                      (ln_node - _rows(total, batch.graph)).squeeze(-1),
                      (ln_edge - _rows(total, batch.edge_graph)).squeeze(-1), z)

    def states(self, batch: GraphBatch) -> tuple[Tensor, Tensor, Tensor]:
        """(B, H) of the whole graphs, (N, H) of nodes, (M, H) of edges."""
        h = _tanh(self.encode_node(batch.nodes))  # (N, H)
        e = _tanh(self.encode_edge(batch.edges))  # (M, H)
        a, b = batch.first, batch.second
        near = self.gate_node(h)
        gate = torch.sigmoid(self.gate_edge(e) + _rows(near, a) + _rows(near, b))  # (M, H), the same in both directions
        share = 1 / (_gather(gate, gate, a, b, h) + 1e-3)
        carried = gate * self.message_edge(e)
        local = _gather(carried, carried, a, b, h)
        for _ in range(self.steps):
            sent = self.message(h)
            whole = self.whole(_pool(batch.node_loss * h, batch))
            heard = _gather(gate * _rows(sent, b), gate * _rows(sent, a), a, b, h)
            m = (local + heard) * share + _rows(whole, batch.graph)
            h = self._update(m, h)
        of_nodes, of_edges = self.edge_out.weight.chunk(2, dim=1)
        side = nn.functional.linear(h, of_nodes)  # on the nodes, of which there are half as many as edges
        pair = _tanh(nn.functional.linear(e, of_edges, self.edge_out.bias) + _rows(side, a) + _rows(side, b))
        pooled = torch.cat([
            _pool(h, batch) / batch.node_count[:, None],
            _pool(batch.node_loss * h, batch),
            _maximum(h, batch),
            _pool_edges(batch.edge_loss * pair, batch),
            batch.whole,
        ], dim=-1)
        z = torch.tanh(self.mix(nn.functional.dropout(pooled, self.dropout)))
        return nn.functional.dropout(z, self.dropout), h, pair

    def _update(self, m: Tensor, h: Tensor) -> Tensor:
        """One step of a gated recurrent unit (Cho et al., arXiv 1406.1078)."""
        ir, iz, inew = self.cell_input(m).chunk(3, dim=-1)
        hr, hz, hnew = self.cell_state(h).chunk(3, dim=-1)
        new = _tanh(inew + torch.sigmoid(ir + hr) * hnew)
        return new + torch.sigmoid(iz + hz) * (h - new)


def _tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, to 1e-7: on a CPU torch's own takes several times as long as its sigmoid."""
    return 2 * torch.sigmoid(2 * x) - 1


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Rows of x; on a CPU several times as fast as brackets, forth and back."""
    return x.index_select(0, index)


def _gather(to_first: Tensor, to_second: Tensor, first: Tensor, second: Tensor, like: Tensor) -> Tensor:
    """Sum what arrives at each node from both directions of every edge."""
    return torch.zeros_like(like).index_add(0, first, to_first).index_add(0, second, to_second)


def _pool(x: Tensor, batch: GraphBatch) -> Tensor:
    """Sum over the nodes of each graph."""
    return x.new_zeros(batch.count, x.shape[-1]).index_add(0, batch.graph, x)


def _pool_edges(x: Tensor, batch: GraphBatch) -> Tensor:
    """Sum over the edges of each graph."""
    return x.new_zeros(batch.count, x.shape[-1]).index_add(0, batch.edge_graph, x)


def _maximum(x: Tensor, batch: GraphBatch) -> Tensor:
    """Maximum over the nodes of each graph; states lie in (-1, 1)."""
    where = batch.graph[:, None].expand_as(x)
    return x.new_full((batch.count, x.shape[-1]), -1.0).scatter_reduce(0, where, x, "amax")
