"""Roughness of the interface lines that cross a map."""

from __future__ import annotations

import numpy as np

from ssbray.domain import FloatArray
from ssbray.measure.interface import Interface
from ssbray.measure.line import Line

LEAST_CHORD = 0.5  #: of the shorter side of the map: a shorter line across a corner says nothing of roughness
LEAST_SHARE = 0.5  #: of a line that must face the electrolyte: the rest is free surface


def roughness(interface: Interface, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """Length over chord [-], and rms height over the best straight line [pixels]; None where no line crosses the map.

    Heights are weighted by their way along that line, as a profilometer does. Several lines count by their chords.
    """
    line = interface.line
    length = chord = square = way = 0.0
    for span, closed in zip(line.spans(), line.closed, strict=True):
        total = float(line.length[span].sum() - 0.5 * (line.length[span.start] + line.length[span.stop - 1]))
        if closed or not _crosses(line, span, shape) or interface.weight[span].sum() < LEAST_SHARE * total:
            continue
        point = line.point[span]
        across = float(np.linalg.norm(point[-1] - point[0]))
        if across < LEAST_CHORD * min(shape):
            continue
        run, height = _heights(point)
        length += total
        chord += across
        square += float((height**2 * run).sum())
        way += float(run.sum())
    return (length / chord, float(np.sqrt(square / way))) if chord > 0 else None


def _crosses(line: Line, span: slice, shape: tuple[int, ...]) -> bool:
    """Whether a curve runs from one side of the map to another."""
    sides = []
    for y, x in line.point[[span.start, span.stop - 1]]:
        sides.append({name for name, at in (("top", y <= 0), ("bottom", y >= shape[0] - 1), ("left", x <= 0),
                                            ("right", x >= shape[1] - 1)) if at})
    return bool(sides[0]) and bool(sides[1]) and not sides[0] & sides[1]


def _heights(point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Way along the best straight line that each point stands for, and its height above it."""
    centre = point.mean(axis=0)
    along = point[-1] - point[0]
    along = along / np.linalg.norm(along)
    for _ in range(3):  # the weights depend on the direction, and the direction on the weights
        run = np.abs(np.gradient(point @ along))
        centre = (point * run[:, None]).sum(axis=0) / run.sum()
        away = point - centre
        x, y = away @ along, away @ [-along[1], along[0]]
        slope = float((run * x * y).sum() / (run * x * x).sum())
        along = along + slope * np.array([-along[1], along[0]])
        along = along / np.linalg.norm(along)
    return run, (point - centre) @ [-along[1], along[0]]
