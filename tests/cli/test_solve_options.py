"""`ssbray solve`: periodic cells, bounds, interfaces of all kinds, temperature, and the files it writes."""

from __future__ import annotations

import base64
import math
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ssbray.units import BOLTZMANN_EV_PER_K, ZERO_CELSIUS_K

GRAINS = np.repeat([1, 2, 3], 4)[:, None] * np.ones((1, 6), int)
KINDS = {"UInt8": "<u1", "Int32": "<i4", "Float32": "<f4", "Float64": "<f8"}


@pytest.fixture
def stack(tmp_path):
    """Three grains on each other: 12 rows of 10 nm, 1e-3 S/cm."""
    np.save(tmp_path / "l.npy", np.zeros((12, 6), np.uint8))
    np.save(tmp_path / "g.npy", GRAINS)
    return ("solve", tmp_path / "l.npy", "--pixel-size-nm", 10, "--sigma", "0=1e-3", "--grains", tmp_path / "g.npy",
            "--json")


@pytest.fixture
def checkers(tmp_path):
    """Quarters of 1e-3 and 1e-6 S/cm that touch in the middle."""
    labels = np.zeros((16, 16), np.uint8)
    labels[:8, 8:] = labels[8:, :8] = 1
    np.save(tmp_path / "c.npy", labels)
    return "solve", tmp_path / "c.npy", "--pixel-size-nm", 10, "--sigma", "0=1e-3", "--sigma", "1=1e-6"


def fields(path):
    """Read a .vti file back: spacing, cells along x, y, z, and name -> values."""
    root = ElementTree.parse(path).getroot()
    assert [root.get(k) for k in ("type", "header_type", "byte_order")] == ["ImageData", "UInt64", "LittleEndian"]
    image = root[0]
    extent = list(map(int, image.get("WholeExtent").split()))
    assert image[0].get("Extent") == image.get("WholeExtent")
    found = {}
    for array in image.iter("DataArray"):
        raw = base64.b64decode(array.text.strip(), validate=True)
        assert int.from_bytes(raw[:8], "little") == len(raw) - 8
        values = np.frombuffer(raw[8:], KINDS[array.get("type")])
        found[array.get("Name")] = values.reshape(-1, 3) if array.get("NumberOfComponents") == "3" else values
    return image.get("Spacing"), extent[1::2], found


def test_vtk_of_a_section(cli, stack, tmp_path):
    code, out, _ = cli(*stack, "--interface", "0:0=0.1", "--vtk", tmp_path / "f.vti", "--save-fields",
                       tmp_path / "f.npz")
    assert code == 0
    spacing, cells, found = fields(tmp_path / "f.vti")
    assert (spacing, cells) == ("10.0 10.0 10.0", [6, 12, 1])
    assert set(found) == {"labels", "grains", "potential_V", "current_density_A_per_m2", "dissipation_W_per_m3",
                          "bottleneck"}
    assert (found["grains"].reshape(12, 6) == GRAINS).all()
    with np.load(tmp_path / "f.npz") as kept:
        assert (found["potential_V"].reshape(12, 6) == kept["potential_V"]).all()
        assert found["bottleneck"].reshape(12, 6) == pytest.approx(kept["bottleneck"], rel=1e-6)
        current = found["current_density_A_per_m2"].reshape(12, 6, 3)
        assert current[..., 1] == pytest.approx(kept["current_density_A_per_m2"][1], rel=1e-6)
    assert (current[..., 2] == 0).all()


def test_vtk_of_a_volume_has_x_fastest(cli, tmp_path):
    labels = np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(np.uint8)
    np.save(tmp_path / "v.npy", labels)
    code, _, _ = cli("solve", tmp_path / "v.npy", "--pixel-size-nm", 2.5, "--sigma", "0=1", "--sigma", "1=2", "--sigma",
                     "2=3", "--axis", "z", "--vtk", tmp_path / "v.vti", "--plot", tmp_path / "v.png")
    assert code == 0
    spacing, cells, found = fields(tmp_path / "v.vti")
    assert (spacing, cells) == ("2.5 2.5 2.5", [5, 4, 3])
    x, y, z = 3, 1, 2
    assert found["labels"][x + 5 * (y + 4 * z)] == labels[z, y, x]
    mean = np.abs(found["current_density_A_per_m2"].mean(axis=0))
    assert mean[2] > 10 * max(mean[:2])


