from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

KEYS = {"sigma_eff_S_per_cm", "lower_S_per_cm", "upper_S_per_cm", "best_S_per_cm", "tensor_S_per_cm", "asr_ohm_cm2",
        "percolates", "reason", "dissipation_fraction", "dofs", "iterations", "seconds", "warnings", "boundary", "gap",
        "corners", "refinement", "where", "sensitivities", "focusing", "temperature_C", "ea_eff_eV",
        "current_density_mA_per_cm2", "model"}
BILAYER = np.repeat(np.array([0, 3], np.uint8), 10)[:, None] * np.ones((1, 8), np.uint8)


def png(width, height):
    """A header that promises more than there is."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))


def tiff(width, height):
    """The same as TIFF: one strip of eight bits per pixel."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, height),
            (279, 4, 16)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 24) + b"\0" * 16 + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def write(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array)
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.tiff", "a.png"])
def test_a_bilayer_with_interface_resistance(cli, tmp_path, name):
    """100 nm of 1e-3 S/cm, 100 nm of 1e-7 S/cm, 50 ohm cm2 between."""
    path = write(tmp_path / name, BILAYER)
    code, out, err = cli("solve", path, "--pixel-size-nm", 10, "--sigma", "0=1e-3", "--sigma", "3=1e-7",
                         "--interface", "3:0=50", "--json")
    expected = 1e-5 / 1e-3 + 1e-5 / 1e-7 + 50
    assert code == 0
    assert set(out) >= KEYS
    assert set(out["seconds"]) == {"mesh", "assemble", "setup", "solve", "total"}
    assert out["asr_ohm_cm2"] == pytest.approx(expected, rel=1e-8)
    assert out["sigma_eff_S_per_cm"] == pytest.approx(2e-5 / expected, rel=1e-8)
    assert out["dissipation_fraction"]["interface:0:3"] == pytest.approx(50 / expected, rel=1e-6)
    assert out["dissipation_fraction"]["phase:3"] == pytest.approx(100 / expected, rel=1e-6)
    assert out["sensitivities"]["interface:0:3"] == -out["dissipation_fraction"]["interface:0:3"]
    assert out["sensitivities"]["sigma:3"] == out["dissipation_fraction"]["phase:3"]
    assert (out["model"], out["boundary"], out["where"]["grains"]) == ("single-potential", "dirichlet", None)
    for name in ("tensor_S_per_cm", "lower_S_per_cm", "upper_S_per_cm", "best_S_per_cm", "gap", "corners",
                 "temperature_C", "ea_eff_eV", "current_density_mA_per_cm2"):
        assert out[name] is None, name
    assert [line.split(":")[0] for line in out["warnings"]] == ["a section is not the volume"]
    assert err == ""


def test_grains_fields_and_picture(cli, tmp_path):
    labels = write(tmp_path / "l.npy", np.zeros((12, 6), np.uint8))
    grains = write(tmp_path / "g.npy", np.repeat([1, 2, 3], 4)[:, None] * np.ones((1, 6), int))
    code, out, _ = cli("solve", labels, "--pixel-size-nm", 10, "--sigma", "0=1e-3", "--grains", grains, "--interface",
                       "0:0=0.1", "--save-fields", tmp_path / "f.npz", "--plot", tmp_path / "f.png", "--json")
    assert code == 0
    assert out["asr_ohm_cm2"] == pytest.approx(1.2e-5 / 1e-3 + 0.2, rel=1e-8)
    with np.load(tmp_path / "f.npz") as fields:
        assert fields["potential_V"].shape == (12, 6)
        drop = fields["potential_V"][0, 0] - fields["potential_V"][-1, 0]
        assert 0.9 < drop < 1.0
        assert fields["current_density_A_per_m2"][1].mean() == pytest.approx(1e4 / out["asr_ohm_cm2"], rel=1e-6)
        assert fields["bottleneck"].mean() == pytest.approx(1, abs=1e-6)
        assert fields["face_loss_across"].sum() == pytest.approx(0.2 / out["asr_ohm_cm2"], rel=1e-4)
        assert set(fields["face_axis"]) == {0}
        assert fields["grain"].tolist() == [1, 2, 3]
        assert fields["grain_loss"].sum() == pytest.approx(1, abs=1e-6)
        assert fields["region_loss"].sum() + fields["boundary_loss"].sum() == pytest.approx(1, abs=1e-6)
        assert fields["region"].shape == (12, 6)
    assert out["where"]["grains"] == pytest.approx(dict(zip("123", fields_of_three(), strict=True)), rel=1e-4)
    assert np.asarray(Image.open(tmp_path / "f.png")).std() > 10


