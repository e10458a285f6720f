"""NCEM EMD, HSPY, ZSPY and OME-Zarr; and micrographs that come back from disk exactly."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr

from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.microscope.read import read, signals
from ssbray.microscope.write import write
from ssbray.rng import stream

SHAPE = (12, 17)


def values(shape=SHAPE, seed=0):
    return stream(seed, "stores").normal(100, 20, shape).astype(np.float32)


def refused(path, match, **how):
    with pytest.raises(InputError, match=match) as error:
        read(path, **how)
    assert "\n" not in str(error.value)


def ncem(path, signals_, step=5.0, unit="[n_m]"):
    """Write groups of name -> array, with coordinates."""
    with h5py.File(path, "w") as file:
        for name, data in signals_.items():
            group = file.create_group(f"data/{name}")
            group.attrs["emd_group_type"] = 1
            group["data"] = data
            for axis, length in enumerate(data.shape):
                group[f"dim{axis + 1}"] = np.arange(length) * step + 3.0
                group[f"dim{axis + 1}"].attrs["units"] = unit
    return path


def hyperspy(root, data, *, units="nm", scale=5.0, signal_type="", title="HAADF", energy=None, elements=(), name="a"):
    """Write one signal of HyperSpy's into an HDF5 file or a Zarr group."""
    group = root.create_group(f"Experiments/{name}")
    if isinstance(root, h5py.File):
        group["data"] = data
    else:
        group.create_array("data", data=data, chunks=data.shape)
    for axis in range(data.ndim):
        about = group.create_group(f"axis-{axis}").attrs
        last = energy and axis == data.ndim - 1
        content = {"scale": energy[1] if last else scale, "offset": energy[0] if last else 0.0,
                   "size": data.shape[axis],
                   "units": "keV" if last else units, "name": "Energy" if last else "yx"[axis % 2],
                   "navigate": not last}
        about.update(content)
    metadata = group.create_group("metadata")
    metadata.create_group("General").attrs["title"] = title
    metadata.create_group("Signal").attrs["signal_type"] = signal_type
    metadata.create_group("Acquisition_instrument/TEM").attrs["beam_energy"] = 200.0
    sample = metadata.create_group("Sample")
    if elements and isinstance(root, h5py.File):
        sample.create_dataset("_list_elements", data=list(elements), dtype=h5py.string_dtype())
    elif elements:
        sample.attrs["elements"] = list(elements)


def ome(path, data, *, axes="yx", unit="nanometer", scale=5.0, version="0.4", channels=(), chunks=None):
    root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    root.create_array("0", data=data, chunks=chunks or data.shape)
    kinds = {"y": "space", "x": "space", "z": "space", "c": "channel", "t": "time"}
    content = {"multiscales": [{
        "axes": [{"name": name, "type": kinds[name], **({"unit": unit} if kinds[name] == "space" and unit else {})}
                 for name in axes],
        "datasets": [{"path": "0", "coordinateTransformations": [
            {"type": "scale", "scale": [scale if kinds[name] == "space" else 1.0 for name in axes]}]}],
        "name": "cell 7"}]}
    if channels:
        content["omero"] = {"channels": [{"label": label} for label in channels]}
    root.attrs.update(content if version == "0.4" else {"ome": {"version": version, **content}})
    return path


def micrograph(**change):
    about = {"detector": "HAADF", "beam_energy_keV": 200.0, "notes": ["first", "zweitens: µm"],
             "nested": {"a": [1, None, 2.5]}}
    return Micrograph(**{
        "images": {"haadf": values(), "bf": values(seed=1)}, "pixel_size_nm": 0.1 + 0.2, "metadata": about,
        "eds": {"La": values((6, 9), seed=2), "Zr": values((6, 9), seed=3)}, "source_sha256": "ab" * 32, **change})


def same(a, b):
    for mine, its in ((a.images, b.images), (a.eds, b.eds)):
        assert list(mine) == list(its)
        for name in mine:
            assert mine[name].dtype == its[name].dtype == np.float32
            np.testing.assert_array_equal(mine[name], its[name])
    assert (a.pixel_size_nm, a.eds_are_counts, dict(a.metadata), a.source_sha256) == (
        b.pixel_size_nm, b.eds_are_counts, dict(b.metadata), b.source_sha256)


