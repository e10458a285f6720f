"""What of the beam leaves the foil towards the detectors, before any blur or noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray, PhaseMap
from ssbray.materials import Materials
from ssbray.microscope.knobs import Settings
from ssbray.microscope.rendering import composition, crystal, dislocations, foil
from ssbray.microscope.rendering.composition import Composition
from ssbray.microscope.rendering.fields import Image
from ssbray.microscope.rendering.maps import Layer


@dataclass(frozen=True, eq=False, kw_only=True)
class Transmitted:
    """Signals of a foil, (H, W) each."""

    haadf: Image  #: share of the beam on the detector
    bf: Image  #: share of the beam on the detector
    layers: tuple[Layer, ...]  #: what lies along the beam: solid phases, then what covers the foil
    dislocations: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Kinds:
    """What matters of each phase here, (p,) each."""

    empty: NDArray[np.bool_]
    crystalline: NDArray[np.bool_]
    electrolyte: NDArray[np.bool_]
    reaction: NDArray[np.bool_]


def transmit(phase_map: PhaseMap, phases: tuple[Composition, ...], known: Materials, settings: Settings, seed: int
             ) -> Transmitted:
    """Signals of a section, as a foil through which its boundaries lean.

    Dark field: ``1 - exp(-k sum n Z^p t)`` with k from `haadf_fraction_100nm`. Bright field:
    ``exp(-t / lambda)``. Both times the contrast of crystals; see `crystal` and `dislocations`.
    """
    labels, pixel = phase_map.labels, phase_map.pixel_size_nm
    shape: tuple[int, int] = (labels.shape[0], labels.shape[1])
    kinds = _kinds(phase_map, phases, known)
    pore = kinds.empty[labels]
    grains = np.zeros(shape, dtype=np.int32) if phase_map.grains is None else phase_map.grains
    regions = foil.regions(labels, _crystals(phase_map, grains, kinds, settings, seed), pore)
    slices = foil.inclined(shape, pixel, settings, seed)

    def through(of_region: FloatArray) -> Image:
        """Mean along the beam of something that each region has."""
        return foil.columns(regions.region, of_region.astype(np.float32), slices)

    drawn = crystal.boundaries(regions, pore, settings, seed)
    edges, beating = (foil.projected(drawn, slices, weights)
                      for weights in (None, foil.fringes(len(slices), settings, seed)))
    narrow, dark = (np.minimum(crystal.line(each, settings.boundary_width_nm / pixel), np.float32(1))
                    for each in (edges, beating))
    whole = foil.thickness(shape, pixel, settings, seed)
    groove = np.float32(settings.groove_nm) * crystal.line(edges, foil.GROOVE_WIDTHS * settings.boundary_width_nm
                                                           / pixel)
    solid = np.maximum(whole - groove - foil.chords(pore, pixel), np.float32(0))
    coats = _coats(shape, settings, seed)
    lines = dislocations.draw(grains, kinds.crystalline[labels], pixel, settings, seed)

    normal = crystal.by_grain(regions, kinds.crystalline, seed, "render channelling")
    channelled = np.maximum(1 + settings.channelling_std * normal, 0.2)
    power = composition.powers(phases, settings.haadf_exponent)[regions.label]
    matter = _with_coats(through(power * channelled) * solid, coats, settings.haadf_exponent)
    per_nm = np.float32(-np.log1p(-settings.haadf_fraction_100nm) / 100)
    haadf = -np.expm1(-per_nm * matter) * (1 + np.float32(settings.boundary_haadf) * narrow) * lines.haadf

    power = composition.powers(phases, composition.BF_EXPONENT)[regions.label]
    matter = _with_coats(through(power) * solid, coats, composition.BF_EXPONENT)
    normal = crystal.by_grain(regions, kinds.crystalline, seed, "render diffraction")
    excited = np.exp(settings.bf_grain_std * normal - settings.bf_grain_std**2 / 2 * (normal != 0))
    bent = np.clip(0.5 + 0.5 * crystal.by_grain(regions, kinds.crystalline, seed, "render bands"), 0, 1)
    contrast = through(excited) * crystal.bending(through(3 * normal), through(bent * (normal != 0)), pixel, settings,
                                                  seed)
    contrast *= (1 + np.float32(settings.boundary_bf) * dark) * lines.bf
    bf = np.exp(-matter / np.float32(settings.bf_mean_free_path_nm)) * (1 + (contrast - 1) * solid / whole)
    bf = np.minimum(bf, np.float32(1))  # diffraction only takes from the beam

    solids = tuple(Layer(composition=phases[label], thickness=through((regions.label == label).astype(float)) * solid)
                   for label in np.unique(regions.label))
    return Transmitted(haadf=haadf.astype(np.float32), bf=bf.astype(np.float32), layers=solids + coats,
                       dislocations=lines.mask)


def _kinds(phase_map: PhaseMap, phases: tuple[Composition, ...], known: Materials) -> Kinds:
    of = [known.phase(name) for name in phase_map.phases]
    empty = np.array([not each.atoms_per_cm3 for each in phases])
    return Kinds(empty=empty, crystalline=~empty & ~np.array([composition.amorphous(each.key) for each in of]),
                 electrolyte=np.array([each.family == "electrolyte" for each in of]),
                 reaction=np.array([each.family == "reaction" for each in of]))


def _crystals(phase_map: PhaseMap, grains: NDArray[np.int32], kinds: Kinds, settings: Settings, seed: int
              ) -> NDArray[np.int32]:
    """Grains of a map; twins in transformed garnet, and crystallites of reaction products, with negative numbers."""
    labels, pixel = phase_map.labels, phase_map.pixel_size_nm
    without = grains == 0
    heirs = (kinds.electrolyte & kinds.crystalline)[labels] & without
    kept = crystal.inherited(grains, heirs, kinds.electrolyte[labels] & ~without)
    product = (kinds.reaction & kinds.crystalline)[labels] & without
    fine = crystal.domains(product, settings.domain_size_nm / pixel, seed)
    return crystal.twins(kept, heirs & (kept > 0), settings.twin_period_nm / pixel, seed) + fine


def _coats(shape: tuple[int, int], settings: Settings, seed: int) -> tuple[Layer, ...]:
    """What covers the foil."""
    carbon = foil.contamination(shape, settings, seed)
    platinum = np.full(shape, settings.platinum_nm, dtype=np.float32)
    both = ((composition.CARBON, carbon), (composition.PLATINUM, platinum))
    return tuple(Layer(composition=made, thickness=nm) for made, nm in both if nm.any())


def _with_coats(matter: Image, coats: Sequence[Layer], exponent: float) -> Image:
    """Nanometres of LLZO that would scatter as much."""
    for coat in coats:
        matter = matter + np.float32(composition.powers((coat.composition,), exponent)[0]) * coat.thickness
    return matter