def fields_of_three():
    """Three grains of 0.004 ohm cm2, two boundaries of 0.1 between: the middle one has half of both."""
    return [(0.004 + 0.05) / 0.212, (0.004 + 0.1) / 0.212, (0.004 + 0.05) / 0.212]


def test_what_does_not_percolate_says_why_and_is_zero(cli, tmp_path):
    path = write(tmp_path / "a.npy", BILAYER)
    code, out, _ = cli("solve", path, "--pixel-size-nm", 1, "--sigma", "0=1", "--sigma", "3=0", "--json")
    assert (code, out["sigma_eff_S_per_cm"], out["percolates"], out["asr_ohm_cm2"]) == (0, 0.0, False, None)
    assert "last plane along y" in out["reason"]


@pytest.mark.parametrize(("content", "options", "field"), [
    (None, [], "LABELS"),
    (BILAYER.astype(float), [], "LABELS"),
    (BILAYER[:0], [], "LABELS"),
    (BILAYER[0], [], "LABELS"),
    (BILAYER.astype(int) + 300, [], "LABELS"),
    (BILAYER, ["--pixel-size-nm", "0"], "--pixel-size-nm"),
    (BILAYER, ["--pixel-size-nm", "nan"], "--pixel-size-nm"),
    (BILAYER, ["--pixel-size-nm", "1e300"], "--pixel-size-nm"),
    (BILAYER, ["--pixel-size-nm", "1e-310"], "--pixel-size-nm"),
    (np.zeros((1, 1), np.uint8), [], "LABELS"),
    (BILAYER, ["--plot", "."], "--plot"),
    (BILAYER, ["--applied-mV", "1,abc"], "--applied-mV"),
    (BILAYER, ["--applied-mV", "1,10"], "--applied-mV"),
    (BILAYER, ["--sigma", "3=1e-20"], "sigma"),
    (BILAYER, ["--sigma", "x=1"], "--sigma"),
    (BILAYER, ["--sigma", "0"], "--sigma"),
    (BILAYER, ["--sigma", "0=1"], "--sigma"),
    (BILAYER, ["--sigma", "1=1"], None),
    (BILAYER, ["--sigma", "1=nan"], "--sigma"),
    (BILAYER, ["--interface", "0=1"], "--interface"),
    (BILAYER, ["--interface", "0:7=1"], "--interface"),
    (BILAYER, ["--interface", "0:3=-1"], "--interface"),
    (BILAYER, ["--sigma", "3=-1"], "--sigma"),
    (BILAYER, ["--sigma", "3=1e308"], "--sigma"),
    (BILAYER, ["--sigma", "00=1"], "--sigma"),
    (BILAYER, ["--interface", "0:0=1"], "interface"),
    (BILAYER, ["--interface", "0:3=1", "--interface", "3:0=1"], "--interface"),
    (BILAYER, ["--axis", "z"], "axis"),
    (BILAYER, ["--axis", "q"], "--axis"),
    (BILAYER, ["--rtol", "0"], "rtol"),
    (BILAYER, ["--plot", "a.jpg"], "--plot"),
    (BILAYER, ["--save-fields", "nowhere/f.npz"], "--save-fields"),
    (BILAYER, ["--grains", "nowhere.npy"], "--grains"),
    (BILAYER, ["--vtk", "f.vtk"], "--vtk"),
    (BILAYER, ["--boundary", "open"], "--boundary"),
    (BILAYER, ["--target-gap", "0"], "--target-gap"),
    (BILAYER, ["--target-gap", "1"], "--target-gap"),
    (BILAYER, ["--target-gap", "nan"], "--target-gap"),
    (BILAYER, ["--corners", "both"], "--corners"),
    (BILAYER, ["--corners", "separated"], "--corners"),
    (BILAYER, ["--model", "three-potential"], "--model"),
    (BILAYER, ["--model", "two-potential", "--tensor"], "--tensor"),
    (BILAYER, ["--model", "two-potential", "--vtk", "f.vti"], "--vtk"),
    (BILAYER, ["--model", "two-potential"], "--electrode-labels"),
    (BILAYER, ["--electrode-labels", "3"], "--electrode-labels"),
    (BILAYER, ["--exchange-current-mA-cm2", "0.5"], "--exchange-current-mA-cm2"),
    (BILAYER, ["--kinetics", "linear"], "--kinetics"),
    (BILAYER, ["--applied-mV", "much"], "--applied-mV"),
    (BILAYER, ["--applied-mV", "nan"], "--applied-mV"),
    (BILAYER, ["--grain-interface", "1:2=5"], "--grain-interface"),
    (BILAYER, ["--sheet", "0:3=inf"], "--sheet"),
    (BILAYER, ["--sheet", "0:3=nan"], "--sheet"),
    (BILAYER, ["--sheet", "0:3=-1"], "--sheet"),
    (BILAYER, ["--sheet", "0=1"], "--sheet"),
    (BILAYER, ["--sheet", "0:7=1"], "--sheet"),
    (BILAYER, ["--sheet", "0:0=1"], "--sheet"),
    (BILAYER, ["--sheet", "0:3=1", "--sheet", "3:0=1"], "--sheet"),
    (BILAYER, ["--interface-map", "nowhere.npz"], "--interface-map"),
    (BILAYER, ["--temperature-C", "-200"], "--temperature-C"),
    (BILAYER, ["--temperature-C", "nan"], "--temperature-C"),
    (BILAYER, ["--activation", "0=-0.1"], "--activation"),
    (BILAYER, ["--activation", "0=nan"], "--activation"),
    (BILAYER, ["--activation", "0=28"], "--activation"),
    (BILAYER, ["--activation", "0=0.3", "--activation", "00=0.3"], "--activation"),
    (BILAYER, ["--activation", "5=0.3"], "--activation"),
    (BILAYER, ["--activation", "0:3=0.3"], "--activation"),
    (BILAYER, ["--activation", "LLZO=0.3"], "--activation"),
])
def test_bad_input_is_one_line_and_exit_code_2(cli, tmp_path, content, options, field):
    path = tmp_path / "a.npy"
    if content is not None:
        np.save(path, content)
    code, out, err = cli("solve", path, "--pixel-size-nm", 10, "--sigma", "0=1e-3", "--sigma", "3=1e-7", *options)
    if field is None:  # a conductivity for a label that is not there is told, not refused
        assert code == 0
        assert "no such label" in err
        return
    assert code == 2
    assert field in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize(("name", "content"), [
    ("a.tif", b"II*\x00garbage"), ("a.png", b"\x89PNG\r\n\x1a\n"), ("a.npy", b"\x93NUMPY\x01\x00"), ("a.npy", b""),
    ("a.tif", b""), ("a.jpg", b"\xff\xd8"), ("a", b"x"), ("a.png", b"GIF89a"),
    ("a.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (900000, 900000), }".ljust(127)
     + b"\n"),
    ("a.png", png(60000, 60000)), ("a.png", png(30000, 30000)), ("a.tif", tiff(100000, 100000)),
])
def test_files_that_are_not_what_they_say(cli, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    code, _, err = cli("solve", tmp_path / name, "--pixel-size-nm", 10, "--sigma", "0=1")
    assert code == 2
    assert err.startswith("ssbray: LABELS")
    assert err.count("\n") == 1


def test_a_pickle_is_not_opened(cli, tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    code, _, err = cli("solve", tmp_path / "a.npy", "--pixel-size-nm", 10, "--sigma", "0=1")
    assert code == 2
    assert "LABELS" in err


@pytest.mark.slow
def test_a_real_electrode(cli, real_data, tmp_path):
    """128 cubed of an NMC cathode from X-ray tomography: the pore phase alone, and all three phases."""
    volume = tifffile.imread(real_data / "nmc_electrode_256.tiff")[:128, :128, :128]
    path = write(tmp_path / "cathode.tif", volume)
    pore = cli("solve", path, "--pixel-size-nm", 398, "--axis", "z", "--sigma", "0=1", "--sigma", "85=0", "--sigma",
               "170=0", "--json")[1]
    share = (volume == 0).mean()
    assert pore["percolates"]
    assert 0.1 * share < pore["sigma_eff_S_per_cm"] < share  # below the parallel bound
    every = cli("solve", path, "--pixel-size-nm", 398, "--axis", "z", "--sigma", "0=1", "--sigma", "85=1e-3", "--sigma",
                "170=0.1", "--json")[1]
    assert every["sigma_eff_S_per_cm"] > pore["sigma_eff_S_per_cm"]
    assert sum(every["dissipation_fraction"].values()) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("axis", "conducting"), [("x", [0]), ("y", [])])
def test_a_real_micrograph_hardly_percolates(cli, real_data, axis, conducting):
    """In a section of a percolating composite a single phase seldom spans the image, and then it is zero."""
    for label in (0, 1, 2):
        _, out, _ = cli("solve", real_data / "cathode_sem_3phase_427.tif", "--pixel-size-nm", 100, "--axis", axis,
                        *[f"--sigma={k}={int(k == label)}" for k in (0, 1, 2)], "--json")
        assert out["percolates"] == (label in conducting)
        assert (out["sigma_eff_S_per_cm"] == 0) == (label not in conducting)
