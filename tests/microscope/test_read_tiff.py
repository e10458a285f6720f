"""TIFF: calibration from its makers' tags and from nothing else; stacks are never guessed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from ssbray.errors import InputError
from ssbray.microscope.read import read, signals
from ssbray.rng import stream

SHAPE = (12, 17)
FEI, ZEISS = 34682, 34118


def image(dtype=np.uint8, shape=SHAPE, seed=0):
    draw = stream(seed, "tiff").random(shape)
    top = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1.0
    return (draw * top).astype(dtype)


def fei(width="5e-09", height="5e-09", **more):
    """The text that FEI and Thermo Fisher put into a tag of their own."""
    sections = {"User": {"Date": "06/11/2019", "Time": "10:11:12"}, "System": {"SystemType": "Helios"},
                "Beam": {"HV": "5000", "Beam": "EBeam"}, "EBeam": {"HV": "5000"},
                "Scan": {"PixelWidth": width, "PixelHeight": height, "Dwelltime": "3e-06"},
                "Detectors": {"Number": "1", "Name": "TLD"}, "TLD": {"Signal": "BSE"}, **more}
    return "\r\n".join(f"[{name}]\r\n" + "\r\n".join(f"{key}={value}" for key, value in section.items())
                       for name, section in sections.items()) + "\r\n\0"


def zeiss(size="5.000 nm", kilovolts="10.00 kV", metres=5e-9 * 17 / 1024):
    """The text that Zeiss puts into a tag of its own: nameless numbers, then pairs of lines."""
    lines = ["0", "0", "0", f"{metres!r}", "0", "AP_MAG", "Mag = 50.00 K X", "AP_ACTUALKV", f"EHT = {kilovolts}",
             "DP_DETECTOR_TYPE", "Detector = InLens", "AP_DATE", "Date :11 Jun 2019"]
    if size:
        lines += ["AP_IMAGE_PIXEL_SIZE", f"Image Pixel Size = {size}"]
    return "\r\n".join(lines) + "\r\n\0"


def tagged(path, code, text, data=None):
    content = text.encode("cp1252")
    tifffile.imwrite(path, image() if data is None else data, metadata=None,
                     extratags=[(code, 2, len(content), content, True)])
    return path


def refused(path, match, **how):
    with pytest.raises(InputError, match=match) as error:
        read(path, **how)
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_values_are_kept(tmp_path, dtype, order):
    tifffile.imwrite(tmp_path / "a.tif", image(dtype), byteorder=order)
    m = read(tmp_path / "a.tif", pixel_size_nm=5.0)
    np.testing.assert_array_equal(m.images["image"], image(dtype).astype(np.float32))
    assert m.images["image"].dtype == np.float32
    assert len(m.source_sha256) == 64
    assert m.metadata["format"] == "TIFF"


@pytest.mark.parametrize("how", [{"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}, {"rowsperstrip": 3}])
def test_layouts_read_the_same(tmp_path, how):
    tifffile.imwrite(tmp_path / "a.tif", image(np.uint16), metadata=None, **how)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=1).images["image"], image(np.uint16))


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_compressions_of_other_programs_are_read(tmp_path, compression):
    from PIL import Image

    Image.fromarray(image()).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=1).images["image"], image())


def test_fei_gives_its_scale_in_metres(tmp_path):
    m = read(tagged(tmp_path / "a.tif", FEI, fei()))
    assert m.pixel_size_nm == pytest.approx(5.0)
    assert list(m.images) == ["bse"]
    assert m.metadata["beam_energy_keV"] == 5
    assert m.metadata["dwell_us"] == pytest.approx(3)
    assert m.metadata["acquisition_date"] == "06/11/2019 10:11:12"
    assert m.metadata["format"] == "TIFF (FEI)"


def test_the_data_bar_of_fei_is_cut_off(tmp_path):
    text = fei(Image={"ResolutionX": "17", "ResolutionY": "9"}, PrivateFei={"DatabarHeight": "3"})
    m = read(tagged(tmp_path / "a.tif", FEI, text))
    np.testing.assert_array_equal(m.images["bse"], image()[:9])
    assert any("data bar" in note for note in m.metadata["notes"])


def test_oblong_pixels_become_square_and_keep_their_field_of_view(tmp_path):
    data = np.tile(np.arange(20, dtype=np.uint8), (10, 1))
    m = read(tagged(tmp_path / "a.tif", FEI, fei(width="6e-09", height="3e-09"), data))
    assert m.pixel_size_nm == pytest.approx(3.0)
    assert m.shape == (10, 40)
    np.testing.assert_allclose(m.images["bse"][0, 1:-1], np.arange(0.25, 18.9, 0.5), atol=1e-5)
    assert any("made square" in note for note in m.metadata["notes"])


@pytest.mark.parametrize("size", ["5.000 nm", "0.005000 µm", "5000 pm", ""])
def test_zeiss_gives_its_scale_in_any_unit_or_in_metres(tmp_path, size):
    m = read(tagged(tmp_path / "a.tif", ZEISS, zeiss(size)))
    assert m.pixel_size_nm == pytest.approx(5.0)
    assert list(m.images) == ["se"]
    assert m.metadata["beam_energy_keV"] == 10
    assert m.metadata["detector"] == "InLens"


def test_the_nameless_scale_of_zeiss_is_that_of_a_display_and_more_precise(tmp_path):
    m = read(tagged(tmp_path / "a.tif", ZEISS, zeiss("5.0 nm", metres=5.0321e-9 * 17 / 1024)))
    assert m.pixel_size_nm == pytest.approx(5.0321)
    m = read(tagged(tmp_path / "a.tif", ZEISS, zeiss("5.0 nm", metres=5.0e-9)))  # something else stands there
    assert m.pixel_size_nm == pytest.approx(5.0)


def test_zeiss_writes_its_magnification_as_text(tmp_path):
    assert "50.00 K X" in read(tagged(tmp_path / "a.tif", ZEISS, zeiss())).metadata["magnification"]


@pytest.mark.parametrize(("unit", "per_unit"), [("nm", 0.2), ("um", 200.0), (r"\u00B5m", 200.0), ("micron", 200.0),
                                                ("mm", 2e5)])
def test_imagej_gives_a_unit_and_pixels_per_unit(tmp_path, unit, per_unit):
    tifffile.imwrite(tmp_path / "a.tif", image(), imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})
    assert read(tmp_path / "a.tif").pixel_size_nm == pytest.approx(5.0, rel=1e-5)


@pytest.mark.parametrize("unit", ["pixel", "inch", "pixels", ""])
def test_imagej_without_a_length_is_uncalibrated(tmp_path, unit):
    tifffile.imwrite(tmp_path / "a.tif", image(), imagej=True, resolution=(72, 72),
                     metadata={"unit": unit} if unit else {})
    assert refused(tmp_path / "a.tif", "--pixel-size-nm").field == "pixel_size_nm"


def test_ome_gives_micrometres_unless_it_says_otherwise(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", image(), ome=True,
                     metadata={"PhysicalSizeX": 0.005, "PhysicalSizeY": 0.005})
    assert read(tmp_path / "a.ome.tif").pixel_size_nm == pytest.approx(5.0)
    tifffile.imwrite(tmp_path / "b.ome.tif", image(), ome=True, metadata={
        "PhysicalSizeX": 5, "PhysicalSizeY": 5, "PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"})
    assert read(tmp_path / "b.ome.tif").pixel_size_nm == pytest.approx(5.0)


def test_resolution_tags_count_where_their_unit_makes_sense(tmp_path):
    def write(unit, resolution):
        tifffile.imwrite(tmp_path / "a.tif", image(), metadata=None, resolutionunit=unit,
                         resolution=(resolution, resolution))
        return tmp_path / "a.tif"

    assert read(write("CENTIMETER", 2e6)).pixel_size_nm == pytest.approx(5.0)
    refused(write("CENTIMETER", 28.35), "dots per cm are a default .* --pixel-size-nm")
    for resolution in (72, 96, 300, 2e6):
        refused(write("INCH", resolution), "dots per inch are a default .* --pixel-size-nm")
    refused(write("NONE", 2e6), "no pixel size: pass --pixel-size-nm")


def test_the_user_overrules_the_file_and_is_told_so(tmp_path):
    m = read(tagged(tmp_path / "a.tif", FEI, fei()), pixel_size_nm=4.0)
    assert m.pixel_size_nm == 4.0
    assert any("the file says 5 nm" in note for note in m.metadata["notes"])
    refused(tmp_path / "a.tif", "positive", pixel_size_nm=0.0)
    refused(tmp_path / "a.tif", "positive", pixel_size_nm=float("nan"))


def test_a_stack_is_never_guessed(tmp_path):
    frames = np.stack([image(seed=seed) for seed in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack", metadata=None)
    refused(tmp_path / "a.tif", '"page 0", "page 1", "page 2", "mean"', pixel_size_nm=5)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=5, signal="page 1").images["image"], frames[1])
    mean = read(tmp_path / "a.tif", pixel_size_nm=5, signal="mean")
    np.testing.assert_allclose(mean.images["image"], frames.mean(axis=0), rtol=1e-6)
    assert mean.metadata["frames"] == 3
    assert [one.name for one in signals(tmp_path / "a.tif")] == ["page 0", "page 1", "page 2", "mean"]
    refused(tmp_path / "a.tif", "did you mean 'page 1'", pixel_size_nm=5, signal="page1")


def test_a_hyperstack_of_imagej_is_a_stack(tmp_path):
    frames = np.stack([image(np.uint16, seed=seed) for seed in range(4)]).reshape(2, 2, *SHAPE)
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, resolution=(0.2, 0.2),
                     metadata={"axes": "ZCYX", "unit": "nm"})
    refused(tmp_path / "a.tif", "--signal NAME")
    for number in range(4):
        m = read(tmp_path / "a.tif", signal=f"page {number}")
        np.testing.assert_array_equal(m.images["image"], frames.reshape(4, *SHAPE)[number])
    assert m.pixel_size_nm == pytest.approx(5.0)


def test_a_hyperstack_with_one_directory_is_read_page_by_page(tmp_path):
    """ImageJ writes large stacks with a single directory; the description alone tells how many images follow."""
    frames = np.stack([image(np.uint16, seed=seed) for seed in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", frames[0], imagej=True, resolution=(0.2, 0.2), metadata={"unit": "nm"})
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        start = tif.pages[0].dataoffsets[0]
        description = tif.pages[0].tags[270].valueoffset, tif.pages[0].tags[270].count
        order = tif.byteorder
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    text = b"ImageJ=1.11a\nimages=3\nslices=3\nunit=nm\n"
    assert len(text) <= description[1]
    raw[description[0]:description[0] + description[1]] = text.ljust(description[1], b"\0")
    del raw[start + frames[0].nbytes:]
    raw += frames[1:].astype(order + "u2").tobytes()
    (tmp_path / "b.tif").write_bytes(raw)
    for number in range(3):
        np.testing.assert_array_equal(read(tmp_path / "b.tif", signal=f"page {number}").images["image"], frames[number])
    (tmp_path / "c.tif").write_bytes(raw[:-10])
    refused(tmp_path / "c.tif", "truncated")


def test_pages_of_several_shapes_leave_a_choice(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(image(), metadata=None)
        tif.write(image(shape=(6, 8)), metadata=None)
    refused(tmp_path / "a.tif", '"series 0 image", "series 1 image"', pixel_size_nm=5)
    assert read(tmp_path / "a.tif", pixel_size_nm=5, signal="series 1 image").shape == (6, 8)


def test_a_thumbnail_in_colour_is_no_rival_to_the_image(tmp_path):
    """Olympus puts an RGB thumbnail first."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(image(shape=(6, 8, 3)), photometric="rgb", metadata=None)
        tif.write(image(), metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=5).images["image"], image())


