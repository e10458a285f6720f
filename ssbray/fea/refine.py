"""The same problem on smaller pixels: geometry, interfaces and boundary conditions unchanged."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.fea.problem import Problem
from ssbray.fea.thin import Thin
from ssbray.raster import Facets


def subdivide(problem: Problem, factor: int) -> Problem:
    """Cut each pixel into `factor` per side. The staircase of the original pixels stays what it was."""
    if factor == 1:
        return problem
    fine, parent = _faces(problem.thin.faces, factor)
    thin = Thin(faces=fine, resistance=factor * problem.thin.resistance[parent],
                sheet=factor * problem.thin.sheet[parent], pair=problem.thin.pair[parent])
    shape = tuple(n * factor for n in problem.shape)
    place = np.array(np.unravel_index(problem.pins, problem.shape)) * factor
    return dataclasses.replace(
        problem, active=_repeat(problem.active, factor), conducts=_repeat(problem.conducts, factor),
        sigma=_repeat(problem.sigma, factor), thin=thin, shut=_faces(problem.shut, factor)[0],
        blocked=_faces(problem.blocked, factor)[0], pins=np.ravel_multi_index(tuple(place), shape).astype(np.int64),
        pixel_m=problem.pixel_m / factor)


def _repeat(image: NDArray[Any], factor: int) -> NDArray[Any]:
    for axis in range(image.ndim):
        image = np.repeat(image, factor, axis=axis)
    return image


def _faces(faces: Facets, factor: int) -> tuple[Facets, NDArray[np.int64]]:
    """Fine faces, and the coarse face each is part of."""
    ndim = len(faces.shape)
    shape = tuple(n * factor for n in faces.shape)
    low = np.stack(np.unravel_index(faces.first, faces.shape), axis=1)
    high = np.stack(np.unravel_index(faces.second, faces.shape), axis=1)
    inside = np.indices((factor,) * (ndim - 1)).reshape(ndim - 1, -1).T
    firsts: list[NDArray[np.int64]] = []
    seconds: list[NDArray[np.int64]] = []
    axes, parents = [], []
    for axis in range(ndim):
        here = np.flatnonzero(faces.axis == axis)
        offset = np.insert(inside, axis, 0, axis=1)
        up = np.eye(ndim, dtype=np.int64)[axis] * (factor - 1)
        for place, step, into in ((low, up, firsts), (high, 0 * up, seconds)):
            at = (place[here] * factor + step)[:, None, :] + offset
            into.append(np.ravel_multi_index(tuple(at.reshape(-1, ndim).T), shape))
        axes.append(np.full(len(firsts[-1]), axis, dtype=np.int64))
        parents.append(np.repeat(here, len(offset)))
    return (Facets(first=np.concatenate(firsts), second=np.concatenate(seconds), axis=np.concatenate(axes),
                   shape=shape, periodic=faces.periodic), np.concatenate(parents))
