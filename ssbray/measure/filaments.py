"""Lengths of thin lines that were drawn as a mask: dislocations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.morphology import skeletonize

from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.measure.burrs import without_burrs
from ssbray.measure.rays import walk
from ssbray.measure.roles import ELECTROLYTE
from ssbray.measure.sheet import Sheet
from ssbray.measure.specks import without_specks

REACH = 12  #: links to either side from which a link's direction is estimated, under a Hann window
FORWARD = ((0, 1), (1, 0), (1, 1), (1, -1))  #: steps from a pixel to the half of its neighbours that come after it
DENSITY = ("dislocation_density_per_um2", "dislocation_density_per_m2")


def measure_dislocations(sheet: Sheet, parts: NDArray[np.uint8], mask: NDArray[np.bool_] | None,
                         foil_thickness_nm: float | None, least_pixels: int) -> None:
    """Note the length of dislocations in the electrolyte, per area of image, and per volume of foil.

    An image shows lines in projection. Lines of random direction are shortened by pi/4 on average, so
    that their density is ``4/pi`` times the length per area over the foil's thickness (Bailey and Hirsch,
    Phil. Mag. 5 (1960) 485).
    """
    lengths = ("dislocation_length_um", "dislocation_length_per_area_per_um")
    if mask is None:
        sheet.lacks("no mask of dislocations was given", *lengths, *DENSITY)
        return
    if mask.shape != parts.shape or mask.dtype != np.bool_:
        raise InputError("dislocations", (mask.shape, str(mask.dtype)), f"give a boolean mask of shape {parts.shape}")
    if foil_thickness_nm is not None and not (np.isfinite(foil_thickness_nm) and foil_thickness_nm > 0):
        raise InputError("foil_thickness_nm", foil_thickness_nm, "must be a positive number of nanometres")
    garnet = parts == ELECTROLYTE
    area = sheet.area_um2(int(garnet.sum()))
    if area == 0:
        sheet.lacks("the map has no electrolyte", *lengths, *DENSITY)
        return
    smooth, _ = without_burrs(mask.view(np.uint8), None, least_pixels // 2, least_own=2)
    smooth, _ = without_specks(smooth, None, least_pixels)
    sheet.length_um("dislocation_length_um", length(smooth.astype(bool), garnet))
    per_area = sheet.values["dislocation_length_um"] / area
    sheet.values["dislocation_length_per_area_per_um"] = per_area
    if foil_thickness_nm is None:
        sheet.lacks("a length per area of image is no density: give foil_thickness_nm", *DENSITY)
        return
    density = 4 / np.pi * per_area / (foil_thickness_nm * 1e-3)
    sheet.values.update(zip(DENSITY, (density, density * 1e12), strict=True))


def length(mask: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    """Length of the middle lines of a mask [pixels].

    A link between neighbouring pixels of the skeleton counts with its part along the direction of the
    line around it. The sum over a straight line is the distance between its ends at every slope, where
    counting 1 and sqrt(2) exceeds it by up to 8 % (Vossepoel and Smeulders 1982). A free end is
    followed on to the edge of the mask, in steps of half a pixel.

    Parameters
    ----------
    mask : (H, W) lines, some pixels wide or one.
    where : (H, W) only what lies here counts.

    >>> mask = np.zeros((20, 40), dtype=bool)
    >>> mask[10, 5:36] = True
    >>> abs(length(mask, np.ones_like(mask)) - 31) <= 0.5
    True
    """
    skeleton = skeletonize(mask, method="lee").astype(bool)  # the default method loses staircases at 45 degrees
    first, second, step = _links(_pruned(skeleton, width=mask.sum() / max(1, skeleton.sum())))
    if len(first) == 0:
        return 0.0
    direction = _directions(first, second, step)
    norm = np.linalg.norm(direction, axis=1, keepdims=True)
    direction = np.divide(direction, norm, out=step / np.linalg.norm(step, axis=1, keepdims=True), where=norm > 1e-9)
    inside = where.reshape(-1)
    within = np.abs((step * direction).sum(axis=1))[inside[first] & inside[second]]
    return float(within.sum()) + _tips(mask & where, first, second, direction)


def _tips(mask: NDArray[np.bool_], first: NDArray[np.int64], second: NDArray[np.int64],
          direction: FloatArray) -> float:
    """Way from the ends of the skeleton on to the ends of the mask: a skeleton is short by half the line's width."""
    degree = np.bincount(np.concatenate([first, second]))
    start, onward = [], []
    for node, outward in ((first, -direction), (second, direction)):
        free = (degree[node] == 1) & mask.reshape(-1)[node]
        start.append(np.stack(np.divmod(node[free], mask.shape[1]), axis=1))
        onward.append(outward[free])
    rays = walk(mask.view(np.uint8), np.concatenate(start).astype(float), np.concatenate(onward),
                stops=np.array([True, False]))
    return float(rays.passed[:, 1].sum())


