"""Elements for the corners of a raster: one matrix for the 2 x 2 cells around a vertex, graded to its centre.

Where pixels meet, the potential goes like r**p with a p that vanishes as the contrast grows, so that
no affordable mesh of squares resolves it. Here the patch is cut into similar rings, each half the size of
the one around it, polynomial in the radius and in the place along the square, and the rings are condensed
onto the patch's perimeter: the infinite element method of Ying, in the coordinates of the scaled boundary
finite elements of Song and Wolf. In the plane a ring's stiffness does not depend on its size, so an annulus
joined to a copy of itself is one twice as deep, and depth costs its logarithm. The trial functions conform
to the Q1 neighbours and every integral is exact to rounding: the energies stay on their sides as bounds.

The cells are upper left, upper right, lower left, lower right; a slot is 4 * cell + corner, corners as in
`forms.corners(2)`; the half-edges from the vertex go up, down, left, right. Lengths are in sides of a cell.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray

INNER_LEVEL = 3  #: `inner` holds within a square of half-size 2**-INNER_LEVEL around the vertex
SEGMENTS = 6  #: intervals along the square in each cell; even, so that the cell's corner is a node
DEGREE = 3  #: of the polynomials in the radius, from one ring to the next
DOUBLINGS = 28  #: 2**DOUBLINGS rings: enough for the singularity of a contrast of 1e14
FADED_JUMP = 5  #: rings past the one where interface and cells weigh the same, then the jump costs little ...
FADED_SLOPE = 11  #: ... or slopes along the interface cost too much: the rest is cut off, or constant, there
DEEPEST = 100  #: rings at most on account of a thin interface; past it the bound only gets less tight
STIFFEST = 1e8  #: conductance of a joint over that of its cells, at which the potential counts as continuous
CHUNK = 64  #: vertices condensed together, to stay in cache

CELLS = np.array([[0, 1], [2, 3], [0, 2], [1, 3]])  #: (half-edge, side) -> cell
EDGES = np.array([[0, 2], [0, 3], [1, 2], [1, 3]])  #: (cell, end) -> half-edge, the vertical one first
SLOTS = 4 * np.arange(4)[:, None] + (np.arange(4)[:, None] ^ [1, 0, 2])  #: (cell, mid-point, corner, mid-point)


def primal(sigma: FloatArray, joint: FloatArray, inner: FloatArray | None = None) -> FloatArray:
    """Stiffness of patches for the potential: an energy not below the true one.

    Parameters
    ----------
    sigma : (n, 4) conductivity of the cells, 0 for a pore, in one unit.
    joint : (n, 4) conductance of the thin interface on each half-edge per unit of length, in the unit of
        `sigma`; inf for perfect contact, 0 where blocked.
    inner : (n, 4) conductivities near the vertex instead of `sigma`, or None; a pore stays one.

    Returns
    -------
    (n, 16, 16) symmetric, semi-definite. Slots in perfect contact are one unknown, with its entries on
    the lower slot; the vertex is eliminated, its slots and those of pores are zero.
    """
    sigma = np.asarray(sigma, dtype=float)
    near = sigma if inner is None else np.where(sigma > 0, inner, 0.0)
    joint = np.where((sigma[:, CELLS] > 0).all(axis=2), joint, 0.0)
    finite = (joint > 0) & (joint < np.inf)
    weakest = np.where(near > 0, near, sigma)[:, CELLS].min(axis=2)
    ratio = np.divide(joint, weakest, out=np.zeros_like(joint), where=finite).max(axis=1, initial=2.0**-FADED_JUMP)
    rigid = np.zeros_like(finite)
    return _by_layout(sigma, near, np.where(finite, joint, 0.0), np.log2(ratio) + FADED_JUMP, joint == np.inf,
                      rigid, rigid)


def dual(resistivity: FloatArray, line: FloatArray, inner: FloatArray | None = None) -> FloatArray:
    """Stiffness of patches for the stream function: a dissipation not below the true one.

    Parameters
    ----------
    resistivity : (n, 4) of the cells, inf for a pore, in one unit.
    line : (n, 4) resistance of the thin interface on each half-edge, in that unit; inf where blocked.
    inner : (n, 4) resistivities near the vertex instead of `resistivity`, or None; a pore stays one.

    Returns
    -------
    (n, 16, 16) symmetric, semi-definite; coinciding slots are one unknown, with its entries on the lowest.
    The form holds for stream functions constant over each pore and along each blocked half-edge, the
    vertex included; all those slots are one unknown too.
    """
    pore = np.asarray(resistivity) == np.inf
    far = np.where(pore, 0.0, resistivity)
    near = far if inner is None else np.where(pore, 0.0, inner)
    blocked = np.asarray(line) == np.inf
    finite = (line > 0) & ~blocked & ~pore[:, CELLS].any(axis=2)
    largest = np.maximum(far, near)[:, CELLS].max(axis=2)
    ratio = np.divide(largest, line, out=np.zeros_like(far), where=finite).max(axis=1, initial=1.0)
    return _by_layout(far, near, np.where(finite, line, 0.0), np.log2(ratio) + FADED_SLOPE,
                      np.ones_like(blocked), blocked, pore)


class _Layout(NamedTuple):
    """The unknowns of a ring: its outer nodes, the core, its inner nodes, those on the half-edges between."""

    size: int  #: nodes on a circle
    sloped: bool  #: `edges` has slopes, not jumps
    ids: NDArray[np.int64]  #: (4, SEGMENTS + 1) number of the node on a circle by cell, `size` for the core
    cells: FloatArray  #: (4, ...) stiffness by cell
    edges: FloatArray  #: (4, ...) energy by half-edge, of the jump or of the slope, at outer half-size 1
    close: FloatArray  #: (2 size + 1, size + 1 + groups) constant on the inner side, in each connected group
    trace: FloatArray  #: (size + 1, 16) linear between the slots


def _by_layout(far: FloatArray, near: FloatArray, edge: FloatArray, rings: FloatArray, linked: NDArray[np.bool_],
               blocked: NDArray[np.bool_], pore: NDArray[np.bool_]) -> FloatArray:
    """Condense each configuration once: what is endless by layout, the rings around it by depth."""
    rings = np.clip(2 * np.ceil(rings / 2), INNER_LEVEL + 1, DEEPEST) * edge.any(axis=1)  # even: fewer batches
    flat = blocked | (linked.all(axis=1, keepdims=True) & (edge > 0))  # stream functions are, deep down, anyhow
    rows = np.concatenate([linked, flat, pore, blocked, rings[:, None], far, near, edge], axis=1)
    rows, which = np.unique(rows, axis=0, return_inverse=True)
    out = np.empty((len(rows), 16, 16))
    for chosen in _alike(rows[:, :12]):
        links, block, pores = (tuple(bool(flag) for flag in rows[chosen[0], j:j + 4]) for j in (0, 4, 8))
        hole = _layout(links, block, pores)
        weights, heart = np.unique(rows[chosen, 21:25], axis=0, return_inverse=True)
        endless = _endless(hole, weights)
        jumps = None if all(links) else _jumps(hole, weights, endless)
        for same in _alike(rows[chosen, 12:17]):
            depth = int(rows[chosen[same[0]], 16])
            layout = _layout(links, tuple(bool(flag) for flag in rows[chosen[same[0]], 12:16]), pores)
            for part in np.split(same, np.arange(CHUNK, len(same), CHUNK)):
                far, near, edge = np.split(rows[chosen[part], 17:], 3, axis=1)
                inside = endless[heart.reshape(-1)[part]]
                if jumps is not None and depth:
                    inside = inside + np.einsum("ne,neij->nij", edge * 2.0**-depth, jumps[heart.reshape(-1)[part]])
                stiffness = _condense(layout, hole, far, near, edge, inside, depth)
                out[chosen[part]] = _balance(layout.trace.T @ stiffness @ layout.trace)
    return out[which.reshape(-1)]


def _alike(rows: FloatArray) -> list[NDArray[np.int64]]:
    """Group equal rows: the indices of each kind."""
    _, kind, count = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return np.split(np.argsort(kind.reshape(-1), kind="stable"), np.cumsum(count)[:-1]) if len(rows) else []


def _condense(layout: _Layout, hole: _Layout, far: FloatArray, near: FloatArray, edge: FloatArray,
              inside: FloatArray, rings: int) -> FloatArray:
    """Put rings around what is `inside`, (n, hole.size + 1, ...), from small to large, (n, size + 1, size + 1)."""
    if rings == 0 and not np.array_equal(far, near):
        rings = INNER_LEVEL
    power = -1.0 if layout.sloped else 1.0  # a jump's energy falls with the ring, that of a slope along it rises
    for level in reversed(range(rings)):
        weights = near if level >= INNER_LEVEL else far
        scaled = edge * 2.0 ** (-power * level)
        if not layout.sloped:  # nothing jumps over a stiffer joint, and its rounding would outweigh the cells
            scaled = np.minimum(scaled, STIFFEST * np.maximum(weights, far)[:, CELLS].max(axis=2))
        ring = _mix(weights, layout.cells) + _mix(scaled, layout.edges)
        inside = _wrap(layout, ring, hole if level == rings - 1 else layout, inside)
    return inside


def _endless(layout: _Layout, weights: FloatArray) -> FloatArray:
    """Condense rings that are all alike, by doubling; the hole left has a constant for each connected group."""
    annulus = _eliminate(_mix(weights, layout.cells), 2 * layout.size + 1)
    for _ in range(DOUBLINGS):
        annulus = _join(annulus)
    return _eliminate(layout.close.T @ annulus @ layout.close, layout.size + 1)


def _jumps(layout: _Layout, weights: FloatArray, inside: FloatArray) -> FloatArray:
    """Find the energy of the jump over each half-edge all the way in, in the fields of `_endless`, (n, 4, ...)."""
    size = layout.size
    ring = _mix(weights, layout.cells)
    inner = np.arange(size + 1, 2 * size + 1)
    ring[:, inner[:, None], inner] += inside[:, :size, :size]
    field = np.concatenate([np.broadcast_to(np.eye(size + 1), (len(ring), size + 1, size + 1)),
                            -_solve(ring[:, size + 1:, size + 1:], ring[:, size + 1:, :size + 1])], axis=1)
    jumps: FloatArray = field[:, None].transpose(0, 1, 3, 2) @ layout.edges @ field[:, None]
    shift = field[:, None, np.r_[inner, size]]
    share = 0.5
    while share > 1e-18:
        jumps = jumps + share * (shift.transpose(0, 1, 3, 2) @ jumps @ shift)
        shift, share = shift @ shift, share * share
    return jumps


def _mix(weights: FloatArray, parts: FloatArray) -> FloatArray:
    """Sum the parts by weight: (n, 4), (4, a, a) -> (n, a, a)."""
    return (weights @ parts.reshape(len(parts), -1)).reshape(-1, *parts.shape[1:])


def _join(annulus: FloatArray) -> FloatArray:
    """Put an annulus into its like and eliminate the nodes between them."""
    size = annulus.shape[1] // 2
    both = np.zeros((len(annulus), 3 * size + 1, 3 * size + 1))
    between = np.arange(2 * size + 1, 3 * size + 1)
    for order in (np.r_[0:size + 1, between], np.r_[between, size:2 * size + 1]):
        both[:, order[:, None], order] += annulus
    return _eliminate(both, 2 * size + 1)


def _wrap(layout: _Layout, ring: FloatArray, hole: _Layout, inside: FloatArray) -> FloatArray:
    """Put a ring around what is condensed already; there, more nodes may be one."""
    size, start = layout.size, layout.size + 1
    if hole is not layout:
        core = size if (layout.ids == size).any() else start + hole.size
        merge = np.zeros((ring.shape[1], ring.shape[1] - size + hole.size + 1))
        merge[np.arange(start), np.arange(start)] = 1.0
        merge[np.arange(start + size, len(merge)), np.arange(start + hole.size + 1, merge.shape[1])] = 1.0
        free = layout.ids < size
        merge[start + layout.ids[free], np.where(hole.ids < hole.size, start + hole.ids, core)[free]] = 1.0
        ring = merge.T @ ring @ merge
    else:
        core = size
    order = np.r_[start:start + hole.size, core]
    ring[:, order[:, None], order] += inside
    return _eliminate(ring, start)


def _eliminate(matrix: FloatArray, keep: int) -> FloatArray:
    """Schur complement on the first `keep` unknowns."""
    side = matrix[:, keep:, :keep]
    return _balance(matrix[:, :keep, :keep] - side.transpose(0, 2, 1) @ _solve(matrix[:, keep:, keep:], side))


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve with conductivities of all magnitudes, each to its own precision, and none where rows are zero."""
    diagonal = np.einsum("nii->ni", matrix)
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = matrix / (size[:, :, None] * size[:, None, :])
    np.einsum("nii->ni", scaled)[:] = 1.0
    return np.linalg.solve(scaled, right / size[:, :, None]) / size[:, :, None]


