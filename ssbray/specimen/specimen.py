"""A virtual specimen: a bilayer drawn once, without pixels, and cut as often as wanted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import numpy as np

from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.materials import Materials
from ssbray.materials import load as load_materials
from ssbray.specimen.interface import Interface, draw_interface
from ssbray.specimen.laws import ProcessLaws
from ssbray.specimen.laws import load as load_laws
from ssbray.specimen.parameters import ProcessParameters
from ssbray.specimen.pores import Pores, candidates, opened
from ssbray.specimen.section import depth, pixel_centres, section
from ssbray.specimen.structure import Structure, structure
from ssbray.specimen.tessellation import Tessellation, tessellate

ROOM = 0.75  #: of the mean height of the electrolyte's part of the view, for the layers
REFERENCE_POINTS = 40_000  #: of the grid on which the porosity is set, whatever the section's pixels


@dataclass(frozen=True, eq=False, kw_only=True)
class Specimen:
    """Electrolyte above, cathode below, a rough interface between; x to the right, y down, from the top left.

    A field of view of about a micrometre shows the interface, not the grain-size distribution:
    sintered LLZO grains are micrometres wide, and then the electrolyte here is one or two grains.
    Only fine milling and short sintering put many of them (0.2-0.5 um) into the window.
    """

    structure: Structure
    seed: int
    size_nm: tuple[float, float]  #: (width, height)
    interface: Interface
    electrolyte_grains: Tessellation
    cathode_grains: Tessellation
    pores: Pores
    parameters: ProcessParameters | None = None  #: None when built from a structure of the user's
    laws: ProcessLaws | None = None

    @property
    def stack_nm(self) -> float:
        """Drawn thickness of all layers between electrolyte and cathode."""
        return self.drawn_share * sum(layer.thickness_nm for layer in self.structure.layers)

    @property
    def drawn_share(self) -> float:
        """Share of each layer's thickness that is drawn: one, unless the layers need more than their room.

        Micrometres of reaction product do not fit a view of a micrometre. What is not drawn keeps its
        resistance, as a boundary on the electrolyte's side of its layer.
        """
        full = sum(layer.thickness_nm for layer in self.structure.layers)
        return min(1.0, ROOM * self.interface.mean_nm / full) if full > 0 else 1.0

    def section(self, pixel_size_nm: float, *, size_nm: tuple[float, float] | None = None,
                offset_nm: tuple[float, float] = (0.0, 0.0)) -> PhaseMap:
        """Cut the specimen into square pixels, each with the phase at its centre.

        Parameters
        ----------
        pixel_size_nm : edge of a pixel.
        size_nm : (width, height) of the window; by default all that lies right of and below the offset.
        offset_nm : (x, y) of the window's top left corner.

        Returns
        -------
        PhaseMap with phases electrolyte, cathode, the reaction layers and the coating that have
        pixels, pore; thinner layers, grain boundaries and charge transfer are in `boundaries`.
        A layer has pixels from three pixels of thickness on. Numbers of grains are the same in
        every section of a specimen.

        Raises
        ------
        InputError : for a pixel size or a window that makes no sense.

        >>> specimen = make(ProcessParameters(), seed=1, size_nm=(600, 400))
        >>> specimen.section(4.0).phases  # current flows from the first row to the last
        ('Ta-LLZO', 'NMC811', 'La2Zr2O7', 'pore')
        >>> cut = specimen.section(50.0)
        >>> cut.labels.shape, sorted(cut.boundaries)  # doctest: +NORMALIZE_WHITESPACE
        ((8, 12), ['Ta-LLZO:NMC811:La2Zr2O7', 'Ta-LLZO:NMC811:charge transfer', 'Ta-LLZO:NMC811:t-LLZO',
         'Ta-LLZO:Ta-LLZO:grain boundary'])
        """
        return section(self, pixel_size_nm, size_nm=size_nm, offset_nm=offset_nm)

    def digest(self) -> str:
        """Sha256 of all that the specimen is made of: laws, parameters, structure, seed and size."""
        parts = {
            "laws": self.laws and self.laws.model_dump(),
            "parameters": self.parameters and self.parameters.model_dump(),
            "structure": asdict(self.structure), "seed": self.seed, "size_nm": list(self.size_nm),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make(parameters: ProcessParameters, *, seed: int, size_nm: tuple[float, float] = (1200.0, 800.0),
         laws: ProcessLaws | None = None, materials: Materials | None = None) -> Specimen:
    """Process parameters to one specimen of them.

    The same seed with slightly different parameters gives a similar arrangement (common random
    numbers): designs that are compared should be compared under the same seeds.

    Parameters
    ----------
    parameters : the route.
    seed : of the arrangement.
    size_nm : (width, height) of what is drawn.
    laws, materials : the shipped ones where None.
    """
    laws = laws or load_laws()
    state = structure(parameters, laws, materials or load_materials())
    return replace(assemble(state, seed=seed, size_nm=size_nm), parameters=parameters, laws=laws)


def assemble(state: Structure, *, seed: int, size_nm: tuple[float, float] = (1200.0, 800.0)) -> Specimen:
    """One specimen of a given structure: from the process laws, or measured."""
    width, height = (float(extent) for extent in size_nm)
    if not (np.isfinite([width, height]).all() and min(width, height) > 0):
        raise InputError("size_nm", tuple(size_nm), "width and height must be positive numbers of nanometres")
    size = (width, height)
    grains = tessellate(seed, "specimen electrolyte grains", size_nm=size, diameter_nm=state.grain_size_nm,
                        sigma_log=state.grain_sigma_log)
    closed = Specimen(
        structure=state,
        seed=int(seed),
        size_nm=size,
        interface=draw_interface(
            seed, size_nm=size, position=state.interface_position, rms_nm=state.roughness_rms_nm,
            length_nm=state.roughness_length_nm, contact_fraction=state.contact_fraction,
            gap_length_nm=state.gap_length_nm, gap_thickness_nm=state.gap_thickness_nm),
        electrolyte_grains=grains,
        cathode_grains=tessellate(seed, "specimen cathode grains", size_nm=size,
                                  diameter_nm=state.cathode_grain_size_nm, sigma_log=state.cathode_grain_sigma_log),
        pores=candidates(seed, grains, size_nm=size, radius_nm=state.pore_radius_nm),
    )
    return replace(closed, pores=_set_porosity(closed))


def _set_porosity(specimen: Specimen) -> Pores:
    """Open pores until they fill their share of the electrolyte beyond the layers."""
    state = specimen.structure
    spacing = float(np.sqrt(np.prod(specimen.size_nm) / REFERENCE_POINTS))
    x, y = pixel_centres(specimen.size_nm, (0.0, 0.0), spacing)
    distance, _ = depth(specimen, x, y, spacing)
    allowed = distance > specimen.stack_nm + state.pore_clearance_nm
    electrolyte = int((distance > specimen.stack_nm).sum())
    share = state.porosity * electrolyte / max(1, int(allowed.sum()))
    return opened(specimen.pores, x, y, allowed, share)
