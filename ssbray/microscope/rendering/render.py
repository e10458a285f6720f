"""A phase map as a microscope would show it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray import materials as tables
from ssbray.domain import Micrograph, PhaseMap
from ssbray.errors import InputError
from ssbray.materials import Materials
from ssbray.microscope.knobs import Knobs, Settings
from ssbray.microscope.rendering import composition, detector, maps, optics, scan, transmit, xrays
from ssbray.microscope.rendering.composition import Composition
from ssbray.microscope.rendering.fields import blurred


@dataclass(frozen=True, eq=False, kw_only=True)
class Rendering:
    """A micrograph and what is truly in it, distorted by the same scan."""

    micrograph: Micrograph  #: images "haadf" and "bf", counts of X-rays by element
    seen: PhaseMap  #: labels and grains as the images show them
    dislocations: NDArray[np.bool_]  #: (H, W) as seen
    settings: Mapping[str, Any]  #: of the virtual microscope, and the seed; plain data


def render(phase_map: PhaseMap, knobs: Knobs, *, seed: int, materials: Materials | None = None) -> Rendering:
    """Draw a microscope's settings, and take one micrograph of a section with it.

    Parameters
    ----------
    phase_map : (H, W), a section; phases by their keys in the materials tables.
    knobs : ranges of the settings.
    seed : of the settings and of all noise; the same seed gives the same bits.

    Returns
    -------
    Rendering
        Images in numbers of the file (after gain, black level and quantisation), X-rays in counts.

    Raises
    ------
    InputError : for a volume, or a phase whose formula or density is not known.
    """
    if phase_map.labels.ndim != 2:
        raise InputError("labels", phase_map.labels.shape, "only a section (H, W) can be rendered: choose a slice")
    settings = knobs.draw(seed)
    known = materials or _tables()
    phases = composition.of_phases(phase_map.phases, known, knobs.densities_g_per_cm3)
    phases = _with_dopant(phase_map, phases, known, settings.tetragonal_dopant_share)
    foil = transmit.transmit(phase_map, phases, known, settings, seed)
    pixel = phase_map.pixel_size_nm
    height, width = phase_map.labels.shape
    path = scan.draw_scan((height, width), pixel, settings, seed)
    spread = _spread_nm(phase_map, phases, settings)
    blur = float(np.hypot(settings.probe_fwhm_nm, spread)) / pixel
    images = {name: detector.digitised(path.record(blurred(signal, blur)), settings, seed, name)
              for name, signal in (("haadf", foil.haadf), ("bf", foil.bf))}
    windows = xrays.mapped(phases, knobs.elements)
    eds = maps.count(foil.layers, windows, settings, pixel_size_nm=pixel, spread_nm=spread, seed=seed)
    nearest = path.nearest()
    seen = replace(phase_map, labels=phase_map.labels.ravel()[nearest],
                   grains=None if phase_map.grains is None else phase_map.grains.ravel()[nearest])
    plain = {**settings.model_dump(), "seed": int(seed)}
    micrograph = Micrograph(
        images=images, pixel_size_nm=pixel, eds=eds,
        metadata={"beam_energy_keV": settings.beam_energy_keV, "rendering": plain},
        source_sha256=_digest(phase_map, plain))
    return Rendering(micrograph=micrograph, seen=seen, dislocations=foil.dislocations.ravel()[nearest],
                     settings=plain)


@cache
def _tables() -> Materials:
    return tables.load()


def _with_dopant(phase_map: PhaseMap, phases: tuple[Composition, ...], known: Materials, share: float
                 ) -> tuple[Composition, ...]:
    """Tetragonal garnet that keeps a share of the cations of the garnet it grew from, the commonest of the map."""
    pixels = np.bincount(phase_map.labels.ravel(), minlength=len(phases))
    kinds = [known.phase(name) for name in phase_map.phases]
    garnets = [k for k, kind in enumerate(kinds) if kind.family == "electrolyte" and kind.key != "t-LLZO"]
    if share == 0 or not garnets:
        return phases
    parent = phases[max(garnets, key=lambda k: int(pixels[k]))]
    return tuple(composition.blend(made, parent, share) if kind.key == "t-LLZO" else made
                 for made, kind in zip(phases, kinds, strict=True))


def _spread_nm(phase_map: PhaseMap, phases: tuple[Composition, ...], settings: Settings) -> float:
    shares = np.bincount(phase_map.labels.ravel(), minlength=len(phases)) / phase_map.labels.size
    return optics.spread_fwhm_nm(phases, shares, settings.thickness_nm, settings.beam_energy_keV)


def _digest(phase_map: PhaseMap, plain: Mapping[str, Any]) -> str:
    """Sha256 of all that decides the picture, the version of the code apart."""
    digest = hashlib.sha256(json.dumps([phase_map.phases, phase_map.pixel_size_nm, plain], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(phase_map.labels).tobytes())
    if phase_map.grains is not None:
        digest.update(np.ascontiguousarray(phase_map.grains).tobytes())
    return digest.hexdigest()
