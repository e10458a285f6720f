"""How far the beam spreads."""

from __future__ import annotations

import numpy as np

from ssbray.domain import FloatArray
from ssbray.microscope.rendering.composition import Composition
from ssbray.microscope.rendering.fields import FWHM

DIAMETER_90 = 2 * np.sqrt(2 * np.log(10))  #: of the disc that holds 90 % of a Gaussian, in standard deviations


def beam_spread_nm(composition: Composition, thickness_nm: float, beam_energy_keV: float) -> float:
    """Diameter that holds 90 % of the electrons which leave a foil [nm].

    ``b = 7.21e5 Z / E0 sqrt(rho / A) t^1.5`` with lengths in cm and E0 in eV: Goldstein, Costley, Lorimer and
    Reed, in: Scanning Electron Microscopy 1977/I, 315. Zero for nothing.
    """
    if not composition.atoms_per_cm3:
        return 0.0
    ratio = composition.density_g_per_cm3 / composition.mean_weight
    energy_eV = 1e3 * beam_energy_keV
    return float(1e7 * 7.21e5 * composition.mean_number / energy_eV * np.sqrt(ratio) * (1e-7 * thickness_nm) ** 1.5)


def spread_fwhm_nm(compositions: tuple[Composition, ...], fractions: FloatArray, thickness_nm: float,
                   beam_energy_keV: float) -> float:
    """Full width of the spread averaged over the depth of the foil [nm], for the mean of the solids.

    The spread grows as depth^1.5, its square as depth^3: the mean square over the depth is a quarter of that
    of the exit face.
    """
    solid = np.array([bool(each.atoms_per_cm3) for each in compositions])
    if not fractions[solid].sum() > 0:
        return 0.0
    each = np.array([beam_spread_nm(one, thickness_nm, beam_energy_keV) for one in compositions])
    exit_nm = float((each * fractions)[solid].sum() / fractions[solid].sum())
    return float(exit_nm / 2 / DIAMETER_90 * FWHM)