def _balance(matrix: FloatArray) -> FloatArray:
    """Make rows sum to zero by the diagonal: what rounding leaves there would outweigh the poor conductors."""
    matrix = 0.5 * (matrix + matrix.transpose(0, 2, 1))
    diagonal = np.einsum("nii->ni", matrix)
    diagonal[:] = 0.0
    diagonal[:] = -matrix.sum(axis=2)
    return matrix


@cache
def _layout(linked: tuple[bool, ...], blocked: tuple[bool, ...], pore: tuple[bool, ...]) -> _Layout:
    """Number the nodes of a ring; what is `blocked` or a `pore` is the core: one value through all rings."""
    m = SEGMENTS
    ids = np.arange(4 * (m + 1)).reshape(4, m + 1)
    group = np.arange(4)
    for e, (a, b) in enumerate(CELLS):
        if linked[e]:
            ids[b, m * (e // 2)] = ids[a, m * (e // 2)]
            group[group == group[b]] = group[a]
    core = np.zeros(ids.size, dtype=bool)
    for q in range(4):
        core[ids[q] if pore[q] else ids[q, [0, m]][np.array(blocked)[EDGES[q]]]] = True
    free = np.unique(ids[~core[ids]])
    size = len(free)
    number = np.full(ids.size, size)
    number[free] = np.arange(size)
    ids = number[ids]
    ends = np.unique(ids[:, [0, m]])
    ends = ends[ends < size]
    between = np.searchsorted(ends, ids[:, [0, m]])[:, None] + len(ends) * np.arange(DEGREE - 1)[:, None] + 2 * size + 1
    between = np.where((ids < size)[:, None, [0, m]], between, size)  # (cell, circle, half-edge)
    inner = np.where(ids < size, size + 1 + ids, size)
    place = np.concatenate([ids, inner, between.reshape(4, -1)], axis=1)
    total = 2 * size + 1 + len(ends) * (DEGREE - 1)

    cells = np.zeros((4, total, total))
    edges = np.zeros((4, total, total))
    mass, slope, stiffness = _ring()
    for q in range(4):
        np.add.at(cells[q], (place[q][:, None], place[q]), stiffness)
    for e, (a, b) in enumerate(CELLS):
        values = np.zeros((DEGREE + 1, total))
        for q, sign in ((a, 1.0),) if all(linked) else ((a, 1.0), (b, -1.0)):
            nodes = np.r_[ids[q, m * (e // 2)], inner[q, m * (e // 2)], between[q, :, e // 2]]
            values[np.arange(DEGREE + 1), nodes] += sign
        edges[e] = values.T @ (slope if all(linked) else mass) @ values

    _, names = np.unique(group, return_inverse=True)
    groups = 0 if core.any() else int(names.max()) + 1
    close = np.eye(2 * size + 1, size + 1 + groups)
    close[size + 1:] = 0.0
    trace = np.zeros((size + 1, 16))
    slots = np.full(size + 1, 16)
    np.minimum.at(slots, ids[:, [0, m // 2, m]], SLOTS)
    for q, j in np.ndindex(4, m + 1):
        if ids[q, j] < size:
            close[ids[q, j] + size + 1, size + 1 + names[q] if groups else size] = 1.0
        left = min(2 * j // m, 1)
        part = 2 * j / m - left
        trace[ids[q, j]] = 0.0
        trace[ids[q, j], slots[ids[q, left * m // 2]]] += 1 - part
        trace[ids[q, j], slots[ids[q, (left + 1) * m // 2]]] += part
    return _Layout(size, all(linked), ids, cells, edges, close, trace)


@cache
def _ring() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Integrate over the ring between squares of half-size 1 and 1/2.

    Returns
    -------
    Mass and stiffness along a half-edge, (DEGREE + 1,) * 2, nodes outer, inner, between; stiffness of a
    quadrant, its nodes on the outer circle from the vertical half-edge on, on the inner, and between them
    on the half-edges: the others there are eliminated.
    """
    point, weight = np.polynomial.legendre.leggauss(16)  # exact but for 1 / r, which converges 16-fold
    point, weight = (point + 1) / 2, weight / 2
    half = SEGMENTS // 2
    phi, dphi = _lagrange(np.arange(half + 1) / half, point)
    fall, rate = _lagrange(np.r_[1.0, 0.0, np.arange(1, DEGREE) / DEGREE], point)
    rate = 2 * rate
    r = (1 + point) / 2

    def integral(f: FloatArray, g: FloatArray, density: FloatArray) -> FloatArray:
        return (f * (density * weight)) @ g.T

    one = np.ones_like(point)
    out = np.zeros((DEGREE + 1, SEGMENTS + 1) * 2)
    for nodes, place, along in ((slice(0, half + 1), point, 1.0), (slice(half, None), 1 - point, -1.0)):
        cross = np.einsum("ab,ij->aibj", integral(rate, fall, one / 2), integral(phi, dphi, place * along))
        out[:, nodes, :, nodes] += (
            np.einsum("ab,ij->aibj", integral(rate, rate, r / 2), integral(phi, phi, one))
            - cross - cross.transpose(2, 3, 0, 1)
            + np.einsum("ab,ij->aibj", integral(fall, fall, 1 / (2 * r)), integral(dphi, dphi, 1 + place**2)))
    node = np.arange((DEGREE + 1) * (SEGMENTS + 1)).reshape(DEGREE + 1, SEGMENTS + 1)
    kept = np.r_[node[:2].reshape(-1), node[2:, [0, -1]].reshape(-1)]
    order = np.r_[kept, node[2:, 1:-1].reshape(-1)]
    stiffness = _eliminate(out.reshape(1, len(order), -1)[:, order[:, None], order], len(kept))
    return integral(fall, fall, one / 2), integral(rate, rate, one / 2), stiffness[0]


def _lagrange(nodes: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values and slopes of the Lagrange polynomials, (len(nodes), len(at))."""
    power = np.arange(len(nodes))[:, None]
    basis = np.linalg.inv(nodes ** power)
    return basis @ at ** power, basis @ (power * at ** np.maximum(power - 1, 0))
