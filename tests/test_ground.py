"""Types, errors, units and randomness that everything rests on; and who may import whom."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from ssbray import raster, rng, units
from ssbray.domain import PhaseMap
from ssbray.errors import InputError

LABELS = np.array([[0, 1], [1, 2]], dtype=np.uint8)


def test_an_input_error_survives_a_process_border():
    error = pickle.loads(pickle.dumps(InputError("axis", "q", "choose x or y")))
    assert (error.field, error.value, error.remedy) == ("axis", "q", "choose x or y")
    assert str(error) == "axis = 'q': choose x or y"


@pytest.mark.parametrize("change", [
    {"labels": LABELS.astype(int)}, {"labels": np.zeros((0, 2), np.uint8)}, {"labels": np.zeros(3, np.uint8)},
    {"phases": ("a", "b")}, {"pixel_size_nm": 0.0}, {"pixel_size_nm": float("nan")},
    {"grains": np.zeros((3, 3), np.int32)}, {"boundaries": {"a:b": 1.0}}, {"boundaries": {"a:z:grain boundary": 1.0}},
    {"boundaries": {"a:b:contact": -1.0}}])
def test_a_phase_map_is_complete_or_refused(change):
    with pytest.raises(InputError):
        PhaseMap(**{"labels": LABELS, "phases": ("a", "b", "c"), "pixel_size_nm": 1.0, **change})


def test_streams_are_keyed_by_everything_and_by_nothing_else():
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 1)]
    draws = {rng.stream(*key).random() for key in keys}
    assert len(draws) == 6
    assert rng.stream(0, "a", 1).random() == rng.stream(0, "a", 1).random()
    assert 0 <= rng.subseed(0, "a") < 2**63


def test_conversions_return():
    assert units.S_per_cm(units.S_per_m(3e-4)) == pytest.approx(3e-4)
    assert units.S_per_m(1.0) == 100.0
    assert units.ohm_m2(1.0) == 1e-4
    assert units.ohm_cm2(units.ohm_m2(7.0)) == pytest.approx(7.0)
    assert units.metres(1.0) == 1e-9
    assert units.kelvin(25.0) == 298.15


@pytest.mark.parametrize("angle", [0.0, 7.0, 20.0, 33.0, 45.0, 71.0])
def test_a_line_at_any_angle_has_its_true_length(angle):
    n = 256
    y, x = np.mgrid[:n, :n] + 0.5
    normal = np.cos(np.radians(angle)), -np.sin(np.radians(angle))
    labels = ((y - n / 2) * normal[0] + (x - n / 2) * normal[1] > 0).astype(np.uint8)
    faces = raster.facets(labels)
    length = n / max(abs(normal[0]), abs(normal[1]))
    assert raster.measure(faces, labels).sum() == pytest.approx(length, rel=0.005)


def test_a_circle_has_its_true_length():
    """Counting faces gives 4/pi = 1.27 times as much at any resolution."""
    for radius in (20, 40, 80):
        y, x = np.mgrid[:200, :200] + 0.5
        labels = ((x - 100) ** 2 + (y - 100) ** 2 < radius**2).astype(np.uint8)
        faces = raster.facets(labels)
        assert raster.measure(faces, labels).sum() == pytest.approx(2 * np.pi * radius, rel=0.006)
        assert len(faces) == pytest.approx(8 * radius, rel=0.03)


def test_squares_are_exact_up_to_their_corners():
    grains = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((5, 5), dtype=int))
    assert (raster.measure(raster.facets(grains), grains) == 1.0).all()
    block = np.zeros((20, 20), dtype=int)
    block[5:14, 6:15] = 1
    assert (raster.measure(raster.facets(block), block) == 1.0).all()


def test_spurs_never_lose_all_their_surface():
    """Noise is full of one-pixel spurs whose normals cancel; a resistance is divided by the measure."""
    labels = np.random.default_rng(0).integers(0, 2, (64, 64))
    assert raster.measure(raster.facets(labels), labels).min() >= raster.LEAST


@pytest.mark.parametrize("edge", [2, 4, 8, 12])
def test_cubes_and_terraces_are_exact_up_to_their_edges(edge):
    block = np.zeros((20, 20, 20), dtype=int)
    block[4 : 4 + edge, 4 : 4 + edge, 4 : 4 + edge] = 1
    assert raster.measure(raster.facets(block), block).sum() == 6 * edge**2


def test_an_extruded_outline_keeps_its_length():
    flat = np.zeros((24, 26), dtype=int)
    flat[6:16, 7:19] = 1
    flat[9:12, 19:22] = 1
    deep = np.repeat(flat[None], 9, axis=0)
    plane, volume = (raster.measure(raster.facets(each), each).sum() for each in (flat, deep))
    assert volume == pytest.approx(9 * plane, rel=0.01)


def test_a_sphere_has_its_true_area():
    z, y, x = np.mgrid[:56, :56, :56] + 0.5
    labels = ((x - 28) ** 2 + (y - 28) ** 2 + (z - 28) ** 2 < 22**2).astype(np.uint8)
    assert raster.measure(raster.facets(labels), labels).sum() == pytest.approx(4 * np.pi * 22**2, rel=0.01)


def test_the_core_drags_in_no_cluster():
    """A third party could import Ray or MLflow unseen by the import rules."""
    code = ("import sys, ssbray.campaign, ssbray.annealing, ssbray.fea; "
            "print(sorted({'ray', 'mlflow'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
