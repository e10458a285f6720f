"""Grains as a Laguerre (power) tessellation of the plane with log-normal weights.

Seeds sit on a jittered square lattice that is numbered in rings around the middle of the field of
view, and each carries its own fixed set of random numbers. A change of grain size therefore only
dilates the same arrangement, and a larger field of view only adds rings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, cKDTree
from scipy.special import ndtri

from ssbray.domain import FloatArray
from ssbray.rng import stream

JITTER = 0.8  #: of the lattice spacing: irregular, without the holes of a Poisson pattern
MARGIN = 3  #: lattice spacings beyond the field of view, so that its edges see all neighbours
FEW = 200  #: seeds up to which a dense comparison beats a tree


@dataclass(frozen=True, eq=False, kw_only=True)
class Tessellation:
    """Power cells: a point belongs to the seed that minimises ``|x - seed|^2 - weight``."""

    seeds_nm: FloatArray  #: (n, 2) x, y
    weights_nm2: FloatArray  #: (n,)
    marks: FloatArray  #: (n, 2) uniform numbers that belong to each seed, for those who hang things on grains

    def assign(self, x_nm: FloatArray, y_nm: FloatArray) -> NDArray[np.int64]:
        """Index of the grain at each point; x and y are (m,)."""
        if len(x_nm) == 0:
            return np.zeros(0, dtype=np.int64)
        low, high = np.array([x_nm.min(), y_nm.min()]), np.array([x_nm.max(), y_nm.max()])
        centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        distance = np.linalg.norm(self.seeds_nm - centre, axis=1)
        # drop the seeds whose least power distance in the disc is above the greatest of the central cell's
        best = int(np.argmin(distance**2 - self.weights_nm2))
        greatest = (radius + distance[best]) ** 2 - self.weights_nm2[best]
        near = np.flatnonzero(np.maximum(distance - radius, 0) ** 2 - self.weights_nm2 <= greatest)
        seeds, weights = self.seeds_nm[near], self.weights_nm2[near]
        if len(near) <= FEW:
            return near[_dense(x_nm - centre[0], y_nm - centre[1], seeds - centre, weights)]
        # lifted by sqrt(max(w) - w) into a third dimension, power distance is Euclidean distance
        tree = cKDTree(np.column_stack([seeds, np.sqrt(weights.max() - weights)]))
        found = tree.query(np.column_stack([x_nm, y_nm, np.zeros(len(x_nm))]))[1]
        return np.asarray(near[found], dtype=np.int64)

    def junctions(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """Triple points: positions (v, 2) [nm] and the three grains that meet there (v, 3).

        They are the lower facets of the convex hull of the seeds lifted to |seed|^2 - weight (Aurenhammer
        1987, 10.1137/0216006).
        """
        origin = self.seeds_nm.mean(axis=0)
        at = self.seeds_nm - origin
        scale = np.abs(at).max()
        lifted = np.column_stack([at / scale, ((at**2).sum(axis=1) - self.weights_nm2) / scale**2])
        hull = ConvexHull(lifted)
        lower = hull.equations[:, 2] < -1e-9
        normal = hull.equations[lower]
        return -normal[:, :2] / (2 * normal[:, 2:3]) * scale + origin, hull.simplices[lower].astype(np.int64)


def _dense(x: FloatArray, y: FloatArray, seeds: FloatArray, weights: FloatArray) -> NDArray[np.int64]:
    """Power cell of each point by comparing all, a block of points at a time."""
    offset = (seeds**2).sum(axis=1) - weights
    points = np.column_stack([x, y])
    found = np.empty(len(x), dtype=np.int64)
    for begin in range(0, len(x), 4096):
        part = slice(begin, begin + 4096)
        found[part] = np.argmin(offset - 2 * points[part] @ seeds.T, axis=1)
    return found


def tessellate(seed: int, purpose: str, *, size_nm: tuple[float, float], diameter_nm: float,
               sigma_log: float) -> Tessellation:
    """Draw grains that cover a field of view.

    The lattice spacing is that of circles of the mean diameter with the same area,
    ``diameter sqrt(pi)/2``. Radii are log-normal with the given spread (cut at two standard
    deviations); the cells follow them, but a Laguerre tessellation does not reproduce them exactly.

    Parameters
    ----------
    seed, purpose : key of the random stream.
    size_nm : (width, height) of the field of view.
    diameter_nm : mean equivalent diameter of a cell in the section.
    sigma_log : standard deviation of ln(radius).
    """
    spacing = diameter_nm * np.sqrt(np.pi) / 2
    rings = int(np.ceil(max(size_nm) / 2 / spacing)) + MARGIN
    cell = np.stack(np.meshgrid(*2 * [np.arange(-rings, rings + 1.0)], indexing="ij"), axis=-1).reshape(-1, 2)
    cell = cell[np.argsort(np.abs(cell).max(axis=1), kind="stable")]
    draws = stream(seed, purpose).random((len(cell), 5))
    seeds = (cell + JITTER * (draws[:, :2] - 0.5)) * spacing + np.array(size_nm) / 2
    radius = 0.5 * spacing * np.exp(sigma_log * np.clip(ndtri(draws[:, 2]), -2, 2))
    inside = (np.abs(seeds - np.array(size_nm) / 2) < np.array(size_nm) / 2 + MARGIN * spacing).all(axis=1)
    return Tessellation(seeds_nm=seeds[inside], weights_nm2=radius[inside] ** 2, marks=draws[inside, 3:])
