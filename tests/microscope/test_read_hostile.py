"""Files that lie, break off or explode: each ends in one line that says what to do, and in nothing else."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from ssbray.errors import InputError
from ssbray.microscope.read import read, signals
from ssbray.microscope.write import write
from ssbray.rng import stream
from tests.microscope import test_read_stores as stores
from tests.microscope import test_read_tiff as tiff
from tests.microscope import test_read_velox as velox
from tests.microscope import test_read_vendors as vendors

GREY = vendors.values("uint8", (40, 50))


def _png(path):
    Image.fromarray(GREY).save(path)


def _jpeg(path):
    Image.fromarray(GREY).save(path)


def _tiff(path):
    tifffile.imwrite(path, GREY, metadata=None)


def _packed_tiff(path):
    tifffile.imwrite(path, GREY, metadata=None, compression="zlib", tile=(16, 16))


def _hspy(path):
    with h5py.File(path, "w") as file:
        stores.hyperspy(file, stores.values())


KINDS = {
    "tif": _tiff, "packed.tif": _packed_tiff, "fei.tif": lambda path: tiff.tagged(path, tiff.FEI, tiff.fei()),
    "zeiss.tif": lambda path: tiff.tagged(path, tiff.ZEISS, tiff.zeiss()), "png": _png, "jpg": _jpeg, "hspy": _hspy,
    "velox.emd": lambda path: velox.velox(path, [(velox.about(), velox.haadf(2))],
                                          [velox.events([velox.scatter(velox.counts(1), 4651)])], elements=["La"]),
    "ncem.emd": lambda path: stores.ncem(path, {"HAADF": stores.values()}),
    "own.emd": lambda path: write(path, stores.micrograph()),
    "dm3": lambda path: vendors.dm(path, [vendors.DigitalMicrograph(3).image(GREY)]),
    "dm4": lambda path: vendors.dm(path, [vendors.DigitalMicrograph(4).image(GREY)], 4),
    "ser": lambda path: vendors.ser(path, GREY[None]), "mrc": lambda path: vendors.mrc(path, GREY.astype(np.int16))}


def make(folder, kind):
    """A sound file of a kind."""
    path = folder / (f"a.{kind}" if "." not in kind else kind)
    KINDS[kind](path)
    return path


def calibrated(path):
    """Read a file whatever its calibration."""
    return read(path, pixel_size_nm=5.0)


def outcome(path, **how):
    """The micrograph and no message, or none and the message."""
    try:
        return read(path, pixel_size_nm=5.0, **how), ""
    except InputError as error:
        return None, str(error)


def ends_in_one_line(path, capfd, **how):
    """The file is refused by an InputError of one line, and nothing else is said anywhere."""
    with pytest.raises(InputError) as error:
        read(path, **{"pixel_size_nm": 5.0, **how})
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700
    return str(error.value)


@pytest.fixture(autouse=True)
def _no_warning():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(tmp_path, kind, capfd):
    m = calibrated(make(tmp_path, kind))
    assert m.pixel_size_nm == 5.0
    assert signals(make(tmp_path, kind))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_can_be_written_and_comes_back(tmp_path, kind):
    m = calibrated(make(tmp_path, kind))
    write(tmp_path / "again.emd", m)
    stores.same(read(tmp_path / "again.emd"), m)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_is_refused_or_reads_as_it_was(tmp_path, kind, share, capfd):
    """Where only trailing bytes without meaning were lost the values must be those of the whole file."""
    path = make(tmp_path, kind)
    whole = calibrated(path)
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    part, message = outcome(path)
    assert "\n" not in message
    assert len(message) < 700
    if part is not None:
        assert share > 0.3, "read from almost nothing"
        for name, values in whole.images.items():
            np.testing.assert_array_equal(part.images[name], values)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["tif", "png", "dm3", "ser", "mrc", "own.emd", "velox.emd"])
def test_a_file_that_lost_its_last_values_is_refused(tmp_path, kind, capfd):
    path = make(tmp_path, kind)
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])
    ends_in_one_line(path, capfd)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_end_in_one_line_or_in_an_image(tmp_path, kind, seed, capfd):
    path = make(tmp_path, kind)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    draw = stream(seed, "flip", kind)
    head = min(len(content), 2000 if seed % 2 else len(content))
    content[draw.integers(8, head, 12)] = draw.integers(0, 256, 12)
    path.write_bytes(content.tobytes())
    m, message = outcome(path, max_bytes=10**8)
    assert m is None or all(np.isfinite(image).all() for image in m.images.values())
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("magic", [
    b"II*\0", b"MM\0*", b"II+\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\x89HDF\r\n\x1a\n",
    b"\0\0\0\3\0\0\1\0\0\0\0\1",
    b"\0\0\0\4" + bytes(6) + b"\1\0" + b"\0\0\0\1", b"II\x97\x01\x20\x02", b"II\x97\x01\x10\x02"])
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_after_the_right_magic(tmp_path, magic, seed, capfd):
    path = tmp_path / "a.tif"
    path.write_bytes(magic + stream(seed, "noise").bytes(5000))
    ends_in_one_line(path, capfd)
    path.write_bytes(magic + bytes(5000))
    ends_in_one_line(path, capfd)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".emd", ".dm3", ".dm4", ".ser", ".mrc", ".hspy", ".jpg", ".dat",
                                    ""])
@pytest.mark.parametrize("kind", KINDS)
def test_a_renamed_file_is_read_for_what_it_is(tmp_path, kind, suffix):
    path = make(tmp_path, kind)
    expected = calibrated(path)
    renamed = path.rename(tmp_path / f"renamed{suffix}")
    found = calibrated(renamed)
    assert list(found.images) == list(expected.images)
    for name, values in expected.images.items():
        np.testing.assert_array_equal(found.images[name], values)


@pytest.mark.parametrize(("content", "what"), [
    (b"%PDF-1.7 ...", "PDF"), (b"PK\3\4" + bytes(30), "ZIP"), (b"GIF89a" + bytes(30), "GIF"),
    (b"\x93NUMPY" + bytes(99), "numpy"),
    (b"\x1f\x8b\x08" + bytes(30), "gzip"), (b"pixel size 5 nm\n", "plain text"), (bytes(3000), "all zero"),
    (b"\x80\x04\x95" + bytes(20), "pickle"), (b"SQLite format 3\0" + bytes(90), "SQLite")])
@pytest.mark.parametrize("suffix", [".tif", ".emd", ".bcf", ".xyz"])
def test_other_files_are_told_what_they_are(tmp_path, content, what, suffix, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    (tmp_path / f"a{suffix}").write_bytes(content)
    message = ends_in_one_line(tmp_path / f"a{suffix}", capfd)
    assert what in message


def test_no_file_no_bytes_directories_pipes_and_loops(tmp_path, capfd):
    (tmp_path / "empty.tif").touch()
    (tmp_path / "folder.tif").mkdir()
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "loop.tif").symlink_to(tmp_path / "loop.tif")
    (tmp_path / "dangling.tif").symlink_to(tmp_path / "nothing")
    for name, match in (("nothing.tif", "no such file"), ("empty.tif", "empty"), ("folder.tif", "directory"),
                        ("pipe.tif", "pipe"),
                        ("loop.tif", "cannot be opened"), ("dangling.tif", "no such file"),
                        ("x" * 300, "cannot be opened"),
                        ("new\nline.tif", "no such file")):
        assert match in ends_in_one_line(tmp_path / name, capfd)
    assert "file" in ends_in_one_line(tmp_path / "nul\0.tif", capfd)
    assert "path" in ends_in_one_line(None, capfd)


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_bombs_are_refused_before_they_are_opened(tmp_path, capfd):
    side = 60_000
    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) +
                                     _chunk(b"IDAT", zlib.compress(bytes(10**6))) +
                                     _chunk(b"IEND", b""))
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65000, 65000, 1) +
                                     b"\1\x11\0\xff\xd9")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), metadata=None, compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
        for code in (256, 257, 278):
            tif.pages[0].tags[code].overwrite(side)
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/HAADF")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", (side, side), np.float64, chunks=(side, side), compression="gzip")
    with h5py.File(tmp_path / "b.emd", "w") as file:
        velox.text(file, "Version", {"format": "Velox", "version": "1.10"})
        group = file.create_group("Data/Image/0")
        group.create_dataset("Data", (side, side, 1), np.uint16, chunks=(100, 100, 1), compression="gzip")
        group["Metadata"] = velox.json_column(velox.about())
        group = file.create_group("Data/SpectrumStream/0")
        group["Data"] = np.full((50, 1), 65535, np.uint16)
        velox.text(group, "AcquisitionSettings", {"bincount": "4096"})
        group["Metadata"] = velox.json_column(velox.about("SuperXG21"))
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    root.create_array("0", shape=(side, side), chunks=(side, side), dtype="float64")
    root.attrs["multiscales"] = [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}]
    (tmp_path / "a.zarr" / "0" / "0.0").write_bytes(b"x")
    raw = bytearray(vendors.mrc(tmp_path / "a.mrc", GREY.astype(np.int16)).read_bytes())
    raw[:8] = struct.pack("<ii", 2**30, 2**30)
    (tmp_path / "a.mrc").write_bytes(raw)
    raw = bytearray(vendors.ser(tmp_path / "a.ser", GREY[None]).read_bytes())
    (tmp_path / "a.ser").write_bytes(raw.replace(struct.pack("<ii", 50, 40), struct.pack("<ii", 2**31 - 1, 2**31 - 1)))
    for name in ("a.png", "a.jpg", "a.tif", "a.emd", "b.emd", "a.zarr", "a.mrc", "a.ser"):
        message = ends_in_one_line(tmp_path / name, capfd)
        assert "max_bytes" in message or "truncated" in message, message


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_is_the_callers(tmp_path, kind, capfd):
    assert "max_bytes" in ends_in_one_line(make(tmp_path, kind), capfd, max_bytes=100)


def test_nothing_reaches_a_terminal(tmp_path):
    """In a process of its own: a test runner catches log lines and warnings before they are seen."""
    writer = vendors.DigitalMicrograph(3)
    many = [writer.group("Many", [writer.scalar(f"n{number}", 1.0) for number in range(300)])]
    vendors.dm(tmp_path / "sound.dm3", [writer.image(GREY, tags=many)])  # ncempy counts tags in eight bits
    frames = np.stack([GREY, GREY])
    tifffile.imwrite(tmp_path / "cut.tif", frames, imagej=True, metadata={"unit": "nm"}, resolution=(1, 1))
    content = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[:-GREY.nbytes - 10])
    for kind in KINDS:
        path = make(tmp_path, kind)
        path.write_bytes(path.read_bytes()[:-40])
    code = ("import pathlib, sys\nfrom ssbray.errors import InputError\nfrom ssbray.microscope.read import read, "
            "signals\n"
            "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
            "    for call in (lambda: read(path, pixel_size_nm=5.0), lambda: signals(path)):\n"
            "        try: call()\n        except InputError: print('refused', path.name)\n")
    done = subprocess.run([sys.executable, "-W", "always", "-c", code, tmp_path], capture_output=True, text=True,
                          check=True)
    assert done.stderr == ""
    assert "refused sound.dm3" not in done.stdout
    assert "refused cut.tif" in done.stdout


def test_hdf5_with_a_block_of_its_own_before_it_is_hdf5(tmp_path):
    path = make(tmp_path, "ncem.emd")
    with h5py.File(path) as old, h5py.File(tmp_path / "b.dat", "w", userblock_size=2048) as new:
        old.copy("data", new)
    assert list(calibrated(tmp_path / "b.dat").images) == ["haadf"]


def test_ome_xml_leads_to_no_other_file(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "other.ome.tif", 255 - GREY, ome=True)
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, ome=True)
    text = ('<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint8" SizeX="50" SizeY="40" SizeZ="1" SizeC="1" SizeT="1"><TiffData IFD="0" '
            'PlaneCount="1"><UUID FileName="other.ome.tif">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>')
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, description=text, metadata=None)
    m, _ = outcome(tmp_path / "a.ome.tif")
    assert m is None or np.array_equal(m.images["image"], GREY)
    assert capfd.readouterr() == ("", "")


def test_hdf5_that_turns_in_circles_or_has_no_values(tmp_path, capfd):
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file.create_group("a/b")
        file["a/b/c"] = file["a"]
        file["a/soft"] = h5py.SoftLink("/a/soft")
    assert "layout not known" in ends_in_one_line(tmp_path / "a.emd", capfd)
    with h5py.File(tmp_path / "b.emd", "w") as file:
        velox.text(file, "Version", {"version": "11"})
        file.create_group("Data/Image")
    assert "no image" in ends_in_one_line(tmp_path / "b.emd", capfd)
    with h5py.File(tmp_path / "c.emd", "w") as file:
        velox.text(file, "Version", {"version": "11"})
        file["Data/Image/x/Data"] = np.zeros((0, 4, 1), np.uint16)
        file["Data/Image/x/Metadata"] = np.frombuffer(b"no json", np.uint8)[:, None]
    ends_in_one_line(tmp_path / "c.emd", capfd)


@pytest.mark.parametrize("where", ["compressor", "filters"])
def test_a_zarr_never_unpickles(tmp_path, where, capfd):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    stores.ome(tmp_path / "a.zarr", stores.values())
    description = tmp_path / "a.zarr" / "0" / ".zarray"
    content = json.loads(description.read_text()) | {"compressor": None, "filters": None}
    content[where] = {"id": "pickle"} if where == "compressor" else [{"id": "pickle"}]
    description.write_text(json.dumps(content))
    (tmp_path / "a.zarr" / "0" / "0.0").write_bytes(pickle.dumps(Bomb()))
    assert "asks for pickle, which runs code" in ends_in_one_line(tmp_path / "a.zarr", capfd)
    assert not (tmp_path / "executed").exists()


def test_a_zarr_with_links_is_refused(tmp_path, capfd):
    stores.ome(tmp_path / "a.zarr", stores.values())
    (tmp_path / "a.zarr" / "link").symlink_to(tmp_path)
    assert "symbolic link" in ends_in_one_line(tmp_path / "a.zarr", capfd)


def test_tags_that_say_nonsense_leave_the_image_uncalibrated(tmp_path):
    for text in (tiff.fei("nan", "nan"), tiff.fei("0", "0"), tiff.fei("1", "1"), tiff.fei("five", "five"),
                 "[]\r\n=\r\n"):
        with pytest.raises(InputError, match="--pixel-size-nm"):
            read(tiff.tagged(tmp_path / "a.tif", tiff.FEI, text))
