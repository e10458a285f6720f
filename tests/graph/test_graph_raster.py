"""Pixel faces against a count by hand, and their true surface, however the sides are numbered."""

import numpy as np
import pytest

from ssbray import raster
from ssbray.rng import stream


def patches(seed, shape):
    return stream(seed, "patches", *shape).integers(0, 3, shape).astype(np.uint8)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(5, 7), (1, 6), (4, 1), (1, 1), (3, 4, 5), (2, 1, 3)])
def test_faces_are_those_of_a_count(shape, periodic):
    labels, grains = patches(1, shape), patches(2, shape)
    expected = []
    for axis in range(len(shape)):
        for place in np.ndindex(shape):
            other = list(place)
            other[axis] += 1
            if other[axis] == shape[axis]:
                if not periodic:
                    continue
                other[axis] = 0
            if (labels[place], grains[place]) != (labels[tuple(other)], grains[tuple(other)]):
                expected.append((axis, int(np.ravel_multi_index(place, shape)),
                                 int(np.ravel_multi_index(other, shape))))
    faces = raster.facets(labels, grains, periodic)
    assert list(zip(faces.axis.tolist(), faces.first.tolist(), faces.second.tolist(), strict=True)) == expected


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(40, 31), (9, 8, 7)])
def test_sides_may_have_any_numbers(shape, periodic):
    labels = patches(3, shape)
    faces = raster.facets(labels, periodic=periodic)
    known = raster.measure(faces, labels)
    assert np.array_equal(raster.measure(faces, labels.astype(np.int64) * 10**14 - 7), known)
    assert raster.measure(faces, np.int8([5, -3, 90])[labels]) == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize("shape", [(40, 31), (9, 8, 7)])
def test_a_grid_too_large_for_a_table_is_numbered_by_sorting(shape, monkeypatch):
    labels = patches(4, shape)
    faces = raster.facets(labels)
    known = raster.measure(faces, labels)
    monkeypatch.setattr(raster, "DENSE", 0)
    assert np.array_equal(raster.measure(faces, labels), known)


def test_the_window_is_the_sum_along_the_curve():
    """A staircase with one step in seven: the normal summed face by face, under the window, by hand."""
    labels = np.zeros((40, 140), dtype=np.uint8)
    for column in range(140):
        labels[10 + column // 7:, column] = 1
    faces = raster.facets(labels)
    path = np.argsort(faces.first % 140 + 0.5 * (faces.axis == 1), kind="stable")  # from left to right
    own = np.zeros((len(faces), 2))
    own[np.arange(len(faces)), faces.axis] = np.where(faces.axis == 0, 1.0, -1.0)
    own = own[path]
    reach = raster.REACH
    weight = 0.5 * (1 + np.cos(np.pi * np.arange(-reach, reach + 1) / (reach + 1)))
    normal = np.stack([np.convolve(component, weight, mode="same") for component in own.T], axis=1)
    expected = np.abs(normal[np.arange(len(path)), faces.axis[path]]) / np.hypot(*normal.T)
    assert raster.measure(faces, labels)[path] == pytest.approx(np.maximum(expected, raster.LEAST), rel=1e-12)
