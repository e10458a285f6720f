"""One micrograph out of what a file holds: choose, calibrate, make square, check, and say what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import Micrograph
from ssbray.errors import InputError, nearest
from ssbray.microscope import detectors, guard, squares
from ssbray.microscope import eds as element_maps
from ssbray.microscope.signal import CHOOSABLE, EDS_MAP, IMAGE, OTHER, SPECTRUM_IMAGE, Contents, Layer

FIELD_TOLERANCE = 0.05  #: fields of view that differ by less are one: the coarser grid may end within a pixel


def assemble(contents: Contents, file: str, sha256: str, *, pixel_size_nm: float | None, signal: str | None,
             eds: Sequence[str] | None, max_bytes: int) -> Micrograph:
    """Build the micrograph; `read` says what the arguments mean."""
    if contents.whole is not None:
        return _whole(contents.whole(), pixel_size_nm, signal, eds)
    images = _choose(contents, guard.one_line(file), signal)
    first = next((layer for layer in images.values() if layer.scale_nm), next(iter(images.values())))
    scale, notes = _scale(contents, first, pixel_size_nm)
    notes = [*contents.notes, *notes]
    shape = (first.shape[0], first.shape[1])
    oblong = squares.is_oblong(scale)
    square = squares.square_shape(shape, scale) if oblong else shape
    guard.afford("the images", (len(images), *square), np.float64, max_bytes)
    arrays = {}
    for key, layer in images.items():
        values = _checked(layer.load(), layer.name)
        arrays[key] = squares.resample(values, square) if oblong else values
        notes += layer.notes
    if oblong:
        notes.append(f"pixels of {scale[1]:.6g} nm x {scale[0]:.6g} nm (x, y) were made square: images of {shape} were "
                     f"interpolated to {square}")
    maps, counts, about, more = _eds(contents, first, eds)
    if oblong and maps:
        grid = next(iter(maps.values())).shape
        edges = scale[0] * shape[0] / grid[0], scale[1] * shape[1] / grid[1]
        fitted = squares.square_shape((grid[0], grid[1]), edges)
        maps = {element: squares.share_out(values, fitted) for element, values in maps.items()}
        counts = False
        more.append(f"maps of {tuple(grid)} were shared out to {fitted} by area: totals stay, but noise is no longer "
                    "Poisson's")
    metadata: dict[str, Any] = {**first.metadata, **contents.metadata, **about}
    if names := [layer.detector for layer in images.values() if layer.detector]:
        metadata["detector"] = ", ".join(names)
    if (frames := max(layer.frames for layer in images.values())) > 1:
        metadata["frames"] = frames
    if maps:
        metadata["elements"] = list(maps)
    metadata |= {"format": contents.format, "file": file, "notes": [*notes, *more]}
    return Micrograph(images=arrays, pixel_size_nm=min(scale), eds=maps, eds_are_counts=counts, metadata=metadata,
                      source_sha256=sha256)


def _choose(contents: Contents, file: str, signal: str | None) -> dict[str, Layer]:
    """The images to take, by key: those of one grid with a detector each, or the one that was named."""
    able = [layer for layer in contents.layers if layer.kind in CHOOSABLE]
    if signal is not None:
        found = [layer for layer in able if signal in (layer.name, layer.key) or layer.name.endswith(f" {signal}")]
        exact = [layer for layer in found if layer.name == signal]
        if len(exact or found) == 1:
            layer = (exact or found)[0]
            return {layer.key: layer}
        wrong = next((layer for layer in contents.layers if layer.name == signal), None)
        if wrong is not None and wrong.kind not in CHOOSABLE:
            raise InputError("signal", signal, f"is no image but {_words(wrong)}: choose one of {_listing(able)}")
        if found:
            raise InputError("signal", signal, f"names several: choose one of {_listing(found)}")
        raise InputError("signal", guard.one_line(signal, 60), "the file has no such image: " +
                         nearest(signal, [layer.name for layer in able[:20]]))
    images = [layer for layer in able if layer.kind == IMAGE]
    if not able:
        what = ", ".join(sorted({_words(layer) for layer in contents.layers})) or "nothing"
        raise InputError("file", file, f"{contents.format} without an image, it holds {what}: give the one with the "
                         "image")
    if not images:
        raise InputError("signal", f"{len(able) - 1} frames" if able[-1].frames > 1 else f"{len(able)} signals",
                         f"{file} holds a stack: choose with --signal NAME one of {_listing(able)}")
    if len({layer.shape for layer in images}) == 1 and _one_scale(images) and (named := detectors.distinct(images)):
        return named
    raise InputError("signal", f"{len(images)} images", f"{file} leaves a choice: choose with --signal NAME one of "
                     f"{_listing(able)}")


def _one_scale(images: list[Layer]) -> bool:
    """Whether all calibrated images have pixels of one size."""
    scales = [layer.scale_nm for layer in images if layer.scale_nm]
    return all(np.allclose(scale, scales[0], rtol=squares.TOLERANCE) for scale in scales)


def _words(layer: Layer) -> str:
    """What a signal is."""
    return "another kind of data" if layer.kind == OTHER else f"a {layer.kind}"


def _listing(layers: Sequence[Layer], most: int = 8) -> str:
    """The names that a user can choose, cut to a few."""
    names = [f'"{guard.one_line(layer.name, 40)}"' for layer in layers]
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most - 1])} ... {names[-1]}"


def _scale(contents: Contents, layer: Layer, given: float | None) -> tuple[tuple[float, float], list[str]]:
    """Edges (y, x) of a pixel, and what to say of them."""
    if given is not None:
        known = layer.scale_nm
        differs = known is not None and not np.allclose(known, given, rtol=squares.TOLERANCE)
        return (given, given), ["the pixel size was given by the user" + (
            f" as {given:g} nm; the file says {min(known):.6g} nm" if known and differs else "")]
    if layer.scale_nm is None:
        raise InputError("pixel_size_nm", None, f"{contents.uncalibrated}: pass --pixel-size-nm")
    y, x = layer.scale_nm
    return (y, x), []


def _checked(values: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Values as float32, all of them finite."""
    if values.ndim != 2 or values.dtype.kind not in "uif":
        raise InputError("image", name, f"holds {values.dtype} of shape {values.shape}: an image is (H, W) of real "
                         "numbers")
    result = np.ascontiguousarray(values, dtype=np.float32)
    wrong = ~np.isfinite(result)
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        raise InputError("image", name, f"{int(wrong.sum())} pixels are not finite numbers, the first at row {row}, "
                         f"column {column}: mask or repair them first")
    return result


