"""X-ray lines, and the windows of a spectrum that count them.

Energies are those of the strongest lines in the X-ray Data Booklet (Thompson et al., LBNL, 3rd ed. 2009,
table 1-2; after Bearden, Rev. Mod. Phys. 39 (1967) 78, 10.1103/RevModPhys.39.78).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ssbray.errors import InputError, nearest

FWHM_MN_EV = 130.0  #: of Mn K alpha, for a silicon drift detector
WINDOW = 1.2  #: width of a window in units of the line's FWHM
CLEAR = 0.6  #: a side window keeps this many FWHM from every line of the specimen
REACH = 8.0  #: side windows are sought up to this many FWHM from the line
FLOOR_EV = 110.0  #: below lies the noise peak of the detector
K, L, M = "K", "L", "M"
LINES: dict[str, dict[str, tuple[float, ...]]] = {  # element -> family -> strongest first [eV]; first family preferred
    "B": {K: (183.3,)}, "C": {K: (277.0,)}, "N": {K: (392.4,)}, "O": {K: (524.9,)}, "F": {K: (676.8,)},
    "Na": {K: (1041.0, 1071.1)}, "Mg": {K: (1253.6, 1302.2)}, "Al": {K: (1486.7, 1557.4)},
    "Si": {K: (1740.0, 1835.9)}, "P": {K: (2013.7, 2139.1)}, "S": {K: (2307.8, 2464.0)},
    "Cl": {K: (2622.4, 2815.6)}, "K": {K: (3313.8, 3589.6)}, "Ca": {K: (3691.7, 4012.7), L: (341.3,)},
    "Ti": {K: (4510.8, 4931.8), L: (452.2,)}, "V": {K: (4952.2, 5427.3), L: (511.3,)},
    "Cr": {K: (5414.7, 5946.7), L: (572.8,)}, "Mn": {K: (5898.8, 6490.4), L: (637.4,)},
    "Fe": {K: (6403.8, 7058.0), L: (705.0,)}, "Co": {K: (6930.3, 7649.4), L: (776.2,)},
    "Ni": {K: (7478.2, 8264.7), L: (851.5,)}, "Cu": {K: (8047.8, 8905.3), L: (929.7,)},
    "Zn": {K: (8638.9, 9572.0), L: (1011.7,)}, "Ga": {K: (9251.7, 10264.2), L: (1097.9,)},
    "Ge": {K: (9886.4, 10982.1), L: (1188.0,)}, "Sr": {L: (1806.6, 1871.7), K: (14165.0, 15835.7)},
    "Y": {L: (1922.6, 1995.8), K: (14958.4, 16737.8)},
    "Zr": {L: (2042.4, 2124.4, 2219.4, 2302.7), K: (15775.1, 17667.8)},
    "Nb": {L: (2165.9, 2257.4, 2367.0, 2461.8), K: (16615.1, 18622.5)},
    "Mo": {L: (2293.2, 2394.8, 2518.3, 2623.5), K: (17479.3, 19608.3)}, "Ag": {L: (2984.3, 3150.9, 3347.8, 3519.6)},
    "In": {L: (3286.9, 3487.2, 3713.8, 3920.8)}, "Sn": {L: (3444.0, 3662.8, 3904.9, 4131.1)},
    "Ba": {L: (4466.3, 4827.5, 5156.5, 5531.1)}, "La": {L: (4651.0, 5042.1, 5383.5, 5788.5), M: (833.0,)},
    "Ce": {L: (4840.2, 5262.2, 5613.4, 6052.0), M: (883.0,)}, "Nd": {L: (5230.4, 5721.6, 6089.4, 6602.1), M: (978.0,)},
    "Gd": {L: (6057.2, 6713.2, 7102.8, 7785.8), M: (1185.0,)},
    "Hf": {L: (7899.0, 9022.7, 9347.3, 10515.8), M: (1644.6, 1697.6)},
    "Ta": {M: (1709.6, 1765.5), L: (8146.1, 9343.1, 9651.8, 10895.2)},
    "W": {L: (8397.6, 9672.4, 9961.5, 11285.9), M: (1775.4, 1834.9)},
    "Pt": {L: (9442.3, 11070.7, 11250.5, 12942.0), M: (2050.5, 2127.3)},
    "Au": {L: (9713.3, 11442.3, 11584.7, 13381.7), M: (2122.9, 2204.6)},
    "Pb": {L: (10551.5, 12613.7, 12622.6, 14764.4), M: (2345.5, 2442.7)},
    "Bi": {L: (10838.8, 13023.5, 12979.9, 15247.7), M: (2422.6, 2525.6)}}
_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
    "Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm")
SYMBOLS = _TABLE.split()  #: by atomic number, from 1


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where the counts of an element are taken, and where its background is."""

    element: str
    line: str  #: e.g. "La L"
    energy_eV: float
    peak: tuple[int, int]  #: channels first..last-1
    sides: tuple[tuple[int, int], ...]  #: one or two windows of background, or none
    overlaps: tuple[str, ...]  #: lines of other elements that fall into the peak window


