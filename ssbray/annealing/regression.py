"""A quadratic through the archive near one point: where it is lowest, and which parameters it feels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ssbray.annealing.archive import Archive
from ssbray.domain import FloatArray

RIDGE = 0.01  #: on the curvatures, in units of the spread of the costs; a tenth of it on the slopes
FEWEST = 12  #: points, where there are so few parameters that fewer would do
FLATTEST = 0.05  #: least curvature, in the same units


@dataclass(frozen=True, eq=False, kw_only=True)
class Quadratic:
    """Cost about `centre`: slope . z + z . curvature . z / 2, for z = (u - centre) / width."""

    numeric: FloatArray  #: (n,) bool, the parameters it knows; categories keep the choices of the point
    centre: FloatArray  #: (d,)
    width: FloatArray  #: (d,)
    slope: FloatArray  #: (d,)
    curvature: FloatArray  #: (d, d)

    def lowest(self, reach: float = 1.0) -> FloatArray:
        """(d,) its minimum in units of z, within `reach` standard deviations per parameter of the fitted points.

        Where it is curved downwards the curvature's sign is turned, which makes its top a bottom
        to walk away from (saddle-free Newton step, Dauphin et al. 2014, arXiv:1406.2572).
        """
        value, vector = np.linalg.eigh(self.curvature)
        z = -vector @ ((vector.T @ self.slope) / np.maximum(np.abs(value), FLATTEST))
        return z * min(1.0, reach * math.sqrt(len(z)) / max(float(np.linalg.norm(z)), 1e-300))

    def sensitivity(self) -> FloatArray:
        """(d,) what the cost changes by across each parameter's unit interval: root mean square slope of the fit."""
        return np.sqrt(self.slope**2 + np.sum(self.curvature**2, axis=1)) / self.width


def fit(archive: Archive, u: FloatArray, points: float = 2.0) -> Quadratic | None:
    """Fit to the nearest points to u, (n,), so many per coefficient; None where too few are known.

    A parameter that an archived point lacks is taken to be u's.
    """
    numeric = ~archive.space.categorical
    d = int(numeric.sum())
    if d == 0 or len(archive.records) < d + 2:
        return None
    known = np.where(np.isnan(archive.u), u, archive.u)
    near = np.argsort(((known - u) ** 2).sum(axis=1), kind="stable")[
        : max(FEWEST, int(points * (d + 1) * (d + 2) / 2))]
    x, cost = known[near][:, numeric], archive.cost[near]
    centre, width = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - centre) / width
    i, j = np.triu_indices(d)
    columns = np.hstack([np.ones((len(z), 1)), z, z[:, i] * z[:, j]])
    ridge = np.concatenate([[1e-9], np.full(d, RIDGE / 10), np.full(len(i), RIDGE)]) * len(z)
    c = np.linalg.solve(columns.T @ columns + np.diag(ridge), columns.T @ ((cost - cost.mean()) / (cost.std() or 1.0)))
    curvature = np.zeros((d, d))
    curvature[i, j] += c[1 + d :]
    curvature[j, i] += c[1 + d :]
    return Quadratic(numeric=numeric, centre=centre, width=width, slope=c[1 : 1 + d], curvature=curvature)
