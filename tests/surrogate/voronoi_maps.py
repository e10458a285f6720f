"""Random polycrystalline stacks and a finite-volume truth for them, for the tests alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from ssbray.domain import FeatureGraph, PhaseMap
from ssbray.graph import build
from ssbray.raster import facets, measure
from ssbray.rng import stream

PHASES = ("electrolyte", "layer", "cathode", "pore")


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One map with its materials."""

    map: PhaseMap
    sigma: dict[int, float]
    interfaces: dict[tuple[int, int], float]

    def graph(self, axis: str = "y") -> FeatureGraph:
        return build(self.map, self.sigma, self.interfaces, axis=axis)


def random_case(seed: int, shape: tuple[int, int] = (100, 150)) -> Case:
    """Grains of electrolyte and cathode with a wavy layer between them, and pores; 10 nm pixels."""
    rng = stream(seed, "test map")
    height, width = shape
    count = int(rng.integers(25, 80))
    sites = rng.random((count, 2)) * shape
    y, x = np.mgrid[:height, :width]
    grains = np.argmin((y[..., None] - sites[:, 0]) ** 2 + (x[..., None] - sites[:, 1]) ** 2, axis=-1) + 1
    wave = sum(rng.normal(0, 4) * np.sin(2 * np.pi * (k * x / width + rng.random())) for k in (1, 2, 3))
    depth = y - (height * rng.uniform(0.35, 0.65) + wave)
    thick = rng.uniform(2, 12)
    labels = np.where(depth < 0, 0, np.where(depth < thick, 1, 2)).astype(np.uint8)
    grains = np.where(labels == 1, 0, grains + count * (labels == 2)).astype(np.int32)
    for _ in range(int(rng.integers(0, 12))):
        a, b = rng.uniform(2, 8, 2)
        hole = ((y - rng.uniform(0, height)) / a) ** 2 + ((x - rng.uniform(0, width)) / b) ** 2 < 1
        labels[hole], grains[hole] = 3, 0
    sigma = {0: 0.03 * np.exp(rng.normal(0, 0.5)), 1: 10 ** rng.uniform(-4, -2), 2: 10 ** rng.uniform(-3, -1), 3: 0.0}
    thickness = height * 1e-8
    interfaces = {(0, 0): thickness / sigma[0] * 10 ** rng.uniform(-2, 0.3),
                  (2, 2): thickness / sigma[2] * 10 ** rng.uniform(-2, 0.3),
                  (1, 2): thickness / sigma[2] * 10 ** rng.uniform(-2, 1)}
    phase_map = PhaseMap(labels=labels, phases=PHASES, pixel_size_nm=10.0, grains=grains)
    return Case(map=phase_map, sigma=sigma, interfaces=interfaces)


def finite_volume(case: Case) -> float:
    """Effective conductivity along y [S/m]: one unknown per pixel, harmonic faces, direct solve; 0 if singular."""
    labels, grains = case.map.labels, case.map.grains
    height, width = labels.shape
    pixel = case.map.pixel_size_nm * 1e-9
    sigma = np.array([case.sigma[k] for k in range(len(case.map.phases))])[labels.reshape(-1)]
    faces = facets(labels, grains)
    codes = labels.astype(np.int64) + (0 if grains is None else 10 * grains.astype(np.int64))
    true = np.maximum(measure(faces, codes), 0.1)  # the normal of a one-pixel spur can cancel
    asr = [case.interfaces.get((a, b), case.interfaces.get((b, a), 0.0))
           for a, b in zip(labels.flat[faces.first], labels.flat[faces.second], strict=True)]
    jump = {axis: np.zeros(labels.size) for axis in (0, 1)}
    for axis in (0, 1):
        on = faces.axis == axis
        jump[axis][faces.first[on]] = np.asarray(asr)[on] / true[on] / pixel
    index = np.arange(labels.size).reshape(labels.shape)
    i = np.concatenate([index[:-1].ravel(), index[:, :-1].ravel()])
    j = np.concatenate([index[1:].ravel(), index[:, 1:].ravel()])
    extra = np.concatenate([jump[0][index[:-1].ravel()], jump[1][index[:, :-1].ravel()]])
    with np.errstate(divide="ignore"):
        g = 1 / (0.5 / sigma[i] + 0.5 / sigma[j] + extra)
    diagonal = np.bincount(i, g, labels.size) + np.bincount(j, g, labels.size)
    top, bottom = index[0], index[-1]
    diagonal[top] += 2 * sigma[top]
    diagonal[bottom] += 2 * sigma[bottom]
    source = np.zeros(labels.size)
    source[top] = 2 * sigma[top]
    idle = diagonal == 0
    diagonal[idle] = 1.0
    diagonal *= 1 + 1e-13  # islands of conductor inside pores are singular, and carry nothing
    matrix = coo_array((np.concatenate([-g, -g, diagonal]),
                        (np.concatenate([i, j, index.ravel()]), np.concatenate([j, i, index.ravel()]))),
                       shape=(labels.size, labels.size)).tocsc()
    potential = spsolve(matrix, source)
    return float(np.sum(2 * sigma[bottom] * potential[bottom])) * height / width