@pytest.mark.parametrize("shape", [(40, 40), (8, 60), (60, 8), (1, 2), (9, 12, 14)])
@pytest.mark.parametrize("percolates", [True, False])
def test_pictures_of_every_shape(cli, tmp_path, shape, percolates):
    labels = np.zeros(shape, np.uint8)
    labels[(slice(None),) * (len(shape) - 2) + (shape[-2] // 2,)] = 1
    np.save(tmp_path / "l.npy", labels)
    code, _, _ = cli("solve", tmp_path / "l.npy", "--pixel-size-nm", 100, "--sigma", "0=1e-3", "--sigma",
                     f"1={int(percolates)}", "--plot", tmp_path / "p.png", "--json")
    assert code == 0
    with Image.open(tmp_path / "p.png") as picture:
        assert min(picture.size) > 500
        assert max(picture.size) < 2500


def test_tensor_and_bounds(cli, checkers):
    code, out, err = cli(*checkers, "--tensor", "--bounds", "--boundary", "periodic", "--json")
    assert (code, err) == (0, "")
    assert out["boundary"] == "periodic"
    assert out["lower_S_per_cm"] < math.sqrt(1e-3 * 1e-6) < out["upper_S_per_cm"] == out["sigma_eff_S_per_cm"]
    assert out["best_S_per_cm"] == pytest.approx(math.sqrt(1e-3 * 1e-6), rel=0.05)
    assert out["gap"] == pytest.approx((out["upper_S_per_cm"] - out["lower_S_per_cm"]) / out["best_S_per_cm"])
    assert np.shape(out["tensor_S_per_cm"]) == (2, 2)
    assert out["tensor_S_per_cm"][1][1] == pytest.approx(out["sigma_eff_S_per_cm"], rel=1e-6)


def test_a_target_gap_gives_the_interval_and_both_readings_of_a_corner(cli, checkers):
    """Between plates the mirrored checkerboard: Keller's geometric mean, where the corner is as drawn."""
    code, out, _ = cli(*checkers, "--target-gap", 0.05, "--corners", "connected", "--json")
    assert code == 0
    assert out["refinement"]["gap"] <= 0.05
    assert out["gap"] == pytest.approx(out["refinement"]["gap"])
    assert out["lower_S_per_cm"] <= math.sqrt(1e-3 * 1e-6) <= out["upper_S_per_cm"]
    assert set(out["corners"]) == {"connected", "separated"}
    assert out["corners"]["separated"]["upper_S_per_cm"] < out["corners"]["connected"]["lower_S_per_cm"]


def test_a_person_reads_the_interval_and_is_warned(cli, checkers, tmp_path):
    code, out, err = cli(*checkers, "--bounds", "--applied-mV", "50")
    assert code == 0
    assert "certified" in out.splitlines()[0]
    assert out.splitlines()[0].startswith("sigma_eff")
    assert "mA/cm2" in out
    assert "hot spot" in out
    lines = err.splitlines()
    assert all(line.startswith("ssbray: warning: ") for line in lines)
    assert ["section" in lines[0], "corner contact" in lines[-1]] == [True, True]


def test_the_applied_voltage_drives_a_current(cli, stack):
    out = cli(*stack, "--interface", "0:0=0.1", "--applied-mV", "50")[1]
    assert out["current_density_mA_per_cm2"] == pytest.approx(50 / out["asr_ohm_cm2"], rel=1e-12)


def test_one_grain_boundary_of_its_own(cli, stack):
    out = cli(*stack, "--interface", "0:0=0.1", "--grain-interface", "3:2=0.7")[1]
    assert out["asr_ohm_cm2"] == pytest.approx(1.2e-5 / 1e-3 + 0.1 + 0.7, rel=1e-8)


@pytest.mark.parametrize("entry", ["1:1=5", "0:1=5", "1:9=5", "1=5", "1:2=-1", "a:b=1", "1:2:3=4"])
def test_grain_pairs_that_are_none(cli, stack, entry):
    code, _, err = cli(*stack, "--grain-interface", entry)
    assert code == 2
    assert err.startswith("ssbray: --grain-interface")
    assert err.count("\n") == 1


def test_the_same_grain_pair_twice(cli, stack):
    assert cli(*stack, "--grain-interface", "1:2=1", "--grain-interface", "2:1=1")[0] == 2


def test_a_map_of_single_faces(cli, stack, tmp_path):
    """Every face of one plane within the first grain, and one plane of the given boundaries set to nothing."""
    resistance = np.full((11, 6), np.nan)
    resistance[1] = 0.3
    resistance[3] = 0.0
    np.savez(tmp_path / "m.npz", y=resistance)
    out = cli(*stack, "--interface", "0:0=0.1", "--interface-map", tmp_path / "m.npz")[1]
    assert out["asr_ohm_cm2"] == pytest.approx(1.2e-5 / 1e-3 + 0.3 + 0.1, rel=1e-8)


@pytest.mark.parametrize("arrays", [
    {"y": np.zeros((10, 6))}, {"x": np.zeros((11, 6))}, {"z": np.zeros((11, 6))}, {"y": -np.ones((11, 6))},
    {"y": np.full((11, 6), "a")}, {"R": np.zeros((11, 6))}, {"y": np.full((11, 6), None)},
])
def test_interface_maps_that_do_not_fit(cli, stack, tmp_path, arrays):
    np.savez(tmp_path / "m.npz", **arrays)
    code, _, err = cli(*stack, "--interface-map", tmp_path / "m.npz")
    assert code == 2
    assert err.startswith("ssbray: --interface-map")
    assert err.count("\n") == 1


def test_an_interface_map_that_is_none(cli, stack, tmp_path):
    (tmp_path / "m.npz").write_bytes(b"PK\x03\x04rubbish")
    assert "--interface-map" in cli(*stack, "--interface-map", tmp_path / "m.npz")[2]
    with zipfile.ZipFile(tmp_path / "n.npz", "w") as archive:
        archive.writestr("y.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (11, 6), }")
    code, _, err = cli(*stack, "--interface-map", tmp_path / "n.npz")
    assert code == 2
    assert err.startswith("ssbray: --interface-map")


def test_a_sheet_carries_current_along(cli, stack, tmp_path):
    """Two boundaries along the current, each 2e-9 S, beside 60 nm of 1e-3 S/cm."""
    np.save(tmp_path / "g.npy", np.repeat([1, 2, 3], 2)[None] * np.ones((12, 1), int))
    out = cli(*stack, "--sheet", "0:0=2e-9")[1]
    assert out["sigma_eff_S_per_cm"] == pytest.approx(1e-3 + 2 * 2e-9 / 60e-7, rel=1e-8)
    assert out["sensitivities"]["sheet:0:0"] == pytest.approx(4e-9 / (4e-9 + 60e-10), rel=1e-6)


def npj(temperature_C):
    """Conductivities at 25 C whose sigma T follows the published D0 and Ea, up to a factor, and where they meet.

    npj Comput. Mater. 2021, s41524-021-00681-8, figure 1: grain 3.72e-4 cm2/s and 0.28 eV, boundary
    10 cm2/s and 0.52 eV, which meet at 273.07 K.
    """
    def sigma(prefactor, energy):
        return 1e3 * prefactor * math.exp(-energy / (BOLTZMANN_EV_PER_K * 298.15)) / 298.15
    return ["--sigma", f"0={sigma(3.72e-4, 0.28)!r}", "--sigma", f"1={sigma(10.0, 0.52)!r}", "--activation", "0=0.28",
            "--activation", "1=0.52", f"--temperature-C={temperature_C!r}"]


@pytest.fixture
def polycrystal(tmp_path):
    """Grains (0) with boundaries one or two pixels wide (1)."""
    rng = np.random.default_rng(2)
    centres = rng.random((9, 2)) * 40
    place = np.stack(np.meshgrid(np.arange(40), np.arange(40), indexing="ij"), axis=-1)[..., None, :]
    two = np.sort(np.linalg.norm(place - centres, axis=-1), axis=-1)
    np.save(tmp_path / "p.npy", (two[..., 1] - two[..., 0] < 1.5).astype(np.uint8))
    return "solve", tmp_path / "p.npy", "--pixel-size-nm", 10, "--rtol", 1e-12, "--json"


def test_where_grain_and_boundary_meet_the_microstructure_does_not_matter(cli, polycrystal):
    meet = (0.52 - 0.28) / (BOLTZMANN_EV_PER_K * math.log(10.0 / 3.72e-4))
    assert meet == pytest.approx(273.07, abs=0.01)
    out = cli(*polycrystal, *npj(meet - ZERO_CELSIUS_K))[1]
    bulk = 1e3 * 3.72e-4 * math.exp(-0.28 / (BOLTZMANN_EV_PER_K * meet)) / meet
    assert out["sigma_eff_S_per_cm"] == pytest.approx(bulk, rel=1e-9)
    share = out["dissipation_fraction"]["phase:1"]
    assert out["ea_eff_eV"] == pytest.approx(0.28 + 0.24 * share, rel=1e-9)


@pytest.mark.parametrize("temperature", [-40.0, 60.0])
def test_the_effective_activation_energy_is_the_slope(cli, polycrystal, temperature):
    step = 0.05
    low, here, high = (cli(*polycrystal, *npj(temperature + d))[1] for d in (-step, 0.0, step))
    x, y = [], []
    for out in (low, high):
        kelvin = out["temperature_C"] + ZERO_CELSIUS_K
        x.append(1 / (BOLTZMANN_EV_PER_K * kelvin))
        y.append(math.log(out["sigma_eff_S_per_cm"] * kelvin))
    assert here["ea_eff_eV"] == pytest.approx(-(y[1] - y[0]) / (x[1] - x[0]), rel=1e-5)
    assert here["temperature_C"] == temperature


@pytest.mark.parametrize("kind", ["pair", "grains", "map"])
def test_interfaces_are_activated_too(cli, stack, tmp_path, kind):
    """However a resistance is given, it follows the energy of its pair of labels."""
    np.savez(tmp_path / "m.npz", y=np.where(np.isin(np.arange(11), [3, 7]), 0.1, np.nan)[:, None] * np.ones((1, 6)))
    how = {"pair": ["--interface", "0:0=0.1"], "map": ["--interface-map", tmp_path / "m.npz"],
           "grains": ["--grain-interface", "1:2=0.1", "--grain-interface", "2:3=0.1"]}[kind]
    out = cli(*stack, *how, "--temperature-C", 80, "--activation", "0=0.3", "--activation", "0:0=0.5")[1]
    from ssbray.materials.arrhenius import activation

    grain, boundary = 0.012 / activation(0.3, 353.15), 0.2 / activation(0.5, 353.15)
    assert out["asr_ohm_cm2"] == pytest.approx(grain + boundary, rel=1e-7)
    assert out["ea_eff_eV"] == pytest.approx((0.3 * grain + 0.5 * boundary) / (grain + boundary), rel=1e-5)
    assert not [line for line in out["warnings"] if "activation" in line]


def test_what_has_no_activation_energy_is_left_and_told(cli, stack):
    out = cli(*stack, "--interface", "0:0=0.1", "--temperature-C", 80, "--activation", "0=0.3")[1]
    assert any("interface 0:0" in line and "activation" in line for line in out["warnings"])
    assert out["ea_eff_eV"] is None
    at_25 = cli(*stack, "--interface", "0:0=0.1", "--activation", "0=0.3", "--activation", "0:0=0.4")[1]
    assert (at_25["temperature_C"], at_25["asr_ohm_cm2"]) == (pytest.approx(25), pytest.approx(0.212, rel=1e-8))
    assert 0.3 < at_25["ea_eff_eV"] < 0.4


def test_a_map_that_does_not_conduct_still_answers(cli, stack, tmp_path):
    code, out, _ = cli(*stack, "--interface", "0:0=inf", "--bounds", "--applied-mV", "10", "--temperature-C", 60,
                       "--activation", "0=0.3", "--vtk", tmp_path / "f.vti", "--save-fields", tmp_path / "f.npz")
    assert code == 0
    assert (out["current_density_mA_per_cm2"], out["best_S_per_cm"], out["focusing"]) == (0.0, 0.0, None)
    assert out["where"]["hot_spots"] == []
    assert out["ea_eff_eV"] is None


def test_the_two_potential_model_takes_the_same_map_and_temperature(cli, tmp_path):
    """60 nm of electrolyte (1e-6 S/cm at 25 C), 60 nm of a metal, and charge transfer between them."""
    from ssbray.materials.arrhenius import activation

    np.save(tmp_path / "b.npy", np.repeat(np.array([0, 1], np.uint8), 6)[:, None] * np.ones((1, 4), np.uint8))
    code, out, _ = cli("solve", tmp_path / "b.npy", "--pixel-size-nm", 10, "--sigma", "0=1e-6", "--sigma", "1=1e4",
                       "--model", "two-potential", "--electrode-labels", "1", "--exchange-current-mA-cm2", "0.5",
                       "--kinetics", "linear", "--temperature-C", 60, "--activation", "0=0.3", "--json")
    assert (code, out["model"], out["temperature_C"]) == (0, "two-potential", 60.0)
    transfer = 8.314462618 * 333.15 / 96485.33212 / 0.5e-3  # RT / (F i0), ohm cm2
    assert out["asr_ohm_cm2"] == pytest.approx(6e-6 / (1e-6 * activation(0.3, 333.15)) + transfer, rel=1e-5)
