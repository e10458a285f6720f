"""What the process laws make of the parameters: the numbers from which a specimen is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ssbray.materials import Materials
from ssbray.specimen import contact, reaction, sintering
from ssbray.specimen.laws import ProcessLaws
from ssbray.specimen.parameters import ProcessParameters
from ssbray.units import kelvin


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer between electrolyte and cathode."""

    sort: Literal["reaction", "coating"]
    phase: str  #: key in the materials tables
    thickness_nm: float
    asr_ohm_cm2: float  #: thickness over conductivity at 25 C; infinite where the phase blocks


@dataclass(frozen=True, kw_only=True)
class Structure:
    """The state of a bilayer after processing. Resistances are those at 25 C."""

    electrolyte: str  #: phase key, e.g. "Ta-LLZO"
    cathode: str  #: phase key, e.g. "NMC811"
    powder_d50_um: float
    relative_density: float  #: of the electrolyte, 0..1
    pore_radius_nm: float
    grain_size_nm: float  #: mean diameter in the electrolyte
    grain_sigma_log: float  #: standard deviation of ln(diameter)
    cathode_grain_size_nm: float
    cathode_grain_sigma_log: float
    lithium_loss: float  #: share of the electrolyte's lithium, 0..1
    la2zr2o7_boundary_share: float  #: share of the grain-boundary area covered by La2Zr2O7, 0..1
    grain_boundary_asr_ohm_cm2: float
    charge_transfer_asr_ohm_cm2: float  #: where there is contact
    layers: tuple[Layer, ...]  #: from the electrolyte to the cathode; absent ones are left out
    contact_fraction: float  #: closed share of the interface, 0..1
    interface_position: float  #: mean height of the interface, share of the field of view
    roughness_rms_nm: float
    roughness_length_nm: float
    gap_length_nm: float
    gap_thickness_nm: float
    pore_clearance_nm: float

    @property
    def porosity(self) -> float:
        """Pore fraction of the electrolyte, 0..1."""
        return 1 - self.relative_density

    @property
    def reaction_thickness_nm(self) -> float:
        """Thickness of all reaction products together."""
        return sum(layer.thickness_nm for layer in self.layers if layer.sort == "reaction")

    @property
    def reaction_phase(self) -> str | None:
        """Product that resists most."""
        products = [layer for layer in self.layers if layer.sort == "reaction"]
        return max(products, key=lambda layer: layer.asr_ohm_cm2).phase if products else None

    @property
    def coating_thickness_nm(self) -> float:
        """Thickness of the coating that is left."""
        return sum(layer.thickness_nm for layer in self.layers if layer.sort == "coating")

    @property
    def coating_phase(self) -> str | None:
        """Phase of the coating that is left."""
        return next((layer.phase for layer in self.layers if layer.sort == "coating"), None)

    @property
    def interface_asr_ohm_cm2(self) -> float:
        """Flat-interface estimate: charge transfer and layers in series, over the contact fraction.

        No constriction, no roughness: a check of the laws, not a substitute for a solve.
        """
        series = self.charge_transfer_asr_ohm_cm2 + sum(layer.asr_ohm_cm2 for layer in self.layers)
        return series / self.contact_fraction if self.contact_fraction > 0 else math.inf


def structure(parameters: ProcessParameters, laws: ProcessLaws, materials: Materials) -> Structure:
    """Evaluate the process laws. Pure and deterministic.

    The layers' order is garnet, tetragonal garnet, La2Zr2O7, coating, cathode: the metals that make
    the products come through the coating.

    >>> from ssbray.materials import load as load_materials
    >>> from ssbray.specimen.laws import load as load_laws
    >>> hot = structure(ProcessParameters(cosintering_temperature_C=700), load_laws(), load_materials())
    >>> cold = structure(ProcessParameters(cosintering_temperature_C=500), load_laws(), load_materials())
    >>> round(hot.reaction_thickness_nm), round(cold.reaction_thickness_nm)
    (128, 10)
    """
    sintering_hold = (kelvin(parameters.sintering_temperature_C), 3600 * parameters.sintering_time_h)
    cosintering_hold = (kelvin(parameters.cosintering_temperature_C), 3600 * parameters.cosintering_time_h)
    history = (sintering_hold, cosintering_hold)
    d50_um = sintering.powder_d50_um(parameters.milling_time_h, laws)
    loss = sintering.lithium_loss(history, parameters.milling_time_h, parameters.milling_solvent == "protic", laws)
    density = sintering.relative_density(history, d50_um, loss, laws)
    grain_nm = 1e3 * sintering.grain_size_um(history, d50_um, 1 - density, parameters.dopant, laws)
    covered = sintering.decomposed_boundary(loss, grain_nm, laws)
    return Structure(
        electrolyte=f"{parameters.dopant}-LLZO",
        cathode=parameters.cathode,
        powder_d50_um=d50_um,
        relative_density=density,
        pore_radius_nm=1e3 * laws.pore_radius_per_d50 * d50_um,
        grain_size_nm=grain_nm,
        grain_sigma_log=sintering.grain_sigma_log(parameters.sintering_temperature_C, parameters.dopant, laws),
        cathode_grain_size_nm=laws.cathode_grain_size_nm,
        cathode_grain_sigma_log=laws.cathode_grain_sigma_log,
        lithium_loss=loss,
        la2zr2o7_boundary_share=covered,
        grain_boundary_asr_ohm_cm2=_boundary_asr(covered, laws, materials),
        charge_transfer_asr_ohm_cm2=materials.interface("charge transfer").asr_25C_ohm_cm2,
        layers=_layers(parameters, laws, materials),
        contact_fraction=contact.contact_fraction(parameters, laws),
        interface_position=laws.interface_position,
        roughness_rms_nm=laws.roughness_rms_1um_nm * d50_um**laws.roughness_size_exponent,
        roughness_length_nm=laws.roughness_length_nm,
        gap_length_nm=laws.gap_length_nm,
        gap_thickness_nm=laws.gap_thickness_nm,
        pore_clearance_nm=laws.pore_clearance_nm,
    )


def _boundary_asr(covered: float, laws: ProcessLaws, materials: Materials) -> float:
    """Clean and decomposed parts of a grain boundary side by side [ohm cm2]."""
    clean = materials.interface("grain boundary").asr_25C_ohm_cm2
    film = clean + materials.layer_asr_ohm_cm2("La2Zr2O7", laws.grain_boundary_film_nm)
    if clean == 0 and covered < 1:  # boundaries switched off: the clean part short-circuits the rest
        return 0.0
    conductance = ((1 - covered) / clean if covered < 1 else 0.0) + (covered / film if film > 0 else 0.0)
    return 1 / conductance if conductance > 0 else math.inf


def _layers(parameters: ProcessParameters, laws: ProcessLaws, materials: Materials) -> tuple[Layer, ...]:
    reacted = reaction.reaction_thickness_nm(parameters, laws)
    share = reaction.blocking_share(parameters, laws)
    sequence: list[tuple[Literal["reaction", "coating"], str, float]] = [
        ("reaction", "t-LLZO", (1 - share) * reacted),
        ("reaction", "La2Zr2O7", share * reacted),
        ("coating", reaction.coating_phase(parameters, laws), reaction.coating_left_nm(parameters, laws)),
    ]
    return tuple(Layer(sort=sort, phase=phase, thickness_nm=thickness,
                       asr_ohm_cm2=materials.layer_asr_ohm_cm2(phase, thickness))
                 for sort, phase, thickness in sequence if thickness > 0)