def _links(skeleton: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Neighbouring pixels of a skeleton (m,) and the step between them (m, 2), no diagonal beside two faces."""
    padded = np.pad(skeleton, 1)
    row, column = np.nonzero(skeleton)
    first, second, steps = [], [], []
    for dy, dx in FORWARD:
        there = padded[row + 1 + dy, column + 1 + dx]
        if dy and dx:
            there &= ~padded[row + 1 + dy, column + 1] & ~padded[row + 1, column + 1 + dx]
        first.append(row[there] * skeleton.shape[1] + column[there])
        second.append((row[there] + dy) * skeleton.shape[1] + column[there] + dx)
        steps.append(np.tile([float(dy), float(dx)], (int(there.sum()), 1)))
    return np.concatenate(first), np.concatenate(second), np.concatenate(steps)


def _pruned(skeleton: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """Skeleton less the branches with a free end that are no longer than the lines are wide: forks of blunt ends."""
    first, second, _ = _links(skeleton)
    partner = _partners(first, second)
    through = np.flatnonzero(partner >= 0)
    links = coo_array((np.ones(len(through), dtype=np.int8), (through // 2, partner[through] // 2)),
                      shape=(len(first), len(first)))
    count, branch = connected_components(links, directed=False)
    degree = np.bincount(np.concatenate([first, second]), minlength=skeleton.size)
    ends = np.minimum(degree[first], degree[second]) == 1
    forks = np.maximum(degree[first], degree[second]) >= 3
    spur = np.bincount(branch, minlength=count) <= width
    spur &= (np.bincount(branch, ends, count) > 0) & (np.bincount(branch, forks, count) > 0)
    node = np.concatenate([first[spur[branch]], second[spur[branch]]])
    pruned = skeleton.copy()
    pruned.reshape(-1)[node[degree[node] <= 2]] = False
    return pruned


def _partners(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Match half-links (2 k + end) where two, and no more, meet; -1 for the others."""
    node = np.stack([first, second], axis=1).reshape(-1)
    order = np.argsort(node, kind="stable")
    begin = np.flatnonzero(np.append(True, np.diff(node[order]) > 0)[:len(order)])
    through = begin[np.diff(np.append(begin, len(order))) == 2]
    partner = np.full(len(node), -1, dtype=np.int64)
    left, right = order[through], order[through + 1]
    partner[left], partner[right] = right, left
    return partner


def _directions(first: NDArray[np.int64], second: NDArray[np.int64], step: FloatArray) -> FloatArray:
    """Sum of the steps around each link along its line, up to ends and junctions, (m, 2)."""
    count = len(first)
    partner = _partners(first, second)
    onward = np.where(partner >= 0, partner ^ 1, -1)  # from a half-link to the far end of the next link
    total = step * 1.0
    for end in (0, 1):
        outward = 1.0 if end else -1.0  # leaving a link by its second end goes along its step
        state = 2 * np.arange(count) + end
        alive = np.arange(count)
        for k in range(1, REACH + 1):
            state = onward[state]
            alive, state = alive[state >= 0], state[state >= 0]
            if len(alive) == 0:
                break
            sense = np.where(state % 2 == 1, outward, -outward)
            total[alive] += 0.5 * (1 + np.cos(np.pi * k / (REACH + 1))) * sense[:, None] * step[state // 2]
    return total