def fwhm_eV(energy_eV: float) -> float:
    """Width of a line in a spectrum from a silicon drift detector [eV]: Fano statistics on top of the noise.

    FWHM(E)^2 = 2.5 eV (E - E(Mn K)) + FWHM(Mn K)^2 (Fiori and Newbury, Scanning Electron Microscopy I (1978) 401).

    >>> round(fwhm_eV(5898.8))
    130
    """
    return math.sqrt(max(2.5 * (energy_eV - 5898.8) + FWHM_MN_EV**2, 1.0))


def choose_line(element: str, top_eV: float, beam_energy_keV: float | None) -> tuple[str, float] | None:
    """Preferred line that the spectrum holds and the beam excites: family and energy [eV]."""
    for family, energies in LINES.get(element, {}).items():
        energy = energies[0]
        if energy + fwhm_eV(energy) < top_eV and (beam_energy_keV is None or energy * 1.1 < beam_energy_keV * 1e3):
            return family, energy
    return None


def check_element(element: str) -> None:
    """Refuse what is no element, and elements whose X-rays no window detector sees."""
    if element not in SYMBOLS:
        raise InputError("eds", element, f"no such element: {nearest(element, LINES)}")
    if element not in LINES:
        raise InputError("eds", element, f"no line of it is in the table ({', '.join(LINES)}): leave it out")


def windows(elements: Iterable[str], present: Iterable[str], *, offset_eV: float, dispersion_eV: float, channels: int,
            beam_energy_keV: float | None = None) -> dict[str, Window]:
    """Windows of each element whose line the spectrum holds; side windows keep clear of all lines of `present`."""
    top = offset_eV + dispersion_eV * (channels - 1)
    elements = list(elements)
    others = sorted({*elements, *present} & set(LINES))
    chosen = {}
    for element in elements:
        line = choose_line(element, top, beam_energy_keV)
        if line is None:
            continue
        family, energy = line
        width = fwhm_eV(energy)

        def channel_range(low: float, high: float) -> tuple[int, int]:
            first = math.ceil(round((low - offset_eV) / dispersion_eV, 6))
            last = math.floor(round((high - offset_eV) / dispersion_eV, 6)) + 1
            return max(0, first), min(channels, last)

        peak = channel_range(energy - WINDOW * width / 2, energy + WINDOW * width / 2)
        if peak[1] <= peak[0]:
            continue
        sides = []
        for sign in (-1, 1):
            centre = _clear_place(energy, sign, others, top)
            if centre is not None:
                side = channel_range(centre - WINDOW * width / 2, centre + WINDOW * width / 2)
                sides.append(side)
        overlaps = tuple(f"{other} {name}" for other in others if other != element
                         for name, energies in LINES[other].items()
                         if any(abs(one - energy) < (WINDOW * width + fwhm_eV(one)) / 2 for one in energies))
        chosen[element] = Window(element=element, line=f"{element} {family}", energy_eV=energy, peak=peak,
                                 sides=tuple(sides), overlaps=overlaps)
    return chosen


def _clear_place(energy: float, sign: int, others: list[str], top: float) -> float | None:
    """Centre of a side window, as near to the line as no other line disturbs; None where there is no such place."""
    width = fwhm_eV(energy)
    half = WINDOW * width / 2
    steps = range(round(20 * (WINDOW + CLEAR)), round(20 * REACH) + 1)
    for step in steps:
        centre = energy + sign * step / 20 * width
        if centre - half < FLOOR_EV or centre + half > top:
            return None
        if all(abs(one - centre) > half + CLEAR * fwhm_eV(one) for other in others
               for energies in LINES[other].values() for one in energies):
            return centre
    return None
