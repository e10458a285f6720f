"""The parts under the readers: lines and windows, event streams, square pixels, units, detectors, the adapter."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssbray.errors import InputError
from ssbray.microscope import calibration, detectors, squares, stream, xray
from ssbray.microscope.read import read
from ssbray.rng import stream as random

AXIS = {"offset_eV": -250.0, "dispersion_eV": 5.0, "channels": 4096}
BATTERY = ["O", "Al", "Si", "P", "Mn", "Fe", "Co", "Ni", "Cu", "Zr", "Nb", "La", "Ta", "Pt", "C", "Ga", "Ti", "W"]


def test_lines_keep_moseleys_law():
    """The square root of the energy of K alpha is linear in the atomic number: a digit out of place would show."""
    numbers = {element: xray.SYMBOLS.index(element) + 1 for element in xray.LINES}
    for family, slope, screen, tolerance in (("K", 10.2, 1.0, 0.035), ("L", 1.89, 7.4, 0.03)):
        for element, families in xray.LINES.items():
            if family in families and numbers[element] >= (11 if family == "K" else 38):
                expected = slope * (numbers[element] - screen) ** 2
                assert families[family][0] == pytest.approx(expected, rel=tolerance), element


def test_every_element_of_a_lithium_battery_has_a_window():
    windows = xray.windows(BATTERY, BATTERY, **AXIS, beam_energy_keV=200)
    assert list(windows) == BATTERY
    for window in windows.values():
        assert window.sides, window
        centre = AXIS["offset_eV"] + AXIS["dispersion_eV"] * (sum(window.peak) - 1) / 2
        assert centre == pytest.approx(window.energy_eV, abs=5)
        width = (window.peak[1] - window.peak[0]) * 5
        assert width == pytest.approx(1.2 * xray.fwhm_eV(window.energy_eV), abs=10)


def test_widths_follow_the_formula():
    assert xray.fwhm_eV(5898.8) == 130
    assert [round(xray.fwhm_eV(energy)) for energy in (525, 2042, 4651, 7478)] == [59, 85, 117, 144]


def test_side_windows_touch_no_line_of_the_specimen():
    present = ["La", "Zr", "O", "Ni", "Mn", "Co", "Al"]
    for window in xray.windows(present, present, **AXIS).values():
        for first, last in window.sides:
            low, high = (AXIS["offset_eV"] + AXIS["dispersion_eV"] * c for c in (first, last - 1))
            for element in present:
                for energies in xray.LINES[element].values():
                    assert not any(low - 10 <= energy <= high + 10 for energy in energies), (window.line, element)


def test_a_beam_that_is_too_weak_gives_the_lower_family():
    assert xray.choose_line("Ni", 20e3, None) == ("K", 7478.2)
    assert xray.choose_line("Ni", 20e3, 5.0) == ("L", 851.5)
    assert xray.choose_line("Ni", 5e3, 200.0) == ("L", 851.5)
    assert xray.choose_line("La", 20e3, 0.5) is None


def test_known_overlaps_are_named():
    windows = xray.windows(BATTERY, BATTERY, **AXIS)
    assert "Pt M" in windows["Zr"].overlaps
    assert "La L" in windows["Mn"].overlaps
    assert "Si K" in windows["Ta"].overlaps
    assert not xray.windows(["La"], ["La", "Zr"], **AXIS)["La"].overlaps


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 3), st.integers(0, 10**6), st.integers(3, 400))
def test_maps_from_a_stream_are_those_of_the_cube(height, width, frames, seed, block):
    """Whatever the blocks it is read in."""
    cube = random(seed, "cube").poisson(0.7, (frames, height * width, 50))
    values = []
    for frame in cube:
        for pixel in frame:
            values += [channel for channel, n in enumerate(pixel) for _ in range(n)] + [65535]
    windows = [(3, 9), (5, 20), (0, 50), (7, 7), (49, 60)]
    events = stream.EventStream(data=(np.array(values, np.uint16)[:, None],) * 2, shape=(height, width), channels=50,
                                offset_eV=0, dispersion_eV=1, max_bytes=10**9)
    old, stream.BLOCK = stream.BLOCK, block
    try:
        maps, notes, counted = events.integrate(windows)
    finally:
        stream.BLOCK = old
    expected = [2 * cube[:, :, first:last].sum(axis=(0, 2)).reshape(height, width) for first, last in windows]
    np.testing.assert_array_equal(maps, expected)
    assert counted == frames
    assert notes == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.integers(1, 30), st.integers(0, 10**6))
def test_counts_that_are_shared_out_are_all_still_there(h, w, new_h, new_w, seed):
    counts = random(seed, "share").poisson(5, (h, w)).astype(np.float32)
    shared = squares.share_out(counts, (new_h, new_w))
    assert shared.shape == (new_h, new_w)
    assert shared.sum() == pytest.approx(counts.sum(), rel=1e-5)
    assert shared.min() >= -1e-6
    assert squares.share_out(shared, (new_h, new_w)) is not counts


def test_interpolation_is_exact_for_planes_inside_and_for_constants():
    plane = np.add.outer(np.arange(8.0), 2 * np.arange(10.0)).astype(np.float32)
    finer = squares.resample(plane, (16, 10))
    np.testing.assert_allclose(finer[1:-1, 3], (np.arange(16) + 0.5)[1:-1] / 2 - 0.5 + 6, atol=1e-5)
    np.testing.assert_array_equal(squares.resample(np.full((1, 1), 7, np.float32), (3, 4)), 7)
    assert squares.square_shape((10, 20), (3e-9, 6e-9)) == (10, 40)
    assert not squares.is_oblong((1.0, 1.0005))
    assert squares.is_oblong((11.8, 12.7))


@pytest.mark.parametrize(("scale", "unit", "expected"), [
    ("5e-9", "m", 5.0), (5, "nm", 5.0), (0.005, "µm", 5.0), (0.005, "\u03bcm", 5.0), (-5, "nm", 5.0), (50, "Å", 5.0),
    (5, b"[n_m]", 5.0), (0, "nm", None), (1, "m", None), (5, "px", None), (5, "", None), (5, None, None),
    (float("nan"), "nm", None), ("x", "nm", None), (5, "1/nm", None), (None, "nm", None), (10**400, "nm", None)])
def test_lengths_as_vendors_write_them(scale, unit, expected):
    found = calibration.pixel_nm(scale, unit)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("name", "key"), [
    ("HAADF", "haadf"), ("haadf", "haadf"), ("BF-S", "bf"), ("BF", "bf"), ("DF4", "df"), ("ETD", "se"),
    ("CBS", "bse"), ("HDBSD", "bse"), ("SE2", "se"), ("InLens", "se"), ("STEM HAADF Image", "haadf"),
    ("HAADF-BF", "image"), ("A se", "image"), ("Ceta", "image"), ("", "image"), (None, "image")])
def test_detectors_have_few_names(name, key):
    assert detectors.key(name) == key


SIGNAL = {"data": np.arange(12.0).reshape(3, 4), "metadata": {
    "General": {"title": "HAADF", "date": "2019-06-11"}, "Sample": {"elements": ["La"]},
    "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}}}, "axes": [
        {"scale": 5.0, "offset": 0.0, "units": "nm", "size": 3, "name": "y"},
        {"scale": 5.0, "offset": 0.0, "units": "nm", "size": 4, "name": "x"}]}


def rosetta(monkeypatch, name, answer):
    """A stand-in for RosettaSciIO."""
    plugin = types.ModuleType(f"rsciio.{name}")
    plugin.file_reader = lambda path: answer
    monkeypatch.setitem(sys.modules, "rsciio", types.ModuleType("rsciio"))
    monkeypatch.setitem(sys.modules, f"rsciio.{name}", plugin)


def test_other_formats_are_read_where_rosettasciio_is_installed(tmp_path, monkeypatch):
    (tmp_path / "a.bcf").write_bytes(b"AAMVHFSS" + bytes(100))
    la = random(0, "la").poisson(4, (3, 4))
    cube = np.zeros((3, 4, 1024), np.uint8)
    cube[:, :, 485] = la
    spectra = {"data": cube, "metadata": {"General": {"title": "EDX"}, "Signal": {"signal_type": "EDS_TEM"}}, "axes": [
        *SIGNAL["axes"], {"scale": 0.01, "offset": -0.2, "units": "keV", "size": 1024, "name": "Energy"}]}
    rosetta(monkeypatch, "bruker", [spectra, SIGNAL])
    m = read(tmp_path / "a.bcf")
    np.testing.assert_array_equal(m.images["haadf"], SIGNAL["data"])
    np.testing.assert_array_equal(m.eds["La"], la)
    assert m.pixel_size_nm == 5.0
    assert m.metadata["beam_energy_keV"] == 200


@pytest.mark.parametrize("suffix", [".bcf", ".pts", ".rpl", ".blo", ".emi"])
def test_without_rosettasciio_the_remedy_is_its_installation(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    begin = {".bcf": b"AAMVHFSS", ".blo": b"IMGBLO"}.get(suffix, b"")
    (tmp_path / f"a{suffix}").write_bytes(begin + b"\1\2\3\4" * 30)
    with pytest.raises(InputError, match=r"pip install 'ssbray\[formats\]'") as error:
        read(tmp_path / f"a{suffix}")
    assert "\n" not in str(error.value)


def test_importing_the_reader_loads_no_vendor_library():
    import subprocess

    code = ("import sys, ssbray.microscope.read, ssbray.microscope.write; print([name for name in "
            "('h5py', 'zarr', 'ncempy', 'mrcfile', 'tifffile', 'PIL', 'rsciio') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
