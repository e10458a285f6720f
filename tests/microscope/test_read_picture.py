"""PNG and JPEG with a sidecar: grey values only, and every key of a sidecar known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ssbray.errors import InputError
from ssbray.microscope.read import read, signals
from ssbray.rng import stream

GREY = stream(0, "picture").integers(0, 256, (12, 17)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY, 255 - GREY], axis=2)


def png(path, data=GREY, **how):
    Image.fromarray(data).save(path, **how)
    return path


def refused(path, match, **how):
    with pytest.raises(InputError, match=match) as error:
        read(path, **how)
    assert "\n" not in str(error.value)
    return error.value


def test_eight_and_sixteen_bits_are_kept(tmp_path):
    np.testing.assert_array_equal(read(png(tmp_path / "a.png"), pixel_size_nm=5).images["image"], GREY)
    deep = GREY.astype(np.uint16) * np.uint16(257) - (GREY > 0).astype(np.uint16)
    np.testing.assert_array_equal(read(png(tmp_path / "b.png", deep), pixel_size_nm=5).images["image"], deep)


def test_jpeg_is_read_and_called_lossy(tmp_path):
    flat = np.full((16, 16), 130, np.uint8)
    m = read(png(tmp_path / "a.jpg", flat), pixel_size_nm=5)
    np.testing.assert_array_equal(m.images["image"], 130)
    assert any("lossy" in note for note in m.metadata["notes"])


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_a_sidecar_says_what_the_picture_cannot(tmp_path, suffix):
    png(tmp_path / "a.png")
    content = {"pixel_size_nm": 5.0, "detector": "BSE", "beam_energy_keV": 10, "elements": ["La", "Zr"]}
    (tmp_path / f"a{suffix}").write_text(json.dumps(content))  # JSON is YAML too
    m = read(tmp_path / "a.png")
    assert m.pixel_size_nm == 5.0
    assert list(m.images) == ["bse"]
    assert m.metadata["beam_energy_keV"] == 10
    assert m.metadata["detector"] == "BSE"
    assert f"a{suffix} was read too" in m.metadata["notes"]
    assert signals(tmp_path / "a.png")[0].pixel_size_nm == 5.0


@pytest.mark.parametrize(("content", "match"), [
    ("pixel_size: 5", "did you mean 'pixel_size_nm'"), ("pixel_size_nm: five", "must be a number"),
    ("pixel_size_nm: -5", "positive"), ("pixel_size_nm: .nan", "must be a number"), ("pixel_size_nm: true", "a number"),
    ("- 5", "must be a mapping"), ("pixel_size_nm: [5", "YAML"), ("detector: 5", "must be text"),
    ("", "must be a mapping"),
    ("elements: La", "must be a list"), ("acquisition_date: 2019-06-11", "quotes"),
    ("pixel_size_nm: 1" + "0" * 400, "number"),
    ("a: &a [1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\ndetector: [*c,*c,*c,*c]",
     "unknown key")])
def test_a_sidecar_with_a_mistake_is_refused(tmp_path, content, match):
    png(tmp_path / "a.png")
    (tmp_path / "a.yaml").write_text(content)
    assert len(str(refused(tmp_path / "a.png", match))) < 600


def test_two_sidecars_leave_a_choice(tmp_path):
    png(tmp_path / "a.png")
    for name in ("a.json", "a.yaml"):
        (tmp_path / name).write_text('{"pixel_size_nm": 5}')
    refused(tmp_path / "a.png", "keep one")


def test_without_a_pixel_size_a_picture_is_uncalibrated_whatever_its_dpi(tmp_path):
    refused(png(tmp_path / "a.png", dpi=(300, 300)), "--pixel-size-nm")


def test_grey_in_colours_is_grey_and_colour_is_refused(tmp_path):
    np.testing.assert_array_equal(
        read(png(tmp_path / "a.png", np.stack([GREY] * 3, axis=2)), pixel_size_nm=5).images["image"], GREY)
    opaque = np.stack([GREY, GREY, GREY, np.full_like(GREY, 255)], axis=2)
    np.testing.assert_array_equal(read(png(tmp_path / "a.png", opaque), pixel_size_nm=5).images["image"], GREY)
    refused(png(tmp_path / "a.png", COLOUR), "overlay or annotation", pixel_size_nm=5)
    opaque[3, 3, 3] = 9
    refused(png(tmp_path / "a.png", opaque), "transparent", pixel_size_nm=5)
    refused(png(tmp_path / "b.jpg", COLOUR), "overlay or annotation", pixel_size_nm=5)


def test_palettes(tmp_path):
    indexed = Image.fromarray(GREY // 16).convert("P")
    indexed.putpalette([value for step in range(16) for value in (255 - 16 * step,) * 3])
    indexed.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png", pixel_size_nm=5).images["image"], 255.0 - GREY // 16 * 16)
    indexed.putpalette([value for step in range(16) for value in (255 - 16 * step, 0, 0)])
    indexed.save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "overlay or annotation", pixel_size_nm=5)


def test_one_bit_cmyk_and_animations_are_refused(tmp_path):
    Image.fromarray(GREY > 99).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "1 bit", pixel_size_nm=5)
    Image.fromarray(np.dstack([COLOUR, GREY]), mode="CMYK").save(tmp_path / "a.jpg")
    refused(tmp_path / "a.jpg", "CMYK", pixel_size_nm=5)
    Image.fromarray(GREY).save(tmp_path / "b.png", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    refused(tmp_path / "b.png", "animation", pixel_size_nm=5)


def test_a_large_picture_is_refused_by_the_callers_limit_and_no_other(tmp_path, monkeypatch):
    """Pillow's own limit is one of the web: a montage of a microscope exceeds it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    png(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png", pixel_size_nm=5).images["image"], GREY)
    assert "max_bytes" in str(refused(tmp_path / "a.png", "12", pixel_size_nm=5, max_bytes=1000))


def test_texts_in_a_png_do_no_harm(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("bomb", "x" * 40_000_000, zip=True)
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=texts)
    refused(tmp_path / "a.png", "PNG", pixel_size_nm=5)


def test_real_pictures_need_a_pixel_size(real_data):
    path = min((real_data / "ebc" / "images").glob("*.png"))
    refused(path, "--pixel-size-nm|colour")
    m = read(path, pixel_size_nm=20)
    assert m.images["image"].max() > 10
