"""DM3, DM4, SER and MRC, each written here byte by byte."""

from __future__ import annotations

import struct

import mrcfile
import numpy as np
import pytest

from ssbray.errors import InputError
from ssbray.microscope.read import read, signals
from ssbray.rng import stream

SHAPE = (12, 17)
DM_TYPES = {"int16": 1, "float32": 2, "uint8": 6, "int32": 7, "uint16": 10, "float64": 12}
NATIVE = {"int16": 2, "int32": 3, "uint16": 4, "uint32": 5, "float32": 6, "float64": 7,
          "uint8": 8}  # codes of DM's tags
SER_TYPES = {"uint8": 1, "uint16": 2, "int16": 5, "int32": 6, "float32": 7, "float64": 8}


def values(dtype="uint16", shape=SHAPE, seed=0):
    return (stream(seed, "vendors").random(shape) * 200).astype(dtype)


class DigitalMicrograph:
    """A small writer of Gatan's tag directories, version 3 or 4."""

    def __init__(self, version):
        self.version, self.word = version, ">I" if version == 3 else ">Q"

    def number(self, value):
        return struct.pack(self.word, value)

    def tag(self, name, encoded):
        """One tag that holds data."""
        body = b"%%%%" + encoded
        size = self.number(len(body)) if self.version == 4 else b""
        return b"\x15" + struct.pack(">H", len(name)) + name.encode() + size + body

    def scalar(self, name, value, dtype="float32"):
        return self.tag(name, self.number(1) + self.number(NATIVE[dtype]) + np.array(value, dtype).tobytes())

    def text(self, name, value):
        raw = value.encode("utf-16-le")
        return self.tag(name, self.number(3) + self.number(20) + self.number(4) + self.number(len(raw) // 2) + raw)

    def array(self, name, data):
        return self.tag(name, self.number(3) + self.number(20) + self.number(NATIVE[str(data.dtype)]) +
                        self.number(data.size) + data.tobytes())

    def content(self, tags):
        return b"\1\0" + self.number(len(tags)) + b"".join(tags)

    def group(self, name, tags):
        body = self.content(tags)
        size = self.number(len(body)) if self.version == 4 else b""
        return b"\x14" + struct.pack(">H", len(name)) + name.encode() + size + body

    def image(self, data, scale=5.0, unit="nm", title="HAADF", kind=None, scales=None, tags=(), origin=0.0):
        axes = range(data.ndim)
        calibrations = [self.group("", [self.scalar("Origin", origin), self.scalar("Scale",
                                                                                   (scales or [scale] * 9)[axis]),
                                        self.text("Units", unit if isinstance(unit, str) else unit[axis])])
                        for axis in axes]
        microscope = self.group("Microscope Info", [self.scalar("Voltage", 200e3), self.scalar("Beam Current", 0.0)])
        return self.group("", [
            self.group("ImageData", [
                self.group("Calibrations", [self.group("Dimension", calibrations)]),
                self.array("Data", data),
                self.scalar("DataType", kind or DM_TYPES[str(data.dtype)], "uint32"),
                self.group("Dimensions", [self.scalar("", length, "uint32") for length in data.shape[::-1]])]),
            self.group("ImageTags", [microscope, self.group("DigiScan", [self.scalar("Sample Time", 4.0)]), *tags]),
            self.text("Name", title)])

    def file(self, images, little=1):
        thumbnail = self.image(np.zeros((4, 4), np.int32), kind=23, title="", unit="")
        body = self.content([self.group("ImageList", [thumbnail, *images])])
        return struct.pack(">I", self.version) + self.number(len(body)) + struct.pack(">I", little) + body + bytes(8)


def dm(path, images, version=3):
    path.write_bytes(DigitalMicrograph(version).file(images))
    return path


def ser(path, frames, step=5e-9, wide=True, steps=None, kind=None):
    """Write images (n, H, W) as TIA does: rows from the bottom up, a table of offsets, lengths in metres."""
    offset_type = "<q" if wide else "<i"
    size = struct.calcsize(offset_type)
    head = struct.pack("<HHHiiii", 0x4949, 0x0197, 0x220 if wide else 0x210, 0x4122, 0x4152, len(frames), len(frames))
    dimension = struct.pack("<iddii", len(frames), 0.0, 1.0, 0, 6) + b"Number" + struct.pack("<i", 0)
    table = len(head) + size + 4 + len(dimension)
    head += struct.pack(offset_type, table) + struct.pack("<i", 1) + dimension
    elements = []
    for frame in frames:
        x, y = steps or (step, step)
        elements.append(struct.pack("<ddiddi", 0.0, x, 0, 0.0, y, 0) +
                        struct.pack("<hii", kind or SER_TYPES[str(frame.dtype)], frame.shape[1], frame.shape[0]) +
                        frame[::-1].tobytes())
    start = table + 2 * size * len(frames)
    places = np.cumsum([start] + [len(one) for one in elements])
    tags = [int(places[-1]) + 8 * number for number in range(len(frames))]
    path.write_bytes(head + b"".join(struct.pack(offset_type, int(one)) for one in [*places[:-1], *tags]) +
                     b"".join(elements) + b"".join(struct.pack("<ii", 0x4152, 0) for _ in frames))
    return path


def emi(path, voltage="200000", dwell="1.2e-05"):
    path.write_bytes(b"\x4a\x56 binary \x00\xff<ObjectInfo><Uuid>u</Uuid><AcquireDate>Tue Jun 11 10:11:12 "
                     b"2019</AcquireDate>"
                     b"<ExperimentalConditions><MicroscopeConditions><AcceleratingVoltage>" + voltage.encode() +
                     b"</AcceleratingVoltage></MicroscopeConditions></ExperimentalConditions><AcquireInfo><DwellTime>" +
                     dwell.encode() + b"</DwellTime></AcquireInfo></ObjectInfo>\x00\x01")


def mrc(path, data, edge_A=50.0, **header):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        file.voxel_size = edge_A
        for name, value in header.items():
            file.header[name] = value
    return path


def refused(path, match, **how):
    with pytest.raises(InputError, match=match) as error:
        read(path, **how)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("dtype", sorted(DM_TYPES))
def test_dm_images_are_read(tmp_path, version, dtype):
    writer = DigitalMicrograph(version)
    m = read(dm(tmp_path / f"a.dm{version}", [writer.image(values(dtype))], version))
    np.testing.assert_array_equal(m.images["haadf"], values(dtype).astype(np.float32))
    assert m.pixel_size_nm == pytest.approx(5.0)
    assert m.metadata["beam_energy_keV"] == 200
    assert m.metadata["dwell_us"] == pytest.approx(4)
    assert m.metadata["format"] == f"DM{version}"


def test_a_beam_current_of_zero_in_dm_is_unknown(tmp_path):
    assert not [key for key in read(dm(tmp_path / "a.dm3",
                                       [DigitalMicrograph(3).image(values())])).metadata if "current" in key]


@pytest.mark.parametrize(("unit", "scale"), [("nm", 5.0), ("µm", 0.005), ("um", 0.005), ("Å", 50.0)])
def test_dm_files_differ_in_their_unit(tmp_path, unit, scale):
    m = read(dm(tmp_path / "a.dm3", [DigitalMicrograph(3).image(values(), scale, unit)]))
    assert m.pixel_size_nm == pytest.approx(5.0)


def test_dm_without_a_unit_is_uncalibrated(tmp_path):
    refused(dm(tmp_path / "a.dm3", [DigitalMicrograph(3).image(values(), 1.0, "")]), "--pixel-size-nm")


def test_a_plot_in_a_dm_file_is_no_rival_to_its_image(tmp_path):
    writer = DigitalMicrograph(3)
    plot = writer.image(np.arange(50, dtype=np.float32), title="Plot")
    m = read(dm(tmp_path / "a.dm3", [plot, writer.image(values())]))
    np.testing.assert_array_equal(m.images["haadf"], values())


def test_dm_images_of_two_detectors_come_together(tmp_path):
    writer = DigitalMicrograph(4)
    m = read(dm(tmp_path / "a.dm4", [writer.image(values(), title="BF"), writer.image(values(seed=1))], 4))
    np.testing.assert_array_equal(m.images["bf"], values())
    np.testing.assert_array_equal(m.images["haadf"], values(seed=1))


def test_dm_stacks_leave_a_choice_and_spectra_are_no_images(tmp_path):
    writer = DigitalMicrograph(3)
    stack = values(shape=(3, *SHAPE))
    path = dm(tmp_path / "a.dm3", [writer.image(stack)])
    refused(path, '"HAADF page 0"')
    np.testing.assert_array_equal(read(path, signal="HAADF page 2").images["haadf"], stack[2])
    np.testing.assert_array_equal(read(path, signal="page 1").images["haadf"], stack[1])
    path = dm(tmp_path / "b.dm3", [writer.image(stack, unit=["nm", "nm", "eV"])])
    refused(path, "without an image")
    path = dm(tmp_path / "c.dm3", [writer.image(values(), unit="1/nm")])
    refused(path, "without an image")


@pytest.mark.parametrize("version", [3, 4])
def test_dm_spectra_give_maps_beside_the_image(tmp_path, version):
    writer = DigitalMicrograph(version)
    la = stream(1, "la").poisson(4, SHAPE)
    cube = np.zeros((1024, *SHAPE), np.uint16)
    cube[round((4651 + 200) / 10)] = la
    signal = [writer.group("Meta Data", [writer.text("Signal", "X-ray")])]
    spectra = writer.image(cube, scales=[5.0, 5.0, 0.01], unit=["nm", "nm", "keV"], title="EDS", tags=signal,
                           origin=20.0)
    path = dm(tmp_path / "a.dm4", [spectra, writer.image(values())], version)
    np.testing.assert_array_equal(read(path, eds=["La"]).eds["La"], la)
    assert any("eds=" in note for note in read(path).metadata["notes"])
    path = dm(tmp_path / "b.dm4", [writer.image(cube, unit=["nm", "nm", ""], tags=signal), writer.image(values())],
              version)
    refused(path, "energy axis")


def test_dm_oblong_pixels(tmp_path):
    m = read(dm(tmp_path / "a.dm3", [DigitalMicrograph(3).image(values(), scales=[2.0, 4.0])]))
    assert m.pixel_size_nm == pytest.approx(2.0)
    assert m.shape == (24, 17)


@pytest.mark.parametrize("dtype", sorted(SER_TYPES))
@pytest.mark.parametrize("wide", [False, True])
def test_ser_images_are_read_the_right_way_up(tmp_path, dtype, wide):
    m = read(ser(tmp_path / "a_1.ser", values(dtype)[None], wide=wide))
    np.testing.assert_array_equal(m.images["image"], values(dtype).astype(np.float32))
    assert m.pixel_size_nm == pytest.approx(5.0)
    assert any("names no detector" in note for note in m.metadata["notes"])


def test_the_emi_beside_a_ser_is_read_too(tmp_path):
    emi(tmp_path / "a.emi")
    m = read(ser(tmp_path / "a_1.ser", values()[None]))
    assert m.metadata["beam_energy_keV"] == 200
    assert m.metadata["dwell_us"] == pytest.approx(12)
    assert "2019" in m.metadata["acquisition_date"]


@pytest.mark.parametrize("content", [b"nothing", b"<ObjectInfo><a></ObjectInfo>", b"<ObjectInfo></ObjectInfo>",
                                     b"<ObjectInfo><!DOCTYPE a></ObjectInfo>"])
def test_a_damaged_emi_does_not_keep_the_ser_from_being_read(tmp_path, content):
    (tmp_path / "a.emi").write_bytes(content)
    m = read(ser(tmp_path / "a_1.ser", values()[None]))
    assert any("a.emi" in note for note in m.metadata["notes"])


def test_ser_series_leave_a_choice_and_a_step_of_one_metre_is_no_calibration(tmp_path):
    frames = values(shape=(3, *SHAPE))
    path = ser(tmp_path / "a_1.ser", frames)
    refused(path, '"page 0", "page 1", "page 2", "mean"')
    np.testing.assert_array_equal(read(path, signal="page 1").images["image"], frames[1])
    refused(ser(tmp_path / "b_1.ser", values()[None], step=1.0), "--pixel-size-nm")
    refused(ser(tmp_path / "c_1.ser", values()[None], kind=9), "real numbers")


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "float16"])
def test_mrc_gives_lengths_in_angstrom(tmp_path, dtype):
    data = (values("float32") / 2).astype(dtype)
    m = read(mrc(tmp_path / "a.mrc", data))
    np.testing.assert_array_equal(m.images["image"], data.astype(np.float32))
    assert m.pixel_size_nm == pytest.approx(5.0)


def test_mrc_stacks_complex_values_and_missing_sizes(tmp_path):
    stack = values(shape=(2, *SHAPE)).astype(np.int16)
    path = mrc(tmp_path / "a.mrc", stack)
    refused(path, '"page 0", "page 1", "mean"')
    np.testing.assert_array_equal(read(path, signal="page 1").images["image"], stack[1])
    refused(mrc(tmp_path / "b.mrc", values("float32").astype(np.complex64)), "real numbers")
    refused(mrc(tmp_path / "c.mrc", values("float32"), edge_A=0.0), "--pixel-size-nm")
    assert signals(tmp_path / "c.mrc")[0].pixel_size_nm is None