def _eds(contents: Contents, image: Layer, asked: Sequence[str] | None) -> tuple[
        dict[str, NDArray[np.float32]], bool, dict[str, Any], list[str]]:
    """Maps of elements: from spectra, else the maps that the file itself holds."""
    spectra = [layer for layer in contents.layers if layer.kind == SPECTRUM_IMAGE and layer.spectra is not None]
    stored = [layer for layer in contents.layers if layer.kind == EDS_MAP]
    if asked is not None and not asked or not (spectra or stored):
        if asked:
            raise InputError("eds", ", ".join(asked), "the file holds no spectra of X-rays and no maps of elements")
        return {}, True, {}, []
    if len(spectra) > 1:
        raise InputError("eds", f"{len(spectra)} spectrum images", "it cannot be said which belongs to the image: "
                         f"export one of {_listing(spectra)}")
    named = [str(name) for name in contents.metadata.get("elements", [])]
    if spectra and spectra[0].spectra is not None:
        source = spectra[0].spectra
        if other := _another_field(image, spectra[0]):
            if asked:
                raise InputError("eds", ", ".join(asked), f"{other}: choose the image recorded with the spectra")
            return {}, True, {}, [f"no maps were made: {other}"]
        energy = {**image.metadata, **spectra[0].metadata}.get("beam_energy_keV")
        maps, about, notes = element_maps.from_spectra(source, asked, named, energy)
        extra = {key: value for key, value in spectra[0].metadata.items() if key.startswith("eds_")}
        return maps, source.counts, {**extra, **about}, notes
    by_element = {layer.element or layer.name: layer for layer in reversed(stored)}
    twice = [element for element in by_element if sum(layer.element == element for layer in stored) > 1]
    for element in asked or ():
        if element not in by_element:
            raise InputError("eds", element,
                             f"the file has no spectra and no map of it: {nearest(element, by_element)}")
    chosen: Mapping[str, Layer] = by_element if asked is None else {element: by_element[element] for element in asked}
    other = next((reason for layer in chosen.values() if (reason := _another_field(image, layer))), None)
    if other and asked:
        raise InputError("eds", ", ".join(asked), f"{other}: choose the image recorded with the maps")
    if other:
        return {}, True, {}, [f"no maps were taken: {other}"]
    if len({layer.shape for layer in chosen.values()}) > 1:
        raise InputError("eds", ", ".join(chosen), "the maps have different shapes: name those of one shape with eds=")
    return ({element: _checked(layer.load(), f"map of {element}") for element, layer in chosen.items()}, False, {},
            ["the maps are those stored in the file, not counts: their noise is not Poisson's",
             *(f"of several maps of {element} the first was taken" for element in twice if element in chosen)])


def _another_field(image: Layer, maps: Layer) -> str | None:
    """Why maps do not lie over an image: their fields of view differ in size, or in form where no size is known."""
    ratios = [n / m for n, m in zip(image.shape, maps.shape[:2], strict=True)]
    if image.scale_nm and maps.scale_nm:
        ratios = [ratio * a / b for ratio, a, b in zip(ratios, image.scale_nm, maps.scale_nm, strict=True)]
        same = all(abs(ratio - 1) < FIELD_TOLERANCE for ratio in ratios)
    else:
        same = abs(ratios[0] / ratios[1] - 1) < FIELD_TOLERANCE
    return None if same else f"the field of view of the spectra is not that of the image {image.name!r}"


def _whole(micrograph: Micrograph, pixel_size_nm: float | None, signal: str | None,
           eds: Sequence[str] | None) -> Micrograph:
    """A micrograph that `write` stored, with less of it or another pixel size where that is asked for."""
    if signal is not None:
        if signal not in micrograph.images:
            raise InputError("signal", signal, f"the file has no such image: {nearest(signal, micrograph.images)}")
        micrograph = replace(micrograph, images={signal: micrograph.images[signal]})
    if eds is not None:
        for element in eds:
            if element not in micrograph.eds:
                raise InputError("eds", element, f"the file has no map of it: {nearest(element, micrograph.eds)}")
        micrograph = replace(micrograph, eds={element: micrograph.eds[element] for element in eds})
    return micrograph if pixel_size_nm is None else replace(micrograph, pixel_size_nm=pixel_size_nm)
