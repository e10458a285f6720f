"""Laws of the layer between garnet and cathode: interdiffusion, its products, and the coating against it."""

from __future__ import annotations

import numpy as np

from ssbray.specimen.laws import ProcessLaws
from ssbray.specimen.parameters import ProcessParameters
from ssbray.units import BOLTZMANN_EV_PER_K, ZERO_CELSIUS_K, kelvin

REFERENCE_K = 700.0 + ZERO_CELSIUS_K


def activated(value_700C: float, Ea_eV: float, temperature_K: float) -> float:
    """A quantity known at 700 C, carried to another temperature by its activation energy."""
    return float(value_700C * np.exp(Ea_eV / BOLTZMANN_EV_PER_K * (1 / REFERENCE_K - 1 / temperature_K)))


def cobalt_diffusivity(temperature_K: float, laws: ProcessLaws) -> float:
    """Diffusivity of Co in LLZO [m2/s], measured: ChemRxiv 642050a491074bccd04fa1b6.

    >>> from ssbray.specimen.laws import load
    >>> round(1e9 * (cobalt_diffusivity(973.15, load()) * 3600) ** 0.5)  # sqrt(D t) after 1 h at 700 C [nm]
    185
    """
    return activated(1e-4 * laws.cobalt_diffusivity_700C_cm2_per_s, laws.cobalt_Ea_eV, temperature_K)


def coating_diffusivity(temperature_K: float, coating: str, laws: ProcessLaws) -> float:
    """Diffusivity of transition metals in a coating [m2/s] (prior)."""
    at_700C = 1e-4 * float(getattr(laws.coating_diffusivity_700C_cm2_per_s, coating))
    return activated(at_700C, laws.coating_Ea_eV, temperature_K)


def parabolic_rate(parameters: ProcessParameters, laws: ProcessLaws) -> float:
    """Rate kp = 2 a^2 D_Co of the bare layer's growth w^2 = w0^2 + kp t [m2/s] (prior on a measured D).

    Dopant, cathode and the absence of CO2 scale it.
    """
    scale = getattr(laws.reaction_rate_dopant, parameters.dopant)
    scale *= getattr(laws.reaction_rate_cathode, parameters.cathode)
    if parameters.atmosphere == "O2":
        scale *= laws.reaction_rate_O2
    diffusivity = cobalt_diffusivity(kelvin(parameters.cosintering_temperature_C), laws)
    return float(2 * laws.layer_per_diffusion_length**2 * scale * diffusivity)


def reaction_thickness_nm(parameters: ProcessParameters, laws: ProcessLaws) -> float:
    """Thickness of the reaction layer after co-sintering [nm].

    Under a coating of thickness b the metals arrive after the time lag ``b^2 / 6 Dc`` (Daynes 1920)
    and then have to cross coating and product in series: ``dw/dt = (kp/2) / (w + b Dr/Dc)`` with
    Dr = kp/2, the linear-parabolic law of Deal and Grove (10.1063/1.1713945). Without a coating it
    is parabolic.
    """
    time = 3600 * parameters.cosintering_time_h
    rate = parabolic_rate(parameters, laws)
    initial = 1e-9 * laws.reaction_initial_nm
    series = 0.0
    if parameters.coating_thickness_nm > 0:
        thickness = 1e-9 * parameters.coating_thickness_nm
        diffusivity = coating_diffusivity(kelvin(parameters.cosintering_temperature_C), parameters.coating, laws)
        time = max(0.0, time - thickness**2 / (6 * diffusivity))
        series = thickness * (rate / 2) / diffusivity
    # w^2 + 2 A w = w0^2 + 2 A w0 + kp t, solved without the cancellation that a large A would bring
    known = initial**2 + 2 * series * initial + rate * time
    return float(1e9 * known / (series + np.sqrt(series**2 + known))) if known > 0 else 0.0


def blocking_share(parameters: ProcessParameters, laws: ProcessLaws) -> float:
    """Share of the reaction layer that is blocking La2Zr2O7; the rest is tetragonal garnet, 0..1.

    Thickness alone does not fix the resistance (NMC111 | LATP: 30 nm at both 700 and 900 C, a thousand
    times the resistance, J. Power Sources 325 (2016) 584), so the products must: cobalt makes the
    garnet tetragonal (Park 2016, 10.1021/acs.chemmater.6b03870), CO2 or heat makes La2Zr2O7. A
    logistic switch in temperature, whose middle depends on the atmosphere (prior).
    """
    onset = laws.blocking_onset_air_C if parameters.atmosphere == "air" else laws.blocking_onset_O2_C
    return float(1 / (1 + np.exp(-(parameters.cosintering_temperature_C - onset) / laws.blocking_width_C)))


def coating_phase(parameters: ProcessParameters, laws: ProcessLaws) -> str:
    """Key of the coating's phase: LiNbO3 above its crystallisation is another, non-conducting, phase.

    >>> from ssbray.specimen.laws import load
    >>> coating_phase(ProcessParameters(coating="LiNbO3"), load())
    'LiNbO3-crystalline'
    """
    if parameters.coating != "LiNbO3":
        return parameters.coating
    crystalline = parameters.cosintering_temperature_C > laws.lithium_niobate_crystallisation_C
    return "LiNbO3-crystalline" if crystalline else "LiNbO3-amorphous"


def coating_left_nm(parameters: ProcessParameters, laws: ProcessLaws) -> float:
    """Thickness of the coating that co-sintering leaves [nm]; a share of sqrt(Dc t) dissolves (prior)."""
    if parameters.coating_thickness_nm == 0:
        return 0.0
    diffusivity = coating_diffusivity(kelvin(parameters.cosintering_temperature_C), parameters.coating, laws)
    lost = laws.coating_loss_factor * 1e9 * np.sqrt(diffusivity * 3600 * parameters.cosintering_time_h)
    return float(max(0.0, parameters.coating_thickness_nm - lost))
