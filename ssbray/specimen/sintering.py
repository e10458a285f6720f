"""Laws of the garnet: milling, densification, grain growth and loss of lithium.

A thermal history is a sequence of holds (temperature [K], time [s]); what is thermally activated
adds up over them, so co-sintering goes on densifying what sintering began.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssbray.specimen.laws import ProcessLaws
from ssbray.units import GAS_CONSTANT_J_PER_MOL_K, ZERO_CELSIUS_K

History = Sequence[tuple[float, float]]  #: (temperature [K], time [s]) of each hold


def activated_time(history: History, Q_kJ_per_mol: float, reference_C: float) -> float:
    """Time at the reference temperature that does what the history did [s].

    >>> activated_time([(973.15, 60.0)], 300.0, 700.0)
    60.0
    """
    inverse = 1 / (reference_C + ZERO_CELSIUS_K)
    Q = 1e3 * Q_kJ_per_mol / GAS_CONSTANT_J_PER_MOL_K
    return float(sum(time * np.exp(Q * (inverse - 1 / temperature)) for temperature, time in history))


def powder_d50_um(milling_time_h: float, laws: ProcessLaws) -> float:
    """Median particle size after milling [um]: exponential approach to a limit (assumption).

    >>> from ssbray.specimen.laws import load
    >>> powder_d50_um(0, load())
    7.0
    """
    start, limit = laws.powder_d50_initial_um, laws.powder_d50_limit_um
    return limit + (start - limit) * float(np.exp(-milling_time_h / laws.milling_time_constant_h))


def lithium_loss(history: History, milling_time_h: float, protic: bool, laws: ProcessLaws) -> float:
    """Share of the garnet's lithium lost to a protic milling solvent and to evaporation, 0..1.

    Exchange saturates with milling time (trend: Wood 2021, 10.1016/j.jpowsour.2020.229252);
    evaporation is first order and activated, for a pellet whose surface per volume does not
    change, under mother powder (prior).
    """
    exchanged = laws.protonation_loss_limit * -np.expm1(-milling_time_h / laws.protonation_time_constant_h)
    hours = activated_time(history, laws.evaporation_Q_kJ_per_mol, 1100.0) / 3600
    kept = (1 - exchanged * protic) * np.exp(-laws.evaporation_rate_1100C_per_h * hours)
    return float(1 - kept)


def relative_density(history: History, d50_um: float, lithium_loss: float, laws: ProcessLaws) -> float:
    """Density over the density without pores, from a master sintering curve (prior).

    ``rho = rho0 + (rho_max - rho0) / (1 + (Theta0/Theta)^m)`` with the work of sintering
    ``Theta = sum t/T exp(-Q/RT)`` and ``Theta0 ~ d50^p``, p = 3 after Herring. Lost lithium shrinks
    the range that can be reached.
    """
    Q = 1e3 * laws.densification_Q_kJ_per_mol / GAS_CONSTANT_J_PER_MOL_K
    ln_theta = np.logaddexp.reduce([np.log(time / T) - Q / T for T, time in history])
    ln_theta0 = laws.densification_ln_theta_1um + laws.densification_size_exponent * np.log(d50_um)
    done = 1 / (1 + np.exp(laws.densification_exponent * (ln_theta0 - ln_theta)))
    usable = max(0.0, 1 - laws.density_loss_per_lithium_loss * lithium_loss)
    return float(laws.green_density + (laws.density_limit - laws.green_density) * done * usable)


def grain_size_um(history: History, d50_um: float, porosity: float, dopant: str, laws: ProcessLaws) -> float:
    """Mean grain diameter of the garnet [um]: ``G^n - G0^n = k t exp(-Q/RT)``, pinned by pores (prior).

    Growth starts at the powder's size and stops at Zener's limit ``c r_pore / f_pore``, but grains
    never end below the powder's size.
    """
    n = laws.growth_exponent
    time = activated_time(history, laws.growth_Q_kJ_per_mol, 1130.0)
    free = (d50_um**n + getattr(laws.growth_rate_1130C_um_n_per_s, dopant) * time) ** (1 / n)
    pinned = laws.zener_constant * laws.pore_radius_per_d50 * d50_um / max(porosity, 1e-6)
    return float(max(d50_um, min(free, pinned)))


def grain_sigma_log(sintering_temperature_C: float, dopant: str, laws: ProcessLaws) -> float:
    """Standard deviation of the logarithm of grain size; abnormal growth widens it (prior)."""
    above = (sintering_temperature_C - getattr(laws.abnormal_onset_C, dopant)) / laws.abnormal_width_C
    return float(laws.grain_sigma_log + laws.abnormal_sigma_log / (1 + np.exp(-above)))


def decomposed_boundary(lithium_loss: float, grain_size_nm: float, laws: ProcessLaws) -> float:
    """Share of the grain-boundary area covered by La2Zr2O7, 0..1.

    Loss beyond the excess decomposes garnet, Li7La3Zr2O12 -> La2Zr2O7 + 1/2 La2O3 + 7/2 Li2O (mass
    balance). Its volume goes to the boundaries, whose area per volume is 3/G, as films of a fixed
    thickness; overlapping at random they cover ``1 - exp(-f G / (3 film))`` (assumption).
    """
    missing = max(0.0, lithium_loss - laws.lithium_excess)
    film = missing * laws.la2zr2o7_volume_ratio * grain_size_nm / 3
    return float(-np.expm1(-film / laws.grain_boundary_film_nm))
