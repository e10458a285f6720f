"""Velox EMD: one test for each way in which these files mislead."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from ssbray.errors import InputError
from ssbray.microscope import xray
from ssbray.microscope.read import read, signals
from ssbray.rng import stream

OFFSET, DISPERSION, CHANNELS = -250.0, 5.0, 4096
SHAPE = (6, 9)


def channel(energy_eV):
    """The channel of an energy."""
    return round((energy_eV - OFFSET) / DISPERSION)


def events(frames):
    """Encode frames of (h, w) lists of channels as Velox does: the counts of a pixel, then 65535."""
    values = []
    for frame in frames:
        for pixel in frame:
            values += [*pixel, 65535]
    return np.array(values, dtype=np.uint16)


def scatter(counts, energy_eV):
    """One frame: `counts` (h, w) events at one energy in each pixel."""
    return [[channel(energy_eV)] * int(n) for n in np.ravel(counts)]


def joined(*frames):
    """The events of several lines in the same pixels."""
    return [sum(pixels, []) for pixels in zip(*frames, strict=True)]


def about(detector="HAADF", pixel_m=(2e-9, 2e-9), unit=("m", "m"), **more):
    """Metadata of one image, every value as text, as Velox writes it."""
    return {"BinaryResult": {"Detector": detector, "PixelSize": {"width": str(pixel_m[1]), "height": str(pixel_m[0])},
                             "PixelUnitX": unit[1], "PixelUnitY": unit[0], "Offset": {"x": "0", "y": "0"}},
            "Optics": {"AccelerationVoltage": "300000"}, "Scan": {"DwellTime": "2e-05", "FrameTime": "3"},
            "Instrument": {"InstrumentModel": "Themis"},
            "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1500000000"}},
            "Detectors": {"Detector-0": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector"},
                          "Detector-1": {"DetectorName": "SuperXG21", "Dispersion": str(DISPERSION),
                                         "OffsetEnergy": str(OFFSET)}}, **more}


def json_column(content, frames=1, length=4000):
    """JSON as bytes down one column per frame, padded with zeros."""
    text = json.dumps(content).encode()
    column = np.zeros((length, frames), dtype=np.uint8)
    column[:len(text)] = np.frombuffer(text, dtype=np.uint8)[:, None]
    return column


def text(group, name, content):
    group.create_dataset(name, data=[json.dumps(content)], dtype=h5py.string_dtype())


def velox(path, images, streams=(), *, elements=(), scan=SHAPE, end_frame=None, maps=None, settings=None):
    """Write a file of Velox's layout.

    images : list of (metadata, (H, W) or (H, W, frames)); streams : events of each detector; maps : element -> (H, W).
    """
    with h5py.File(path, "w") as file:
        text(file, "Version", {"format": "Velox", "version": "1.10"})
        for number, (metadata, data) in enumerate(images):
            group = file.create_group(f"Data/Image/{number:032x}")
            data = data if data.ndim == 3 else data[:, :, None]
            group["Data"] = data
            group["Metadata"] = json_column(metadata, data.shape[2])
        for number, (element, data) in enumerate((maps or {}).items()):
            name = f"{number + 100:032x}"
            file[f"Data/Image/{name}/Data"] = data[:, :, None]
            file[f"Data/Image/{name}/Metadata"] = json_column(about(detector=""))
            text(file.require_group("Presentation/Displays/ImageDisplay"), name,
                 {"dataPath": f"/Data/Image/{name}", "display": {"label": element}})
        if end_frame or maps is not None:
            text(file.require_group("Data/SpectrumImage/s"), "SpectrumImageSettings",
                 {"endFramePosition": str(end_frame or 1)})
        for number, values in enumerate(streams):
            group = file.create_group(f"Data/SpectrumStream/{number:032x}")
            group.create_dataset("Data", data=np.asarray(values)[:, None], chunks=True, compression="gzip")
            text(group, "AcquisitionSettings", settings or {
                "bincount": str(CHANNELS), "StreamEncoding": "uint16",
                "RasterScanDefinition": {"Width": str(scan[1]), "Height": str(scan[0])}})
            group["Metadata"] = json_column(about("SuperXG21"))
        if elements:
            numbers = [str(xray.SYMBOLS.index(element) + 1) for element in elements]
            text(file.require_group("Operations/ImageQuantificationOperation"), "q", {"elementSelection": numbers})
    return path


def haadf(frames=1, shape=SHAPE):
    draw = stream(1, "haadf").integers(0, 4000, (*shape, frames))
    return draw.astype(np.uint16)


def counts(seed, mean=3, shape=SHAPE):
    return stream(seed, "counts").poisson(mean, shape)


def test_maps_come_exactly_from_the_event_stream(tmp_path):
    la, zr = counts(1), counts(2)
    frame = joined(scatter(la, 4651), scatter(zr, 2042))
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([frame])], elements=["La", "Zr"])
    m = read(path)
    assert set(m.eds) == {"La", "Zr"}
    np.testing.assert_array_equal(m.eds["La"], la)
    np.testing.assert_array_equal(m.eds["Zr"], zr)
    assert m.eds_are_counts
    np.testing.assert_array_equal(m.images["haadf"], haadf()[:, :, 0])
    assert m.images["haadf"].dtype == np.float32
    assert m.pixel_size_nm == pytest.approx(2.0)
    assert m.metadata["beam_energy_keV"] == 300
    assert m.metadata["dwell_us"] == pytest.approx(20)
    assert m.metadata["elements"] == ["La", "Zr"]
    assert m.metadata["acquisition_date"].startswith("2017-07-14")
    assert m.metadata["file"] == "a.emd"


def test_frames_and_detectors_are_summed(tmp_path):
    parts = [[counts(10 * detector + frame) for frame in range(3)] for detector in range(4)]
    streams = [events([scatter(one, 4651) for one in detector]) for detector in parts]
    m = read(velox(tmp_path / "a.emd", [(about(), haadf(3))], streams, elements=["La"], end_frame=3))
    np.testing.assert_array_equal(m.eds["La"], np.sum(parts, axis=(0, 1)))
    assert m.metadata["eds_frames"] == 3
    assert m.metadata["eds_detectors"] == 4


def test_the_haadf_is_the_mean_of_all_frames_and_not_the_first_alone(tmp_path):
    m = read(velox(tmp_path / "a.emd", [(about(), haadf(5))]))
    np.testing.assert_allclose(m.images["haadf"], haadf(5).mean(axis=2), rtol=1e-6)
    assert m.metadata["frames"] == 5
    assert any("mean of 5 frames" in note for note in m.metadata["notes"])


def test_the_scan_is_as_large_as_its_image_and_not_as_the_header_says(tmp_path):
    la = counts(1)
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([scatter(la, 4651)])], elements=["La"],
                 scan=(128, 128))
    np.testing.assert_array_equal(read(path).eds["La"], la)


def test_frames_beyond_the_operators_last_are_left_out(tmp_path):
    parts = [counts(frame) for frame in range(4)]
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([scatter(one, 4651) for one in parts])],
                 elements=["La"], end_frame=2)
    np.testing.assert_array_equal(read(path).eds["La"], parts[0] + parts[1])


def test_an_acquisition_that_was_stopped_within_a_frame_is_said(tmp_path):
    whole = events([scatter(counts(1), 4651), scatter(counts(2), 4651)])
    cut = whole[:np.flatnonzero(whole == 65535)[SHAPE[0] * SHAPE[1] + 19] + 1]
    m = read(velox(tmp_path / "a.emd", [(about(), haadf())], [cut], elements=["La"]))
    expected = counts(1) + np.where(np.arange(54).reshape(SHAPE) < 20, counts(2), 0)
    np.testing.assert_array_equal(m.eds["La"], expected)
    assert any("ends within frame 2, after 20 of 54 pixels" in note for note in m.metadata["notes"])


def test_a_linear_background_is_subtracted_exactly(tmp_path):
    la = counts(5, shape=(2, 2))
    first = channel(3800)
    slope = [[c for c in range(first, channel(6000)) for _ in range(c - first)]] * 4
    path = velox(tmp_path / "a.emd", [(about(), haadf(shape=(2, 2)))], [events([joined(slope, scatter(la, 4651))])],
                 elements=["La"])
    m = read(path)
    described = m.metadata["eds_windows"]["La"]
    assert len(described["background_keV"]) == 2
    assert described["background_counts"] > 100 * la.sum()
    assert described["gross_counts"] == pytest.approx(described["background_counts"] + la.sum())
    np.testing.assert_allclose(m.eds["La"], la, atol=1e-3)


def test_a_flat_background_leaves_the_counts(tmp_path):
    la = counts(5)
    flat = [list(range(channel(1000), channel(9000)))] * 54
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([joined(flat, scatter(la, 4651))])], elements=["La"])
    np.testing.assert_allclose(read(path).eds["La"], la, atol=1e-4)


def test_lines_of_other_elements_stay_out_of_the_background(tmp_path):
    """La K beta lies where a careless side window of its alpha would be; Co and Ni crowd each other."""
    co, ni = counts(3), counts(4)
    frame = joined(scatter(co, 6930), scatter(co, 7649), scatter(ni, 7478), scatter(ni, 8265))
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([frame])], elements=["Co", "Ni"])
    m = read(path)
    np.testing.assert_allclose(m.eds["Co"], co, atol=1e-4)
    np.testing.assert_allclose(m.eds["Ni"], ni, atol=1e-4)


def test_the_window_of_manganese_says_that_lanthanum_is_in_it(tmp_path):
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([scatter(counts(1), 5899)])], elements=["La", "Mn"])
    assert any(note.startswith("Mn K:") and "La L" in note for note in read(path).metadata["notes"])


def test_elements_can_be_asked_for(tmp_path):
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [events([scatter(counts(1), 524.9)])], elements=["La"])
    assert set(read(path, eds=["O"]).eds) == {"O"}
    assert set(read(path, eds="O, Zr").eds) == {"O", "Zr"}
    assert read(path, eds=[]).eds == {}
    for wrong in (["Xx"], ["Li"]):
        with pytest.raises(InputError) as error:
            read(path, eds=wrong)
        assert error.value.field == "eds"


def test_a_file_that_names_no_elements_says_how_to_name_them(tmp_path):
    m = read(velox(tmp_path / "a.emd", [(about(), haadf())], [events([scatter(counts(1), 4651)])]))
    assert m.eds == {}
    assert any("eds=" in note for note in m.metadata["notes"])


def test_a_pruned_file_has_net_maps_that_are_no_counts(tmp_path):
    net = stream(2, "net").normal(1.5, 1, SHAPE).astype(np.float32)
    m = read(velox(tmp_path / "a.emd", [(about(), haadf())], maps={"La": net}))
    np.testing.assert_array_equal(m.eds["La"], net)
    assert not m.eds_are_counts
    assert list(m.images) == ["haadf"]
    assert any("pruned" in note for note in m.metadata["notes"])


def test_stored_maps_may_be_titled_by_line(tmp_path):
    draw = stream(3, "net").normal(1.5, 1, (3, *SHAPE)).astype(np.float32)
    path = velox(tmp_path / "a.emd", [(about(), haadf())], maps={"La-L": draw[0], "La-M": draw[1], "O": draw[2]})
    with h5py.File(path, "a") as file:  # such images stand behind no detector
        for number in (100, 101, 102):
            del file[f"Data/Image/{number:032x}/Metadata"]
    m = read(path)
    np.testing.assert_array_equal(m.eds["La"], draw[0])
    np.testing.assert_array_equal(m.eds["O"], draw[2])
    assert list(m.images) == ["haadf"]
    assert any("of several maps of La the first was taken" in note for note in m.metadata["notes"])


def test_since_version_11_titles_point_to_maps_by_way_of_a_reference(tmp_path):
    path = velox(tmp_path / "a.emd", [(about(), haadf()), (about(detector=""), haadf() + 1)])
    with h5py.File(path, "a") as file:
        text(file.require_group("Displays/ImageDisplay"), "d", {"id": "La", "data": "/SharedProperties/Reference/r"})
        text(file.require_group("SharedProperties/Reference"), "r", {"dataPath": f"/Data/Image/{1:032x}"})
        chosen = file.require_group("SharedProperties/EDSSpectrumQuantificationSettings")
        text(chosen, "q", {"elementSelection": ["57"]})
    m = read(path)
    assert list(m.images) == ["haadf"]
    np.testing.assert_array_equal(m.eds["La"], m.images["haadf"] + 1)


def test_counts_come_from_the_stream_even_where_net_maps_are_stored(tmp_path):
    la = counts(1)
    m = read(velox(tmp_path / "a.emd", [(about(), haadf())], [events([scatter(la, 4651)])], elements=["La"],
                   maps={"La": np.full(SHAPE, 0.5, np.float32)}))
    np.testing.assert_array_equal(m.eds["La"], la)
    assert m.eds_are_counts


def test_images_are_known_by_detector_and_not_by_place(tmp_path):
    images = [(about("BF"), haadf() + 1), (about("HAADF"), haadf()), (about("DF4"), haadf() + 4),
              (about("DF2"), haadf() + 2)]
    m = read(velox(tmp_path / "a.emd", images))
    assert set(m.images) == {"bf", "haadf", "df4", "df2"}
    assert m.images["bf"][0, 0] == m.images["haadf"][0, 0] + 1
    assert m.images["df4"][0, 0] == m.images["haadf"][0, 0] + 4
    alone = read(tmp_path / "a.emd", signal="bf")
    assert set(alone.images) == {"bf"}


def test_two_images_of_one_detector_leave_a_choice(tmp_path):
    path = velox(tmp_path / "a.emd", [(about(), haadf()), (about(), haadf() + 1)])
    with pytest.raises(InputError, match='"haadf 0", "haadf 1"') as error:
        read(path)
    assert "--signal NAME" in str(error.value)
    assert read(path, signal="haadf 1").images["haadf"][0, 0] == haadf()[0, 0, 0] + 1


def test_maps_do_not_lie_over_an_image_of_another_field_of_view(tmp_path):
    la = counts(1)
    overview = about("BF", pixel_m=(20e-9, 20e-9))
    path = velox(tmp_path / "a.emd", [(overview, haadf(shape=(20, 20))), (about(), haadf())], [events([scatter(la,
                                                                                                               4651)])],
                 elements=["La"])
    with pytest.raises(InputError, match='"bf", "haadf"'):
        read(path)
    np.testing.assert_array_equal(read(path, signal="haadf").eds["La"], la)
    m = read(path, signal="bf")
    assert m.eds == {}
    assert any("field of view" in note for note in m.metadata["notes"])
    with pytest.raises(InputError, match="field of view"):
        read(path, signal="bf", eds=["La"])


def test_a_derived_image_without_a_unit_takes_the_grid_of_the_others(tmp_path):
    derived = about("DCFI", pixel_m=(1, 1), unit=("", ""))
    m = read(velox(tmp_path / "a.emd", [(derived, haadf() + 1), (about(), haadf())]))
    assert set(m.images) == {"image", "haadf"}
    assert m.pixel_size_nm == pytest.approx(2.0)


def test_width_and_height_have_units_of_their_own(tmp_path):
    m = read(velox(tmp_path / "a.emd", [(about(pixel_m=("158.7", "0.1587"), unit=("nm", "um")), haadf())]))
    assert m.pixel_size_nm == pytest.approx(158.7)


def test_an_image_without_a_unit_is_uncalibrated(tmp_path):
    path = velox(tmp_path / "a.emd", [(about(pixel_m=(1, 1), unit=("", "")), haadf())])
    with pytest.raises(InputError, match="--pixel-size-nm"):
        read(path)
    assert read(path, pixel_size_nm=3.0).pixel_size_nm == 3.0


def test_the_detector_may_be_given_by_its_index(tmp_path):
    metadata = about()
    del metadata["BinaryResult"]["Detector"]
    metadata["BinaryResult"]["DetectorIndex"] = "0"
    assert list(read(velox(tmp_path / "a.emd", [(metadata, haadf())])).images) == ["haadf"]


def test_the_detector_may_be_named_by_the_input_that_fed_the_image(tmp_path):
    metadata = about(detector="")
    path = velox(tmp_path / "a.emd", [(metadata, haadf()), (metadata, haadf() + 1)])
    with h5py.File(path, "a") as file:
        for number, name in enumerate(("DF-S", "BF-S")):
            text(file.require_group("Operations/StemInputOperation"), str(number),
                 {"dataPath": f"/Data/Image/{number:032x}", "detector": name})
    m = read(path)
    assert set(m.images) == {"df", "bf"}
    assert m.images["bf"][0, 0] == m.images["df"][0, 0] + 1


def test_counts_on_oblong_pixels_are_shared_out_and_none_is_lost(tmp_path):
    la = counts(1)
    metadata = about(pixel_m=(3e-9, 2e-9))
    m = read(velox(tmp_path / "a.emd", [(metadata, haadf())], [events([scatter(la, 4651)])], elements=["La"]))
    assert m.pixel_size_nm == pytest.approx(2.0)
    assert m.shape == (9, 9)
    assert m.eds["La"].shape == (9, 9)
    assert m.eds["La"].sum() == pytest.approx(la.sum())
    assert not m.eds_are_counts
    assert any("made square" in note for note in m.metadata["notes"])


def test_signals_say_what_is_inside_without_reading_it(tmp_path):
    path = velox(tmp_path / "a.emd", [(about(), haadf(2))], [events([scatter(counts(1), 4651)])], elements=["La"])
    image, spectra = signals(path)
    assert (image.name, image.kind, image.shape, image.detector) == ("haadf", "image", SHAPE, "HAADF")
    assert image.pixel_size_nm == pytest.approx(2.0)
    assert (spectra.name, spectra.kind, spectra.shape) == ("eds", "spectrum image", (*SHAPE, CHANNELS))


@pytest.mark.parametrize("values", [np.zeros(100, np.uint16), np.array([5] * 70000, np.uint16)],
                         ids=["zeros", "counts"])
def test_a_stream_that_never_moves_on_is_damaged(tmp_path, values):
    path = velox(tmp_path / "a.emd", [(about(), haadf())], [values], elements=["La"])
    with pytest.raises(InputError, match="next pixel"):
        read(path)
