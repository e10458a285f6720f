"""Pores of the electrolyte: at triple junctions first, inside grains where junctions are too few.

Every candidate carries a rank, and its area grows with the level by which the porosity's level exceeds
the rank: more porosity lets pores grow and adds others, but moves none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.specimen.tessellation import Tessellation, tessellate

LOBE = 0.2  #: depth of the three lobes that a pore stretches along the boundaries which meet in it
MOST = 0.9  #: share of the allowed area that pores may take
TRAPPED_SPACING = 4.0  #: distance of the candidates inside grains, in pore radii


@dataclass(frozen=True, eq=False, kw_only=True)
class Pores:
    """Candidates (n) and the level up to which they are open."""

    centres_nm: FloatArray  #: (n, 2) x, y
    rank: FloatArray  #: (n,) level at which the pore appears
    radius_nm: FloatArray  #: (n,) its radius when the level is one above its rank
    lobe: FloatArray  #: (n,) complex unit number cubed: direction of the lobes, zero for a round pore
    level: float  #: -infinity when there is no pore

    def field(self, x_nm: FloatArray, y_nm: FloatArray, upto: float) -> FloatArray:
        """Lowest level at which each point of a grid is in a pore, (len(y), len(x)); infinite above `upto`.

        Parameters
        ----------
        x_nm, y_nm : (w,) and (h,) ascending coordinates of the grid's columns and rows.
        """
        lowest: FloatArray = np.full((len(y_nm), len(x_nm)), np.inf)
        reach = self.radius_nm * np.sqrt(np.maximum(upto - self.rank, 0)) * (1 + LOBE)
        for k in np.flatnonzero(reach > 0):
            (cx, cy), r = self.centres_nm[k], reach[k]
            columns = slice(*np.searchsorted(x_nm, [cx - r, cx + r]))
            rows = slice(*np.searchsorted(y_nm, [cy - r, cy + r]))
            z = (x_nm[columns] - cx) + 1j * (y_nm[rows, None] - cy)
            if z.size:
                size = np.maximum(np.abs(z), 1e-9)
                shape = self.radius_nm[k] * (1 + LOBE * (np.conj(self.lobe[k]) * (z / size) ** 3).real)
                lowest[rows, columns] = np.minimum(lowest[rows, columns], self.rank[k] + (size / shape) ** 2)
        return np.where(lowest <= upto, lowest, np.inf)

    def open(self, x_nm: FloatArray, y_nm: FloatArray) -> NDArray[np.bool_]:
        """Whether each point of a grid lies in a pore, boolean (len(y), len(x))."""
        if not np.isfinite(self.level):
            return np.zeros((len(y_nm), len(x_nm)), dtype=bool)
        return np.isfinite(self.field(x_nm, y_nm, self.level))


def candidates(seed: int, grains: Tessellation, *, size_nm: tuple[float, float], radius_nm: float) -> Pores:
    """All places where a pore may open: triple junctions (ranks 0..1), then places inside grains (1..2).

    A junction's random numbers are those of its three grains, so it keeps them while the arrangement
    dilates. The lobes point away from the grains, along the boundaries.
    """
    at, corner = grains.junctions()
    mark = grains.marks[corner].sum(axis=1) % 1.0  # a sum of uniform numbers modulo one is uniform
    away = at[:, None, :] - grains.seeds_nm[corner]
    direction = away[..., 0] + 1j * away[..., 1]
    lobe = ((direction / np.maximum(np.abs(direction), 1e-9)) ** 3).sum(axis=1)
    trapped = tessellate(seed, "specimen trapped pores", size_nm=size_nm,
                         diameter_nm=TRAPPED_SPACING * radius_nm, sigma_log=0.0)
    mark = np.concatenate([mark, trapped.marks], axis=0)
    return Pores(
        centres_nm=np.concatenate([at, trapped.seeds_nm]),
        rank=mark[:, 0] + np.repeat([0.0, 1.0], [len(at), len(trapped.seeds_nm)]),
        radius_nm=radius_nm * (0.7 + 0.6 * mark[:, 1]),
        lobe=np.concatenate([lobe / np.maximum(np.abs(lobe), 1e-9), np.zeros(len(trapped.seeds_nm))]),
        level=-np.inf,
    )


def opened(pores: Pores, x_nm: FloatArray, y_nm: FloatArray, allowed: NDArray[np.bool_], share: float) -> Pores:
    """Raise the level until pores fill a share of the allowed points of a grid.

    Parameters
    ----------
    x_nm, y_nm : (w,) and (h,) coordinates of the grid.
    allowed : (h, w) where a pore may be.
    share : of the allowed points, 0..1.
    """
    wanted = round(min(share, MOST) * int(allowed.sum()))
    if wanted == 0:
        return pores
    upto = 1.0
    while np.isfinite(reached := pores.field(x_nm, y_nm, upto)[allowed]).sum() < wanted:
        upto *= 1.5
    return replace(pores, level=float(np.partition(reached, wanted - 1)[wanted - 1]))
