"""The law of contact: how much of the interface necking and pressure have closed."""

from __future__ import annotations

import numpy as np

from ssbray.specimen.laws import ProcessLaws
from ssbray.specimen.parameters import ProcessParameters
from ssbray.specimen.sintering import activated_time
from ssbray.units import kelvin


def contact_fraction(parameters: ProcessParameters, laws: ProcessLaws) -> float:
    """Closed share of the interface, 0..1 (prior).

    Two-particle necking, ``(x/R)^n ~ B(T) t / R^m`` with the cathode's particle size absorbed in B,
    gives a neck area ``y = (x/R)^2``; pressure alone gives ``p ~ P^1/2``, as the interface resistance
    of Li6PS5Cl falls (arXiv 2501.00600). Both saturate: ``limit (1 - exp(-(y + p)))``.
    """
    hold = [(kelvin(parameters.cosintering_temperature_C), 3600 * parameters.cosintering_time_h)]
    hours = activated_time(hold, laws.contact_Q_kJ_per_mol, 700.0) / 3600
    if parameters.coating_thickness_nm > 0:
        hours *= getattr(laws.contact_rate_coating, parameters.coating)
    neck = laws.contact_neck_700C_1h * hours ** (2 / laws.contact_exponent)
    pressed = laws.pressed_contact_5MPa * (parameters.stack_pressure_MPa / 5) ** laws.pressed_contact_exponent
    return float(laws.contact_limit * -np.expm1(-(neck + pressed)))