@pytest.mark.parametrize("change", [
    {}, {"eds": {}}, {"eds_are_counts": False}, {"metadata": {}}, {"source_sha256": ""}, {"pixel_size_nm": 1e-3},
    {"images": {"image 1/2": values(), "..": values(seed=1), "äöü": values(seed=2)}, "eds": {}},
    {"metadata": {"long": "x" * 200_000}}, {"images": {"haadf": values((1, 1))}}],
    ids=["all", "no eds", "no counts", "no metadata", "no source", "small", "odd names", "long", "one pixel"])
def test_what_was_written_comes_back_exactly(tmp_path, change):
    m = micrograph(**change)
    write(tmp_path / "a.emd", m)
    same(read(tmp_path / "a.emd"), m)
    again = (tmp_path / "a.emd").read_bytes()
    write(tmp_path / "a.emd", m)
    assert (tmp_path / "a.emd").read_bytes() == again


def test_what_was_written_is_ncem_emd_for_others(tmp_path):
    from ncempy.io import emd

    write(tmp_path / "a.emd", micrograph())
    found = emd.emdReader(str(tmp_path / "a.emd"))
    np.testing.assert_array_equal(found["data"], values(seed=1))  # the first group by name: bf
    assert found["pixelSize"][0] == pytest.approx(0.3)
    assert set(found["pixelUnit"]) == {"n_m"} or set(found["pixelUnit"]) == {"[n_m]"}
    kinds = {one.name: (one.kind, one.pixel_size_nm) for one in signals(tmp_path / "a.emd")}
    assert kinds["haadf"] == ("image", pytest.approx(0.3))
    assert kinds["eds La"][0] == "eds map"


def test_part_of_what_was_written_can_be_read(tmp_path):
    write(tmp_path / "a.emd", micrograph())
    m = read(tmp_path / "a.emd", signal="bf", eds=["Zr"], pixel_size_nm=7)
    assert (list(m.images), list(m.eds), m.pixel_size_nm) == (["bf"], ["Zr"], 7)
    refused(tmp_path / "a.emd", "no such image", signal="df")
    refused(tmp_path / "a.emd", "no map", eds=["O"])


@pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}])
def test_metadata_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path, metadata):
    with pytest.raises(InputError, match="plain data"):
        write(tmp_path / "a.emd", micrograph(metadata=metadata))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=".emd"):
        write(tmp_path / "a.tif", micrograph())


@pytest.mark.parametrize(("unit", "step"), [("[n_m]", 5.0), ("[u_m]", 0.005), ("nm", 5.0), ("[m]", 5e-9),
                                            ("[A]", 50.0)])
def test_ncem_units(tmp_path, unit, step):
    m = read(ncem(tmp_path / "a.emd", {"HAADF": values()}, step, unit))
    np.testing.assert_array_equal(m.images["haadf"], values())
    assert m.pixel_size_nm == pytest.approx(5.0)


def test_ncem_without_units_of_length(tmp_path):
    refused(ncem(tmp_path / "a.emd", {"HAADF": values()}, 5.0, "[px]"), "--pixel-size-nm")
    refused(ncem(tmp_path / "a.emd", {"HAADF": values()}, 5.0, "[1/n_m]"), "without an image|no image")
    refused(ncem(tmp_path / "b.emd", {"HAADF": values((2, *SHAPE))}), '"HAADF page 0", "HAADF page 1", "HAADF mean"')


def test_hspy_images(tmp_path):
    with h5py.File(tmp_path / "a.hspy", "w") as file:
        hyperspy(file, values())
        hyperspy(file, values(seed=1), title="BF", name="b")
    m = read(tmp_path / "a.hspy")
    np.testing.assert_array_equal(m.images["haadf"], values())
    np.testing.assert_array_equal(m.images["bf"], values(seed=1))
    assert m.pixel_size_nm == pytest.approx(5.0)
    assert m.metadata["beam_energy_keV"] == 200


@pytest.mark.parametrize("unit", ["_None_", "", "px"])
def test_hspy_may_have_no_units(tmp_path, unit):
    with h5py.File(tmp_path / "a.hspy", "w") as file:
        hyperspy(file, values(), units=unit, scale=1.0)
    refused(tmp_path / "a.hspy", "--pixel-size-nm")