def test_a_reduced_copy_is_no_rival_to_the_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(image(), metadata=None)
        tif.write(image(shape=(6, 8)), subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=5).images["image"], image())


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_grey_in_three_channels_is_grey_and_colour_is_refused(tmp_path, planar):
    grey = np.stack([image()] * 3, axis=0 if planar == "separate" else 2)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="rgb", planarconfig=planar, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=5).images["image"], image())
    grey[(0, 3, 3) if planar == "separate" else (3, 3, 0)] ^= 64
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="rgb", planarconfig=planar, metadata=None)
    refused(tmp_path / "a.tif", "overlay or annotation", pixel_size_nm=5)


def test_a_palette_of_greys_is_read_through_and_one_of_colours_refused(tmp_path):
    ramp = np.arange(255, -1, -1, dtype=np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", image(), photometric="palette", colormap=np.stack([ramp] * 3), metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", pixel_size_nm=5).images["image"], 255.0 - image())
    tifffile.imwrite(tmp_path / "a.tif", image(), photometric="palette", colormap=np.stack([ramp, ramp, ramp // 2]),
                     metadata=None)
    refused(tmp_path / "a.tif", "overlay or annotation", pixel_size_nm=5)


def test_where_white_is_zero_values_are_turned_over(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image(), photometric="miniswhite", metadata=None)
    m = read(tmp_path / "a.tif", pixel_size_nm=5)
    np.testing.assert_array_equal(m.images["image"], 255.0 - image())


def test_one_bit_complex_and_cmyk_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image() > 99, metadata=None)
    refused(tmp_path / "a.tif", "1 bit per pixel", pixel_size_nm=5)
    tifffile.imwrite(tmp_path / "a.tif", image(np.float32).astype(np.complex64), metadata=None)
    refused(tmp_path / "a.tif", "complex", pixel_size_nm=5)
    tifffile.imwrite(tmp_path / "a.tif", image(shape=(*SHAPE, 4)), photometric="separated", metadata=None)
    refused(tmp_path / "a.tif", "CMYK", pixel_size_nm=5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_counted_and_found(tmp_path, wrong):
    data = image(np.float32)
    data[4, 7] = data[9, 2] = wrong
    tifffile.imwrite(tmp_path / "a.tif", data)
    refused(tmp_path / "a.tif", "2 pixels .* row 4, column 7", pixel_size_nm=5)


def test_a_sidecar_calibrates_a_plain_tiff_and_overrules_a_calibrated_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image())
    (tmp_path / "a.json").write_text(json.dumps({"pixel_size_nm": 7, "detector": "HAADF", "beam_energy_keV": 200}))
    m = read(tmp_path / "a.tif")
    assert (m.pixel_size_nm, list(m.images), m.metadata["beam_energy_keV"]) == (7.0, ["haadf"], 200)
    tagged(tmp_path / "b.tif", FEI, fei())
    (tmp_path / "b.yaml").write_text("pixel_size_nm: 7\n")
    m = read(tmp_path / "b.tif")
    assert m.pixel_size_nm == 7.0
    assert any("the former holds" in note for note in m.metadata["notes"])


def test_a_real_sem_image_is_read(real_data):
    path = real_data / "cathode_sem_3phase_427.tif"
    with pytest.raises(InputError):
        read(path)
    m = read(path, pixel_size_nm=10, signal=next((one.name for one in signals(path) if "page" in one.name), None))
    assert min(m.shape) > 100