def test_hspy_spectra_give_maps_where_an_image_is_beside_them(tmp_path):
    la = stream(0, "la").poisson(4, SHAPE)
    cube = np.zeros((*SHAPE, 1024), np.uint16)
    cube[:, :, round((4.65 + 0.2) / 0.01)] = la
    with h5py.File(tmp_path / "a.hspy", "w") as file:
        hyperspy(file, cube, signal_type="EDS_TEM", title="EDS", energy=(-0.2, 0.01), elements=["La"], name="b")
    refused(tmp_path / "a.hspy", "holds a spectrum image")
    with h5py.File(tmp_path / "a.hspy", "a") as file:
        hyperspy(file, values())
    m = read(tmp_path / "a.hspy")
    np.testing.assert_array_equal(m.eds["La"], la)
    assert m.eds_are_counts


@pytest.mark.parametrize("version", [2, 3])
def test_zspy(tmp_path, version):
    la = stream(0, "la").poisson(4, SHAPE)
    cube = np.zeros((*SHAPE, 1024), np.uint16)
    cube[:, :, round((4.65 + 0.2) / 0.01)] = la
    root = zarr.open_group(tmp_path / "a.zspy", mode="w", zarr_format=version)
    hyperspy(root, values())
    hyperspy(root, cube, signal_type="EDS_TEM", title="EDS", energy=(-0.2, 0.01), elements=["La"], name="b")
    m = read(tmp_path / "a.zspy")
    np.testing.assert_array_equal(m.images["haadf"], values())
    np.testing.assert_array_equal(m.eds["La"], la)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("unit", "scale"), [("nanometer", 5.0), ("micrometer", 0.005), ("angstrom", 50.0)])
def test_ome_zarr(tmp_path, version, unit, scale):
    m = read(ome(tmp_path / "a.zarr", values(), version=version, unit=unit, scale=scale))
    np.testing.assert_array_equal(m.images["image"], values())
    assert m.pixel_size_nm == pytest.approx(5.0)


def test_ome_zarr_channels_are_detectors_and_depths_a_stack(tmp_path):
    data = values((2, *SHAPE))
    m = read(ome(tmp_path / "a.zarr", data, axes="cyx", channels=["HAADF", "BF"]))
    np.testing.assert_array_equal(m.images["haadf"], data[0])
    np.testing.assert_array_equal(m.images["bf"], data[1])
    refused(ome(tmp_path / "b.zarr", data, axes="zyx"), "--signal NAME")
    np.testing.assert_array_equal(read(tmp_path / "b.zarr", signal="cell 7 page 1").images["image"], data[1])
    refused(ome(tmp_path / "c.zarr", values(), unit=None), "--pixel-size-nm")


def test_a_zarr_that_lost_pieces_says_so(tmp_path):
    path = ome(tmp_path / "a.zarr", values(), chunks=(12, 10))
    (path / "0" / "0.0").unlink()
    assert any("1 of 2 pieces are not on disk" in note for note in read(path).metadata["notes"])
    (path / "0" / "0.1").unlink()
    refused(path, "none of its values")


def test_the_hash_of_a_directory_follows_its_content_and_not_its_place(tmp_path):
    first = read(ome(tmp_path / "a.zarr", values())).source_sha256
    assert read(ome(tmp_path / "b.zarr", values())).source_sha256 == first
    assert read(ome(tmp_path / "c.zarr", values(seed=1))).source_sha256 != first


def test_hdf5_of_another_layout_lists_what_is_inside(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/scan/values"] = values()
    refused(tmp_path / "a.h5", r"entry/scan/values \(12, 17\) float32")


def test_hdf5_never_leads_to_another_file(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = values()
    ncem(tmp_path / "a.emd", {"HAADF": values()})
    with h5py.File(tmp_path / "a.emd", "a") as file:
        del file["data/HAADF/data"]
        file["data/HAADF/data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "data")
    refused(tmp_path / "a.emd", "link to another file")
    with h5py.File(tmp_path / "a.emd", "a") as file:
        del file["data/HAADF/data"]
        (tmp_path / "raw").write_bytes(bytes(4 * 12 * 17))
        file["data/HAADF"].create_dataset("data", SHAPE, np.float32, external=[(str(tmp_path / "raw"), 0, 4 * 12 * 17)])
    refused(tmp_path / "a.emd", "in another file")
    with h5py.File(tmp_path / "a.emd", "a") as file:
        del file["data/HAADF/data"]
        layout = h5py.VirtualLayout(SHAPE, np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", SHAPE)
        file["data/HAADF"].create_virtual_dataset("data", layout)
    refused(tmp_path / "a.emd", "in another file")
